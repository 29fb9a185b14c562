"""Parser of the ``parameters`` section of a space file."""

import math
from collections.abc import Iterator, Mapping

from genretune.data.name_suggestions import did_you_mean
from genretune.tune.space.distributions import Values, strictly_equal
from genretune.tune.space.problems import Path, Problems, show
from genretune.tune.space.ranges import parse_distribution
from genretune.tune.space.tree import (
    Choice,
    Constant,
    ListNode,
    MappingNode,
    Node,
    Parameter,
    as_json,
)

_NOT_SWEPT = {
    "epochs": "all trials share it: put it under trial",
    "seed": "set the sweep's seed, and seeds: per_trial or shared",
    "version": "the program sets it",
    "data": "trials on different data cannot be compared: run one sweep for each",
}
"""Keys of a trial that cannot be swept, and what to do instead."""


def parse_parameters(
    raw: object, trial: Mapping[str, object], problems: Problems
) -> tuple[tuple[str, Node], ...]:
    """Return (dotted key, node) pairs in the order of the file.

    Args:
        raw: value of ``parameters``.
        trial: the settings that all trials share.
        problems: everything invalid is added to it, and left out of the result.
    """
    path: Path = ("parameters",)
    if not isinstance(raw, Mapping):
        problems.add(path, f"must be a mapping of dotted keys, got {show(raw)}")
        return ()
    if not raw:
        problems.add(path, "must name at least one parameter, got an empty mapping")
    entries = list(_flatten_keys("", raw, path))
    keys = [key for key, _, _ in entries]
    result: list[tuple[str, Node]] = []
    for key, where, value in entries:
        if not _check_key(key, where, keys, trial, problems):
            continue
        if not isinstance(value, Mapping | list):
            problems.add(
                where,
                f"must have values, a distribution or a choice, got {show(value)}",
                advice=f"put a constant under trial: trial.{key}",
            )
            continue
        node = _parse_node(value, key, where, problems)
        if node is None:
            continue
        if isinstance(node, ListNode) and not _varies(node):
            problems.add(
                where,
                f"must have values, a distribution or a choice, got {show(value)}",
                advice="for one of several values write {values: [...]}",
            )
        result.append((key, node))
    return tuple(result)


def _flatten_keys(
    prefix: str, raw: Mapping[str, object], path: Path
) -> Iterator[tuple[str, Path, object]]:
    """Yield (dotted key, path, value); a nested mapping is another way to write dotted keys."""
    for key, value in raw.items():
        name, where = f"{prefix}{key}", (*path, key)
        if (
            isinstance(value, Mapping)
            and value
            and not _is_swept(value)
            and not _looks_swept(value)
        ):
            yield from _flatten_keys(f"{name}.", value, where)
        else:
            yield name, where, value


def _is_swept(raw: Mapping[str, object]) -> bool:
    return "distribution" in raw or "values" in raw or "choice" in raw


def _looks_swept(raw: Mapping[str, object]) -> bool:
    """Return whether it was meant to be swept: ``{min: 0, max: 1}`` lacks only a name."""
    return "min" in raw and "max" in raw or "value" in raw


def _check_key(
    key: str, where: Path, keys: list[str], trial: Mapping[str, object], problems: Problems
) -> bool:
    """Return whether the key can be swept: allowed, unique, and below mappings only."""
    head = key.split(".")[0]
    if head in _NOT_SWEPT:
        problems.add(where, "cannot be swept", advice=_NOT_SWEPT[head])
        return False
    if keys.count(key) > 1:
        problems.add(
            where, "must be given once", advice="dotted and nested keys name the same parameter"
        )
        return False
    for other in keys:
        if key.startswith(other + "."):
            problems.add(
                where,
                f"must not be inside another parameter, got it inside {other}",
                advice=f"move it into the options of {other}",
            )
            return False
    parent: object = trial
    for part in key.split(".")[:-1]:
        if not isinstance(parent, Mapping) or part not in parent:
            return True
        parent = parent[part]
        if not isinstance(parent, Mapping):
            problems.add(
                where,
                f"must be inside a mapping, got trial.{part}: {show(parent)}",
                advice=f"make trial.{part} a mapping or sweep {part} with a choice",
            )
            return False
    return True


def _varies(node: Node) -> bool:
    """Return whether anything in the node is swept."""
    if isinstance(node, Parameter | Choice):
        return True
    if isinstance(node, ListNode):
        return any(_varies(item) for item in node.items)
    if isinstance(node, MappingNode):
        return any(_varies(item) for _, item in node.items)
    return False


def _parse_node(raw: object, name: str, path: Path, problems: Problems) -> Node | None:
    """Parse a node and everything below it; None if it has problems."""
    if isinstance(raw, list):
        parts = [_parse_node(v, f"{name}[{i}]", (*path, i), problems) for i, v in enumerate(raw)]
        return ListNode(tuple(part for part in parts if part is not None))
    if not isinstance(raw, Mapping):
        _check_finite(raw, path, problems)
        return Constant(raw)
    if not raw:
        return Constant({})
    if "choice" in raw:
        return _parse_choice(raw, name, path, problems)
    if "values" in raw:
        return _parse_values(raw, name, path, problems)
    if "distribution" in raw:
        distribution = parse_distribution(raw, path, problems)
        return None if distribution is None else Parameter(name, distribution)
    if "min" in raw and "max" in raw:
        problems.add(path, "distribution is required beside min and max", advice="loguniform?")
        return None
    if "value" in raw and len(raw) == 1:
        problems.add(path, "must be the value itself, got {value: ...}", advice="omit value:")
        return None
    for key in raw:
        if "." in key:
            problems.add(
                (*path, key), "must not have dots", advice="nest mappings inside an option"
            )
    items = [(str(k), _parse_node(v, f"{name}.{k}", (*path, k), problems)) for k, v in raw.items()]
    return MappingNode(tuple((key, node) for key, node in items if node is not None))


def _parse_values(
    raw: Mapping[str, object], name: str, path: Path, problems: Problems
) -> Parameter | None:
    values = raw["values"]
    _refuse_other_keys(raw, "values", path, problems)
    if not isinstance(values, list) or not values:
        problems.add((*path, "values"), f"must be a list of values, got {show(values)}")
        return None
    result = Values(tuple(values))
    for index, value in enumerate(values):
        _check_finite(value, (*path, "values", index), problems)
        if result.index_of(value) != index:
            problems.add((*path, "values", index), f"must be unique, got {show(value)} again")
        if isinstance(value, Mapping) and (_is_swept(value) or _looks_swept(value)):
            problems.add(
                (*path, "values", index),
                f"must be a constant, got {show(value)}",
                advice="use choice for options with their own parameters",
            )
    return Parameter(name, result)


def _check_finite(value: object, path: Path, problems: Problems) -> None:
    """Add a problem for each number that JSON, and so a record, cannot hold: .inf and .nan."""
    if isinstance(value, float) and not math.isfinite(value):
        problems.add(path, f"must be finite, got {value!r}")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            _check_finite(item, (*path, key), problems)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check_finite(item, (*path, index), problems)


def _parse_choice(
    raw: Mapping[str, object], name: str, path: Path, problems: Problems
) -> Choice | None:
    options = raw["choice"]
    _refuse_other_keys(raw, "choice", path, problems)
    if not isinstance(options, list) or not options:
        problems.add((*path, "choice"), f"must be a list of options, got {show(options)}")
        return None
    nodes: list[Node] = []
    for index, option in enumerate(options):
        label = _option_label(option, options, index)
        node = _parse_node(option, f"{name}[{label}]", (*path, "choice", index), problems)
        if node is not None:
            if any(strictly_equal(as_json(node), as_json(other)) for other in nodes):
                problems.add((*path, "choice", index), "must differ from the earlier options")
            nodes.append(node)
    return Choice(name, tuple(nodes))


def _option_label(option: object, options: list[object], index: int) -> str:
    """Return the option's name if it is unique, else its index.

    Labels are part of dimension names, from which random draws are seeded: with a name the draws
    stay the same if options are reordered or inserted.
    """
    name = option.get("name") if isinstance(option, Mapping) else option
    names = [o.get("name") if isinstance(o, Mapping) else o for o in options]
    label = "null" if name is None else str(name)
    alike = [other for other in names if ("null" if other is None else str(other)) == label]
    # a name of digits could collide with another option's index
    if isinstance(name, Mapping | list) or len(alike) > 1 or label.isdigit():
        return str(index)
    return label


def _refuse_other_keys(raw: Mapping[str, object], key: str, path: Path, problems: Problems) -> None:
    for other in raw:
        if other != key:
            problems.add(
                (*path, other), f"unknown key beside {key}", advice=did_you_mean(other, (key,))
            )
