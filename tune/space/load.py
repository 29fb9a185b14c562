"""Loader of space files: a YAML file and overrides become a checked ``Space``."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path as FilePath

from pydantic import TypeAdapter, ValidationError

from genretune.data.name_suggestions import did_you_mean
from genretune.tune.metric_names import METRICS
from genretune.tune.space.distributions import strictly_equal, with_digits
from genretune.tune.space.document import Document, read_document
from genretune.tune.space.overrides import apply_overrides
from genretune.tune.space.parameters import parse_parameters
from genretune.tune.space.problems import Problems, SpaceError, show
from genretune.tune.space.sampling_rules import CURRENT, FIRST, SamplingRules
from genretune.tune.space.settings import Asha, GridSampler, Metric, parse_settings
from genretune.tune.space.space import Space
from genretune.tune.space.tree import FlatConfig, Node, flatten, size, with_distributions


def load_space(path: FilePath | str, overrides: Sequence[str] = ()) -> Space:
    """Read a space file, apply overrides and check the result.

    Args:
        overrides: ``key=value``, as on the command line.

    Raises:
        SpaceError: one line for each problem, with file and line.
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
    """Do the same as ``load_space`` for a text; ``name`` is the file name in messages."""
    document = read_document(text, name)
    if not isinstance(document.data, dict):
        document.problems.raise_if_any()
        where = document.locations[()]
        raise SpaceError([f"{where}: must be a mapping of settings, got {show(document.data)}"])
    notes = apply_overrides(document, overrides)
    return _check(document, notes)


def space_from_json(data: Mapping[str, object]) -> Space:
    """Return the space that ``Space.as_json`` wrote.

    Raises:
        SpaceError: ``as_json`` cannot have written it.
    """
    settings = dict(data)
    sampling = FIRST
    if "sampling" in settings:
        sampling = _sampling_rules(settings.pop("sampling"))
    return _check(Document(settings, {}, Problems({})), (), sampling)


def with_trials(space: Space, trials: int) -> Space:
    """Return the same space with another number of trials.

    Raises:
        SpaceError: fewer trials than ``start_with`` has, or more than a grid has.
    """
    problems = Problems(space.locations)
    _check_trials(replace(space, trials=trials), problems)
    problems.raise_if_any()
    return replace(space, trials=trials)


def note_on_size(space: Space) -> str | None:
    """Return what is to be said of a finite space and the number of trials; None if nothing is."""
    size, trials = space.size(), space.trials
    if size is None:
        return None
    if trials > size:
        return (
            f"the space has {size} configurations, fewer than the {trials} trials: the sweep ends "
            "when all of them are tried"
        )
    if isinstance(space.sampler, GridSampler) and trials < size:
        order = space.sampler.order
        advice = "" if order == "shuffled" else " (sampler.order: shuffled spreads them over it)"
        place = "first" if order == "file" else "first, shuffled,"
        return f"the grid has {size} configurations; only the {place} {trials} are tried{advice}"
    return None


def changed_keys(before: Space, after: Space) -> list[str]:
    """Return the dotted keys in which two spaces differ, in the order of the file.

    ``keep`` is ignored, since it does not affect results, and so are the rules of sampling: those
    of a sweep are recorded, those of a file are the current ones.
    """
    ignored = {"keep": None, "sampling": None}
    return _changed(before.as_json() | ignored, after.as_json() | ignored, "")


def _changed(before: object, after: object, key: str) -> list[str]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        names = dict.fromkeys((*before, *after))
        missing = object()
        return [
            changed
            for name in names
            for changed in _changed(
                before.get(name, missing),
                after.get(name, missing),
                f"{key}.{name}" if key else str(name),
            )
        ]
    return [] if type(before) is type(after) and before == after else [key]


def _sampling_rules(recorded: object) -> SamplingRules:
    try:
        return TypeAdapter(SamplingRules).validate_python(recorded)
    except ValidationError:
        rule = "must have a version and digits from 1 to 17"
        raise SpaceError([f"sampling: {rule}, got {show(recorded)}"]) from None


def _check(document: Document, notes: tuple[str, ...], sampling: SamplingRules = CURRENT) -> Space:
    problems = document.problems
    data = document.data
    if not isinstance(data, Mapping):
        raise SpaceError([f"must be a mapping of settings, got {show(data)}"])
    settings = parse_settings(data, problems)
    trial = data.get("trial")
    shared = trial if isinstance(trial, Mapping) else {}
    if "parameters" in data:
        parameters = parse_parameters(data["parameters"], shared, problems)
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
    # the checks below relate several keys and need all of them to be valid
    problems.raise_if_any()
    if settings is None:
        raise RuntimeError("settings are invalid, but no problem was recorded")
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
        parameters=tuple((key, _rounding(node, sampling)) for key, node in parameters),
        sampling=sampling,
        notes=notes,
        locations=document.locations,
    )
    _check_rungs(space, problems)
    _check_start_with(space, problems)
    _check_grid(space, problems)
    _check_trials(space, problems)
    problems.raise_if_any()
    # in canonical form, so that a fixed trial and an equal draw count as one configuration
    start_with = tuple(_fixed_trial(space, fixed) for fixed in space.start_with)
    counted = note_on_size(space)
    return replace(space, start_with=start_with, notes=(*notes, *([counted] if counted else [])))


def _rounding(node: Node, sampling: SamplingRules) -> Node:
    return with_distributions(node, lambda one: with_digits(one, sampling.digits))


def _check_metric(metric: Metric, problems: Problems) -> None:
    mode = METRICS.get(metric.name)
    if mode is None:
        problems.add(
            ("metric", "name"),
            f"must be a column of metrics.tsv, got {show(metric.name)}",
            advice=did_you_mean(metric.name, METRICS),
        )
    elif metric.mode != mode:
        problems.add(
            ("metric", "mode"), f"must be {mode} for {metric.name}, got {show(metric.mode)}"
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
            problems.add(("trial", key), "cannot be set under trial", advice=f"use {instead}")


def _check_rungs(space: Space, problems: Problems) -> None:
    rule = space.early_terminate
    if not isinstance(rule, Asha):
        return
    if rule.grace_period >= space.epochs:
        problems.add(
            ("early_terminate", "grace_period"),
            f"must be below trial.epochs, got {rule.grace_period} for {space.epochs} epochs",
            advice="early_terminate: {type: none} lets every trial run to its end",
        )
        return
    # bracket b skips the first b rungs, so one more bracket than rungs is one without any rung
    most = len(rule.rung_epochs(space.epochs)) + 1
    if rule.brackets > most:
        problems.add(
            ("early_terminate", "brackets"),
            f"must be at most {most} (the number of rungs plus 1), got {rule.brackets}",
        )


def _check_start_with(space: Space, problems: Problems) -> None:
    """Check that every fixed trial is in the space, and that complete ones are different."""
    keys = [key for key, _ in space.parameters]
    earlier: list[FlatConfig] = []
    for index, fixed in enumerate(space.start_with):
        for name in fixed:
            if not any(name == key or name.startswith(key + ".") for key in keys):
                problems.add(
                    ("start_with", index, name),
                    "unknown parameter",
                    advice=did_you_mean(name, keys),
                )
            if any(name.startswith(other + ".") for other in fixed):
                problems.add(("start_with", index, name), "is given twice, nested and dotted")
        if not fixed:
            problems.add(("start_with", index), "must give at least one parameter, got none")
        violations = space.violations(fixed)
        config = None if violations else _fixed_trial(space, fixed)
        if config is not None:
            if any(strictly_equal(config, other) for other in earlier):
                problems.add(("start_with", index), "must differ from the earlier trials")
            earlier.append(config)
        for line in violations:
            key, _, rule = line.partition(": ")
            # name the key as the file does, which may be one below the parameter
            given = next(name for name in fixed if name == key or name.startswith(key + "."))
            problems.add(("start_with", index, given), rule)


def _fixed_trial(space: Space, fixed: Mapping[str, object]) -> FlatConfig:
    """Return a trial of ``start_with`` in flat form, as a sampler would draw it if complete."""
    try:
        return space.canonical(fixed)
    except SpaceError:  # the sampler completes it
        return {name: value for key in fixed for name, value in flatten(key, fixed[key])}


def _check_grid(space: Space, problems: Problems) -> None:
    if not isinstance(space.sampler, GridSampler):
        return
    for key, node in space.parameters:
        if size(node) is None:
            problems.add(
                ("parameters", key),
                "must be finite for a grid, got a continuous range",
                advice="use values or a distribution with q",
            )


def _check_trials(space: Space, problems: Problems) -> None:
    if space.trials < len(space.start_with):
        problems.add(
            ("trials",),
            f"must be at least {len(space.start_with)}, the number of trials in start_with, "
            f"got {space.trials}",
        )
    if not isinstance(space.sampler, GridSampler):
        return
    size_of_grid = space.size()  # None has been reported by _check_grid
    if size_of_grid is not None and space.trials > size_of_grid:
        problems.add(
            ("trials",),
            f"must be at most the grid's {size_of_grid} configurations, got {space.trials}",
        )
