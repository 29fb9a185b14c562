"""A search space as resolved: what identifies a sweep, beside the data."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from genretune.tune.space.distributions import Values
from genretune.tune.space.problems import Path, SpaceError, dotted, show
from genretune.tune.space.settings import Data, EarlyTermination, Keep, Metric, Sampler
from genretune.tune.space.tree import (
    Choice,
    Dimension,
    Flat,
    Node,
    Parameter,
    as_json,
    dimensions,
    flatten,
    match,
    resolve,
    size,
)

MISSING = object()


@dataclass(frozen=True)
class Space:
    """A checked space file with its overrides; see ``settings`` for the meaning of the keys."""

    version: int
    name: str
    seed: int
    trials: int
    metric: Metric
    sampler: Sampler
    early_terminate: EarlyTermination
    seeds: str
    data: Data
    trial: Mapping[str, object]
    start_with: tuple[Flat, ...]
    parameters: tuple[tuple[str, Node], ...]
    keep: Keep = field(default="usual", compare=False)
    """Which checkpoints stay: no part of what identifies the sweep."""
    notes: tuple[str, ...] = field(default=(), compare=False)
    """What overrides pinned, in words."""
    locations: Mapping[Path, str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def epochs(self) -> int:
        """Epochs of a trial that nothing ends before."""
        epochs = self.trial["epochs"]
        if not isinstance(epochs, int):
            raise SpaceError([f"trial.epochs: must be a whole number, got {show(epochs)}"])
        return epochs

    def size(self) -> int | None:
        """How many configurations there are; None where a range is continuous."""
        total = 1
        for _, node in self.parameters:
            part = size(node)
            if part is None:
                return None
            total *= part
        return total

    def dimensions(self) -> tuple[Dimension, ...]:
        """Every draw in the order of the file, those of all options included."""
        return tuple(d for _, node in self.parameters for d in dimensions(node))

    def flat(self, pick: Callable[[Parameter | Choice], object]) -> Flat:
        """A flat configuration; ``pick`` gives a parameter's value and a choice's option."""
        result: Flat = {}
        for key, node in self.parameters:
            result.update(flatten(key, resolve(node, pick)))
        return result

    def decode(self, parameters: Mapping[str, object]) -> dict[str, object]:
        """Dimension -> value (for a choice the option's index) of a flat configuration.

        Raises:
            SpaceError: not a configuration of this space.
        """
        found: dict[str, object] = {}
        for key, node in self.parameters:
            value = _gather(parameters, key)
            if value is MISSING or not match(node, value, found):
                raise SpaceError([f"{key}: must be in the space"])
        return found

    def as_drawn(self, parameters: Mapping[str, object]) -> Flat:
        """A configuration of this space in the form in which a sampler gives it.

        It may have been written with nested mappings, and 1 for 1.0.

        Raises:
            SpaceError: not a configuration of this space.
        """
        found = self.decode(parameters)

        def pick(node: Parameter | Choice) -> object:
            value = found[node.dimension]
            return value if isinstance(node, Choice) else node.distribution.own(value)

        return self.flat(pick)

    def misfits(self, parameters: Mapping[str, object]) -> list[str]:
        """``key: rule`` for every parameter that is missing or outside the space."""
        lines = []
        for key, node in self.parameters:
            value = _gather(parameters, key)
            if value is MISSING:
                lines.append(f"{key}: is required")
            elif not match(node, value, {}):
                lines.append(f"{key}: must be in the space, got {show(value)}")
        return lines

    def configure(self, parameters: Mapping[str, object]) -> dict[str, object]:
        """The base trial with a flat configuration in it.

        A choice replaces its whole subtree, and so do values that are mappings.
        """
        result = copy.deepcopy(dict(self.trial))
        for key, node in self.parameters:
            if isinstance(node, Choice) or _holds_mappings(node):
                _put(result, key, {})
            for name in parameters:
                if name == key or name.startswith(key + "."):
                    _put(result, name, copy.deepcopy(parameters[name]))
        return result

    def where(self, key: str) -> str:
        """``file:line: trial.epochs`` for a key of the trial or of the file, where it is set."""
        for head in (("parameters",), ("trial",), ()):
            paths = [
                p for p in self.locations if p[: len(head)] == head and _is_at(p[len(head) :], key)
            ]
            if paths:
                path = max(paths, key=len)
                return f"{self.locations[path]}: {dotted(path)}"
        return key

    def as_json(self) -> dict[str, object]:
        """Everything, defaults written out; ``space_from_json`` reads it back."""
        return {
            "version": self.version,
            "name": self.name,
            "seed": self.seed,
            "trials": self.trials,
            "metric": self.metric.model_dump(),
            "sampler": self.sampler.model_dump(),
            "early_terminate": self.early_terminate.model_dump(),
            "seeds": self.seeds,
            "keep": self.keep,
            "data": self.data.model_dump(),
            "trial": copy.deepcopy(dict(self.trial)),
            "start_with": [dict(given) for given in self.start_with],
            "parameters": {key: as_json(node) for key, node in self.parameters},
        }


def _holds_mappings(node: Node) -> bool:
    values = node.distribution if isinstance(node, Parameter) else None
    return isinstance(values, Values) and any(isinstance(v, Mapping) for v in values.values)


def _gather(parameters: Mapping[str, object], key: str) -> object:
    """The nested value under a key of a flat configuration."""
    if key in parameters:
        return parameters[key]
    nested: dict[str, object] = {}
    for name, value in parameters.items():
        if name.startswith(key + "."):
            _put(nested, name[len(key) + 1 :], value)
    return nested or MISSING


def _put(at: dict[str, object], key: str, value: object) -> None:
    *parents, last = key.split(".")
    for part in parents:
        child = at.setdefault(part, {})
        if not isinstance(child, dict):
            raise SpaceError([f"{key}: must lie inside a mapping, got {part}: {show(child)}"])
        at = child
    at[last] = value


def _is_at(path: Path, key: str) -> bool:
    """Whether a path of keys, dotted or nested, is the key or something around it."""
    name = ".".join(str(part) for part in path)
    return bool(path) and (name == key or key.startswith(name + "."))
