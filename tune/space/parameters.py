"""The ``parameters:`` part of a space file -> a tree."""

from collections.abc import Mapping

from genretune.data.name_suggestions import did_you_mean
from genretune.tune.space.distributions import Values, same
from genretune.tune.space.problems import Path, Problems, show
from genretune.tune.space.ranges import parse_distribution
from genretune.tune.space.tree import (
    Choice,
    Constant,
    Listed,
    Mapped,
    Node,
    Parameter,
    as_json,
)

NOT_SWEPT = {
    "epochs": "all trials share it: put it under trial",
    "seed": "give the sweep's seed and seeds: per_trial or shared",
    "version": "it belongs to the program",
    "data": "trials on different data cannot be compared: run one sweep for each",
}


def parse_parameters(
    raw: object, trial: Mapping[str, object], problems: Problems
) -> tuple[tuple[str, Node], ...]:
    """Dotted key -> node, in the order of the file; what is wrong goes to ``problems``."""
    path: Path = ("parameters",)
    if not isinstance(raw, Mapping):
        problems.add(path, f"must be a mapping of dotted keys, got {show(raw)}")
        return ()
    if not raw:
        problems.add(path, "must name at least one parameter, got an empty mapping")
    flat: list[tuple[str, Path, object]] = []
    _spread("", raw, path, flat)
    result: list[tuple[str, Node]] = []
    for key, where, value in flat:
        if not _key_is_free(key, where, [known for known, _, _ in flat], trial, problems):
            continue
        if not isinstance(value, Mapping | list):
            problems.add(
                where,
                f"must be swept (values, distribution or choice), got {show(value)}",
                advice=f"a constant stands under trial: trial.{key}",
            )
            continue
        node = _node(value, key, where, problems)
        if node is None:
            continue
        if isinstance(node, Listed) and not _varies(node):
            problems.add(
                where,
                f"must be swept (values, distribution or choice), got {show(value)}",
                advice="for one of several values write {values: [...]}",
            )
        result.append((key, node))
    return tuple(result)


def _spread(
    prefix: str, raw: Mapping[str, object], path: Path, flat: list[tuple[str, Path, object]]
) -> None:
    """Nested mappings are a way of writing dotted keys."""
    for key, value in raw.items():
        name, where = f"{prefix}{key}", (*path, key)
        if (
            isinstance(value, Mapping)
            and value
            and not _is_swept(value)
            and not _looks_swept(value)
        ):
            _spread(f"{name}.", value, where, flat)
        else:
            flat.append((name, where, value))


def _is_swept(raw: Mapping[str, object]) -> bool:
    return "distribution" in raw or "values" in raw or "choice" in raw


def _looks_swept(raw: Mapping[str, object]) -> bool:
    """``{min: 0, max: 1}``: meant as a range, the distribution's name forgotten."""
    return "min" in raw and "max" in raw or "value" in raw


def _key_is_free(
    key: str, where: Path, keys: list[str], trial: Mapping[str, object], problems: Problems
) -> bool:
    head = key.split(".")[0]
    if head in NOT_SWEPT:
        problems.add(where, "cannot be swept", advice=NOT_SWEPT[head])
        return False
    if keys.count(key) > 1:
        problems.add(where, "must be given once", advice="it is swept twice")
        return False
    for other in keys:
        if key.startswith(other + "."):
            problems.add(
                where,
                f"must not lie inside another parameter, got it beside {other}",
                advice=f"put it into the options of {other}",
            )
            return False
    at: object = trial
    for part in key.split(".")[:-1]:
        if not isinstance(at, Mapping) or part not in at:
            return True
        at = at[part]
        if not isinstance(at, Mapping):
            problems.add(
                where,
                f"must lie inside a mapping, got trial.{part}: {show(at)}",
                advice=f"give trial.{part} its keys or sweep {part} with a choice",
            )
            return False
    return True


def _varies(node: Node) -> bool:
    if isinstance(node, Parameter | Choice):
        return True
    if isinstance(node, Listed):
        return any(_varies(item) for item in node.items)
    if isinstance(node, Mapped):
        return any(_varies(item) for _, item in node.items)
    return False


def _node(raw: object, name: str, path: Path, problems: Problems) -> Node | None:
    """One node and all below it; None when it has problems."""
    if isinstance(raw, list):
        parts = [_node(v, f"{name}[{i}]", (*path, i), problems) for i, v in enumerate(raw)]
        return Listed(tuple(part for part in parts if part is not None))
    if not isinstance(raw, Mapping):
        return Constant(raw)
    if not raw:
        return Constant({})
    if "choice" in raw:
        return _choice(raw, name, path, problems)
    if "values" in raw:
        return _values(raw, name, path, problems)
    if "distribution" in raw:
        distribution = parse_distribution(raw, path, problems)
        return None if distribution is None else Parameter(name, distribution)
    if "min" in raw and "max" in raw:
        problems.add(path, "distribution is required beside min and max", advice="loguniform?")
        return None
    if "value" in raw and len(raw) == 1:
        problems.add(path, "must be the value itself, got {value: ...}", advice="leave value: out")
        return None
    for key in raw:
        if "." in key:
            problems.add((*path, key), "must be one word", advice="nest the mappings in an option")
    items = [(str(k), _node(v, f"{name}.{k}", (*path, k), problems)) for k, v in raw.items()]
    return Mapped(tuple((key, node) for key, node in items if node is not None))


def _values(
    raw: Mapping[str, object], name: str, path: Path, problems: Problems
) -> Parameter | None:
    values = raw["values"]
    _only(raw, "values", path, problems)
    if not isinstance(values, list) or not values:
        problems.add((*path, "values"), f"must be a list of values, got {show(values)}")
        return None
    result = Values(tuple(values))
    for index, value in enumerate(values):
        if result.position(value) != index:
            problems.add((*path, "values", index), f"must stand once, got {show(value)} again")
        if isinstance(value, Mapping) and (_is_swept(value) or _looks_swept(value)):
            problems.add(
                (*path, "values", index),
                f"must be a constant, got {show(value)}",
                advice="use choice for options with parameters of their own",
            )
    return Parameter(name, result)


def _choice(raw: Mapping[str, object], name: str, path: Path, problems: Problems) -> Choice | None:
    options = raw["choice"]
    _only(raw, "choice", path, problems)
    if not isinstance(options, list) or not options:
        problems.add((*path, "choice"), f"must be a list of options, got {show(options)}")
        return None
    nodes: list[Node] = []
    for index, option in enumerate(options):
        label = _label(option, options, index)
        node = _node(option, f"{name}[{label}]", (*path, "choice", index), problems)
        if node is not None:
            if any(same(as_json(node), as_json(other)) for other in nodes):
                problems.add((*path, "choice", index), "must differ from the options before it")
            nodes.append(node)
    return Choice(name, tuple(nodes))


def _label(option: object, options: list[object], index: int) -> str:
    """An option's name where it has one of its own, so that its draws survive reordering."""
    name = option.get("name") if isinstance(option, Mapping) else option
    names = [o.get("name") if isinstance(o, Mapping) else o for o in options]
    label = "null" if name is None else str(name)
    alike = [other for other in names if ("null" if other is None else str(other)) == label]
    if isinstance(name, Mapping | list) or len(alike) > 1 or label.isdigit():
        return str(index)
    return label


def _only(raw: Mapping[str, object], key: str, path: Path, problems: Problems) -> None:
    for other in raw:
        if other != key:
            problems.add(
                (*path, other), f"unknown key beside {key}", advice=did_you_mean(other, (key,))
            )
