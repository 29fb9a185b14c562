"""Predictions: windows of a stream, and the same scores as in validation."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from genretune.data.audio import decode, stream
from genretune.data.errors import DataError
from genretune.data.store import Store
from genretune.data.windows import window_starts
from genretune.models.build import FEATURES
from genretune.tune.errors import RecordMismatch, TuneError
from genretune.tune.training import metrics
from genretune.tune.training.components import build_components
from genretune.tune.training.epoch import evaluate
from genretune.tune.training.record_text import classes_from_text
from genretune.tune.training.resolve_config import trial_config
from genretune.tune.trial import predict as module
from genretune.tune.trial.predict import Predictor, audio_files, on_available_device, stream_windows
from genretune.tune.trial.run_trial import run_trial
from genretune.tune.trial.trial_dir import TrialDir
from tests.rounding import sums_to_one

Tiny = Callable[..., dict[str, Any]]


def noise(length: int) -> np.ndarray[Any, np.dtype[np.int16]]:
    return np.random.RandomState(1).randint(-3000, 3000, length).astype(np.int16)


@pytest.mark.parametrize("block", [1, 7, 40, 1000])
@pytest.mark.parametrize("length", [60, 100, 104, 105, 107])
def test_windows_of_a_stream_equal_those_of_the_whole_file(length: int, block: int) -> None:
    samples = noise(length)
    blocks = [samples[at : at + block] for at in range(0, length, block)]
    windows = list(stream_windows(blocks, length=20, hop=10))
    starts = window_starts(length, window=20, hop=10, max_start=None)
    missing = length - (starts[-1] + 20)
    if missing < 0 and 10 + missing < 5:  # the last brings less than half a hop that is new
        starts = starts[:-1]
    assert len(windows) == len(starts)
    for window, start in zip(windows, starts, strict=True):
        whole = samples[start : start + 20]
        assert np.array_equal(window, np.pad(whole, (0, 20 - len(whole)), mode="edge"))


def test_a_short_stream_has_one_padded_window() -> None:
    (window,) = stream_windows([noise(3)], length=20, hop=10)
    assert np.array_equal(window, np.pad(noise(3), (0, 17), mode="edge"))
    assert list(stream_windows([], length=20, hop=10)) == []


@pytest.mark.parametrize("rate", [22050, 44100])
def test_a_stream_is_the_decoded_file(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "x.wav"
    soundfile.write(path, np.stack([noise(200_000), noise(200_000)], axis=1), rate)
    blocks = list(stream(path, 22050))
    assert len(blocks) > 1
    assert np.array_equal(np.concatenate(blocks), decode(path, 22050).samples)


def test_files_that_are_not_audio_are_named(tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(b"RIFF")
    with pytest.raises(DataError, match=r"x\.wav: must be an audio file, got"):
        list(stream(tmp_path / "x.wav", 22050))
    with pytest.raises(DataError, match="got not audio: no such file"):
        list(stream(tmp_path / "y.wav", 22050))
    soundfile.write(tmp_path / "z.wav", np.zeros(1), 768_000)  # less than a sample at 22,050 Hz
    with pytest.raises(DataError, match=r"z\.wav: must be an audio file, got empty: no samples"):
        list(stream(tmp_path / "z.wav", 22050))


def test_a_damaged_mp3_is_one_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole = tmp_path / "whole.mp3"
    soundfile.write(whole, noise(100_000), 22050, format="MP3")
    assert sum(map(len, stream(whole, 22050))) >= 100_000
    data = bytearray(whole.read_bytes())
    for at in range(1000, len(data), 97):
        data[at] ^= 0x5A
    (tmp_path / "hurt.mp3").write_bytes(data)
    (tmp_path / "junk.mp3").write_bytes(np.random.RandomState(0).bytes(9000))
    with pytest.raises(DataError, match=r"hurt\.mp3: must be an audio file, got truncated: "):
        list(stream(tmp_path / "hurt.mp3", 22050))
    with pytest.raises(DataError, match=r"junk\.mp3: .*, got no audio that can be decoded"):
        list(stream(tmp_path / "junk.mp3", 22050))
    assert capfd.readouterr().err == ""


def test_a_clip_is_scored_as_in_validation(
    store: Store, corpus: Path, tiny: Tiny, tmp_path: Path
) -> None:
    feature = tiny()["feature"] | {"normalize": "statistics"}
    config = trial_config(tiny(epochs=3, feature=feature, best={"metric": "trn_loss"}))
    folder = TrialDir(tmp_path / "trial")
    run_trial(config, store, folder, on_report=lambda record: True)
    checkpoint = folder.best_checkpoint()
    assert checkpoint is not None and checkpoint.feature
    parts = build_components(config, store)
    parts.model.load_state_dict(checkpoint.model)
    expected = evaluate(parts, parts.validation)
    predictor = Predictor(folder, config, {})
    assert len(parts.validation) % config.eval_batch_size, "the last batch is filled up"
    right, predicted = [], []
    for clip in sorted(set(parts.validation.windows.clip.tolist())):
        label = store.classes[store.labels[clip]]
        prediction = predictor.predict(corpus / label / f"{store.names[clip]}.wav")
        assert sums_to_one(prediction.probabilities.values())
        assert (prediction.windows, prediction.seconds) == (5, 1.5)
        right.append(prediction.best == label)
        predicted.append(prediction.best)
    assert sum(right) / len(right) == expected.clip_accuracy
    result = folder.result()
    assert result is not None
    record = result["history"][checkpoint.epoch - 1]
    recorded = classes_from_text(record["val_clip_classes"], len(store.classes))
    assert [store.classes[index] for index in recorded] == predicted


FEATURES_AND_MODELS: list[dict[str, Any]] = [
    *({"feature": {"name": name, "n_fft": 512}} for name in FEATURES),
    {"feature": {"name": "melspec", "n_mels": 16, "normalize": "window"}},
    {"feature": {"name": "melspec", "n_mels": 16, "normalize": "statistics"}},
    {"model": {"name": "cnn", "filters": [4, 6], "reduction": 2, "pool": "flatten"}},
    {"model": {"name": "lcnn4"}},
    {"model": {"name": "resnet18", "reduction": 16}},
    {"precision": "bf16"},
    {"memory_format": "contiguous"},
    {"eval_batch_size": 3},
    {"eval_batch_size": 64},
]


@pytest.mark.parametrize("changes", FEATURES_AND_MODELS, ids=str)
def test_a_clip_gets_the_bits_of_validation(
    store: Store,
    corpus: Path,
    tiny: Tiny,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
) -> None:
    """Whatever its neighbours in a batch, and however full the last batch is."""
    config = trial_config(tiny(epochs=1, **changes))
    folder = TrialDir(tmp_path / "trial")
    fused: list[torch.Tensor] = []
    whole = metrics.fuse

    def keep(*arguments: Any) -> torch.Tensor:
        fused.append(whole(*arguments))
        return fused[-1]

    monkeypatch.setattr(metrics, "fuse", keep)
    run_trial(config, store, folder, on_report=lambda record: True)
    parts = build_components(config, store)
    clips = sorted(set(parts.validation.windows.clip.tolist()))
    assert fused[-1].shape == (len(clips), len(store.classes))  # the last call was validation's
    predictor = Predictor(folder, config, {})
    for clip, scores in list(zip(clips, fused[-1], strict=True))[::4]:
        path = corpus / store.classes[store.labels[clip]] / f"{store.names[clip]}.wav"
        found = list(predictor.predict(path).probabilities.values())
        assert found == torch.softmax(scores, 0).tolist()


def test_a_folder_without_a_best_checkpoint_is_named(
    store: Store, tiny: Tiny, tmp_path: Path
) -> None:
    with pytest.raises(TuneError, match=r"must hold an intact checkpoints/best\.safetensors"):
        Predictor(TrialDir(tmp_path), trial_config(tiny()), {})


@pytest.fixture
def trained(store: Store, tiny: Tiny, tmp_path: Path) -> TrialDir:
    folder = TrialDir(tmp_path / "trained")
    run_trial(trial_config(tiny(epochs=1)), store, folder, on_report=lambda record: True)
    return folder


def test_a_checkpoint_of_another_network_is_refused(trained: TrialDir, tiny: Tiny) -> None:
    other = trial_config(tiny(model=tiny()["model"] | {"filters": [4, 6, 10]}))
    with pytest.raises(RecordMismatch, match="must hold the network of config.json, got another"):
        Predictor(trained, other, {})
    (trained.path / "result.json").unlink()
    with pytest.raises(RecordMismatch, match=r"result\.json: must name the classes, got none"):
        Predictor(trained, trial_config(tiny(epochs=1)), {})


def test_non_finite_probabilities_are_an_error(
    trained: TrialDir, tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soundfile.write(tmp_path / "x.wav", noise(30_000), 22050)
    predictor = Predictor(trained, trial_config(tiny(epochs=1)), {})
    assert sums_to_one(predictor.predict(tmp_path / "x.wav").probabilities.values())
    nothing = torch.full((1, 10), float("nan"))
    monkeypatch.setattr(module, "forward", lambda model, images, config: nothing)
    with pytest.raises(DataError, match=r"x\.wav: must give finite probabilities, got \[nan"):
        predictor.predict(tmp_path / "x.wav")


def test_a_network_trained_on_a_gpu_predicts_on_the_cpu(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    config = trial_config(tiny(device="cuda", precision="tf32", eval_batch_size="auto"))
    here = on_available_device(config)
    assert (here.device, here.precision, here.eval_batch_size) == ("cpu", "fp32", 16)
    assert on_available_device(here) == here
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert on_available_device(config) == config


def test_audio_below_a_folder_is_found(tmp_path: Path) -> None:
    for name in ("b/x.wav", "a.FLAC", ".hidden/y.wav", "c.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    empty = tmp_path / "empty"
    empty.mkdir()
    assert audio_files(tmp_path) == [tmp_path / "a.FLAC", tmp_path / "b/x.wav"]
    with pytest.raises(TuneError, match="must hold audio files, got none"):
        audio_files(empty)
