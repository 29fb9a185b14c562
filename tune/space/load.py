"""A space file, with its overrides, -> a checked :class:`Space`; or all that is wrong with it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path as FilePath

from genretune.data.name_suggestions import did_you_mean
from genretune.tune.metric_names import METRICS
from genretune.tune.space.distributions import same
from genretune.tune.space.document import Document, read_document
from genretune.tune.space.overrides import apply_overrides
from genretune.tune.space.parameters import parse_parameters
from genretune.tune.space.problems import Problems, SpaceError, show
from genretune.tune.space.settings import Asha, GridSampler, Metric, parse_settings
from genretune.tune.space.space import Space
from genretune.tune.space.tree import size


def load_space(path: FilePath | str, overrides: Sequence[str] = ()) -> Space:
    """Read, override and check a space file.

    Raises:
        SpaceError: one line for everything that is wrong, each with file and line.
    """
    name = str(path)
    try:
        text = FilePath(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SpaceError([f"{name}: must be a search space file, got no such file"]) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise SpaceError([f"{name}: must be a readable file, got: {reason}"]) from None
    return space_from_text(text, name, overrides)


def space_from_text(text: str, name: str, overrides: Sequence[str] = ()) -> Space:
    """As :func:`load_space`, from the text itself; ``name`` stands in messages."""
    document = read_document(text, name)
    if not isinstance(document.data, dict):
        document.problems.raise_if_any()
        where = document.locations[()]
        raise SpaceError([f"{where}: must be a mapping of settings, got {show(document.data)}"])
    notes = apply_overrides(document, overrides)
    return _check(document, notes)


def space_from_json(data: Mapping[str, object]) -> Space:
    """What :meth:`Space.as_json` wrote.

    Raises:
        SpaceError: it was not written by ``as_json``.
    """
    return _check(Document(dict(data), {}, Problems({})), ())


def with_trials(space: Space, trials: int) -> Space:
    """The same space with another number of trials.

    Raises:
        SpaceError: below 1, fewer than ``start_with``, or more than a grid has.
    """
    problems = Problems(space.locations)
    _check_trials(replace(space, trials=trials), problems)
    problems.raise_if_any()
    return replace(space, trials=trials)


def changed_keys(before: Space, after: Space) -> list[str]:
    """The dotted keys in which two spaces differ, in the order of the file; not ``keep``, which
    changes no result."""
    one, other = before.as_json(), after.as_json()
    return [key for key in _changed(one, other, "") if key != "keep"]


def _changed(before: object, after: object, key: str) -> list[str]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        names = dict.fromkeys((*before, *after))
        nothing = object()
        return [
            changed
            for name in names
            for changed in _changed(
                before.get(name, nothing),
                after.get(name, nothing),
                f"{key}.{name}" if key else str(name),
            )
        ]
    return [] if type(before) is type(after) and before == after else [key]


def _check(document: Document, notes: tuple[str, ...]) -> Space:
    problems = document.problems
    data = document.data
    if not isinstance(data, Mapping):
        raise SpaceError([f"must be a mapping of settings, got {show(data)}"])
    settings = parse_settings(data, problems)
    trial = data.get("trial")
    base = trial if isinstance(trial, Mapping) else {}
    if "parameters" in data:
        parameters = parse_parameters(data["parameters"], base, problems)
    else:
        parameters = ()
        problems.add(
            ("parameters",),
            "is required",
            advice="for example parameters: {model.reduction: {values: [null, 8, 16]}}",
        )
    if isinstance(trial, Mapping):
        _check_epochs(trial, problems)
    if settings is not None:
        _check_metric(settings.metric, problems)
    if settings is None or problems:
        problems.raise_if_any()
        raise SpaceError(["the space could not be read"])
    space = Space(
        version=settings.version,
        name=settings.name,
        seed=settings.seed,
        trials=settings.trials,
        metric=settings.metric,
        sampler=settings.sampler,
        early_terminate=settings.early_terminate,
        seeds=settings.seeds,
        keep=settings.keep,
        data=settings.data,
        trial=settings.trial,
        start_with=tuple(settings.start_with),
        parameters=parameters,
        notes=notes,
        locations=document.locations,
    )
    _check_rungs(space, problems)
    _check_start(space, problems)
    _check_grid(space, problems)
    _check_trials(space, problems)
    problems.raise_if_any()
    return replace(space, start_with=tuple(space.as_drawn(given) for given in space.start_with))


def _check_metric(metric: Metric, problems: Problems) -> None:
    best = METRICS.get(metric.name)
    if best is None:
        problems.add(
            ("metric", "name"),
            f"must be a column of metrics.tsv, got {show(metric.name)}",
            advice=did_you_mean(metric.name, METRICS),
        )
    elif metric.mode != best:
        problems.add(
            ("metric", "mode"), f"must be {best} for {metric.name}, got {show(metric.mode)}"
        )


def _check_epochs(trial: Mapping[str, object], problems: Problems) -> None:
    epochs = trial.get("epochs")
    if "epochs" not in trial:
        problems.add(("trial", "epochs"), "is required", advice="for example epochs: 50")
    elif isinstance(epochs, bool) or not isinstance(epochs, int) or epochs < 1:
        problems.add(
            ("trial", "epochs"), f"must be a whole number of at least 1, got {show(epochs)}"
        )
    for key, instead in (("seed", "seed and seeds at the root"), ("data", "data at the root")):
        if key in trial:
            problems.add(("trial", key), "is set for all trials", advice=f"use {instead}")


def _check_rungs(space: Space, problems: Problems) -> None:
    rule = space.early_terminate
    if not isinstance(rule, Asha):
        return
    if rule.grace_period >= space.epochs:
        problems.add(
            ("early_terminate", "grace_period"),
            f"must be below trial.epochs, got {rule.grace_period} for {space.epochs} epochs",
            advice="early_terminate: {type: none} stops nothing",
        )
        return
    rungs = 0
    while rule.grace_period * rule.reduction_factor**rungs < space.epochs:
        rungs += 1
    if rule.brackets > rungs + 1:
        problems.add(
            ("early_terminate", "brackets"),
            f"must be at most {rungs + 1}, the rungs and one bracket without any, "
            f"got {rule.brackets}",
        )


def _check_start(space: Space, problems: Problems) -> None:
    """Every fixed trial is whole, in the space and another than those before it."""
    before: list[object] = []
    for index, given in enumerate(space.start_with):
        for name in given:
            if not any(name == key or name.startswith(key + ".") for key, _ in space.parameters):
                problems.add(
                    ("start_with", index, name),
                    "unknown parameter",
                    advice=did_you_mean(name, [key for key, _ in space.parameters]),
                )
            if any(name.startswith(other + ".") for other in given):
                problems.add(("start_with", index, name), "is given twice, nested and dotted")
        wrong = space.misfits(given)
        if not wrong:
            whole = space.as_drawn(given)
            if any(same(whole, other) for other in before):
                problems.add(("start_with", index), "must differ from the trials before it")
            before.append(whole)
        for line in wrong:
            key, _, rule = line.partition(": ")
            named = next((n for n in given if n == key or n.startswith(key + ".")), None)
            path = ("start_with", index) if named is None else ("start_with", index, named)
            problems.add(path, f"{key} {rule}" if named is None else rule)


def _check_grid(space: Space, problems: Problems) -> None:
    if not isinstance(space.sampler, GridSampler):
        return
    for key, node in space.parameters:
        if size(node) is None:
            problems.add(
                ("parameters", key),
                "must be finite in a grid, got a continuous range",
                advice="give values, or q",
            )


def _check_trials(space: Space, problems: Problems) -> None:
    if space.trials < len(space.start_with):
        problems.add(
            ("trials",),
            f"must be at least the {len(space.start_with)} of start_with, got {space.trials}",
        )
    whole = space.size()
    if isinstance(space.sampler, GridSampler) and whole is not None and space.trials > whole:
        problems.add(
            ("trials",), f"must be at most the grid's {whole} configurations, got {space.trials}"
        )
