"""A training without a sweep: settings against a corpus, folds, and their summary."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from genretune.data.errors import DataError, SamplesChanged
from genretune.tune.errors import RecordMismatch, RunFailure, TuneError
from genretune.tune.training.train import Outcome
from genretune.tune.trial.standalone import prepare, run_standalone, summary

Tiny = Callable[..., dict[str, Any]]


def test_defaults_are_written_out(corpus: Path) -> None:
    standalone = prepare({}, data=corpus)
    config = standalone.config
    assert (config.seed, config.data.split.folds) == (0, 5)
    assert config.data.samples == standalone.store.samples_digest
    again = prepare(config.model_dump(mode="json"), data=None)  # the pack is found by digest
    assert again.config == config and again.config.signature() == config.signature()


def test_a_folder_holds_one_trial(corpus: Path, tiny: Tiny, tmp_path: Path) -> None:
    standalone = prepare(tiny(epochs=1), data=corpus)
    path = tmp_path / "trial"
    first = run_standalone(standalone, path)
    assert run_standalone(standalone, path).history == first.history
    other = prepare(tiny(epochs=2), data=corpus)
    with pytest.raises(TuneError, match="--out: must be new or hold the same trial"):
        run_standalone(other, path)


def test_folds_differ_in_nothing_else(corpus: Path, tiny: Tiny) -> None:
    standalone = prepare(tiny(), data=corpus)
    folds = standalone.folds()
    assert [one.config.data.split.fold for one in folds] == [1, 2, 3]
    assert {one.on_fold(2).config.signature() for one in folds} == {folds[1].config.signature()}
    with pytest.raises(DataError, match="fold"):
        standalone.on_fold(4)


def test_a_split_without_folds_has_no_cross_validation(
    corpus: Path, tiny: Tiny, tmp_path: Path
) -> None:
    lines = ["file,split"]
    for path in sorted(corpus.rglob("*.wav")):
        part = "validation" if path.stem.endswith("0") else "train"
        lines.append(f"{path.relative_to(corpus)},{part}")
    file = tmp_path / "split.csv"
    file.write_text("\n".join(lines))
    given = tiny()
    standalone = prepare(
        given | {"data": {**given["data"], "split": {"name": "file", "file": str(file)}}},
        data=corpus,
    )
    assert standalone.config.data.split.members is not None  # read once, then part of the record
    with pytest.raises(TuneError, match="--fold: all needs a split with several folds, got file"):
        standalone.folds()


def test_leaks_are_refused_or_reported(corpus: Path, tiny: Tiny) -> None:
    given = tiny()
    split = {"name": "contaminated", "i_know_this_leaks": True}
    leaking = prepare(given | {"data": {**given["data"], "split": split}}, data=corpus)
    assert leaking.check().leaks
    data = {**given["data"], "leakage": "of"}
    with pytest.raises(TuneError, match="data.leakage: must be error, warn or off, got 'of'"):
        prepare(given | {"data": data}, data=corpus)
    assert not prepare(given, data=corpus).check().leaks


def test_a_corpus_or_plugin_that_differs_from_the_record_is_refused(
    corpus: Path, tiny: Tiny
) -> None:
    given = tiny()
    with pytest.raises(SamplesChanged, match="data: must have the recorded samples 000000000000"):
        prepare(given | {"data": {**given["data"], "samples": "0" * 64}}, data=corpus)
    with pytest.raises(RecordMismatch, match="--plugin: must include the recorded mine.py"):
        prepare(given | {"plugins": {"mine.py": "0" * 64}}, data=corpus)


def test_the_summary_is_taken_at_each_folds_best_epoch() -> None:
    from genretune.tune.metric_names import METRICS

    def outcome(*values: float) -> Outcome:
        records = [{"epoch": k, **dict.fromkeys(METRICS, v)} for k, v in enumerate(values, 1)]
        return Outcome("completed", tuple(records), "")

    found = summary([outcome(0.1, 0.5, 0.2), outcome(0.7, 0.1)], "val_acc")
    assert found["val_loss"] == {"mean": pytest.approx(0.6), "std": pytest.approx(0.02**0.5)}
    with pytest.raises(RunFailure, match="needs at least two finished folds, got 1"):
        summary([outcome(0.1), Outcome("diverged", (), "")], "val_acc")
