"""A resolved search space: together with the data it identifies a sweep."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field

from genretune.tune.space.distributions import Values
from genretune.tune.space.problems import Path, SpaceError, dotted, show
from genretune.tune.space.sampling_rules import CURRENT, SamplingRules
from genretune.tune.space.settings import Data, EarlyTermination, Keep, Metric, SamplerSettings
from genretune.tune.space.tree import (
    Choice,
    Dimension,
    FlatConfig,
    Node,
    Parameter,
    as_json,
    decode,
    dimensions,
    flatten,
    resolve,
    size,
)

_MISSING = object()


@dataclass(frozen=True)
class Space:
    """A checked space file with overrides applied; ``settings`` documents the keys."""

    version: int
    name: str
    seed: int
    trials: int
    metric: Metric
    sampler: SamplerSettings
    early_terminate: EarlyTermination
    seeds: str
    data: Data
    trial: Mapping[str, object]
    start_with: tuple[FlatConfig, ...]
    parameters: tuple[tuple[str, Node], ...]
    sampling: SamplingRules = CURRENT
    keep: Keep = field(default="usual", compare=False)
    """Which checkpoints are kept; not part of the sweep's identity."""
    notes: tuple[str, ...] = field(default=(), compare=False)
    """Messages about parameters that overrides pinned or restricted."""
    locations: Mapping[Path, str] = field(default_factory=dict, compare=False, repr=False)
    """``file:line`` of every key."""

    @property
    def epochs(self) -> int:
        """Epochs of a trial that is not ended early."""
        epochs = self.trial["epochs"]
        if not isinstance(epochs, int):
            raise SpaceError([f"trial.epochs: must be a whole number, got {show(epochs)}"])
        return epochs

    def size(self) -> int | None:
        """Return the number of configurations; None if a range is continuous."""
        total = 1
        for _, node in self.parameters:
            part = size(node)
            if part is None:
                return None
            total *= part
        return total

    def finite_size(self) -> int:
        """Return the number of configurations of a finite space.

        Raises:
            ValueError: a range is continuous.
        """
        total = self.size()
        if total is None:
            raise ValueError(f"{self.name}: must be a finite space, got a continuous range")
        return total

    def dimensions(self) -> tuple[Dimension, ...]:
        """Return all dimensions in the order of the file, including those of every option."""
        return tuple(d for _, node in self.parameters for d in dimensions(node))

    def flat_config(self, pick: Callable[[Parameter | Choice], object]) -> FlatConfig:
        """Return a flat configuration.

        Args:
            pick: returns the value of a parameter, or the option's index of a choice; called only
                for the dimensions of the options taken, in the order of the file.
        """
        result: FlatConfig = {}
        for key, node in self.parameters:
            result.update(flatten(key, resolve(node, pick)))
        return result

    def decode(
        self, parameters: Mapping[str, object], *, partial: bool = False
    ) -> dict[str, object]:
        """Return dimension -> value (the option's index for a choice) of a flat configuration.

        Args:
            partial: parameters, and keys of options, may be missing and are then left out.

        Raises:
            SpaceError: not a configuration of this space.
        """
        result: dict[str, object] = {}
        for key, node in self.parameters:
            value = _nested_value(parameters, key)
            if value is _MISSING and partial:
                continue
            part = None if value is _MISSING else decode(node, value, partial=partial)
            if part is None:
                raise SpaceError([f"{key}: must be in the search space"])
            result.update(part)
        return result

    def canonical(self, parameters: Mapping[str, object]) -> FlatConfig:
        """Return a configuration exactly as a sampler would draw it.

        In a file it may have nested mappings, and 1 for 1.0.

        Raises:
            SpaceError: not a configuration of this space.
        """
        decoded = self.decode(parameters)

        def pick(node: Parameter | Choice) -> object:
            value = decoded[node.dimension]
            return value if isinstance(node, Choice) else node.distribution.canonical(value)

        return self.flat_config(pick)

    def violations(self, parameters: Mapping[str, object]) -> list[str]:
        """Return ``key: rule`` for every parameter outside the space; some may be missing."""
        lines = []
        for key, node in self.parameters:
            value = _nested_value(parameters, key)
            if value is not _MISSING and decode(node, value, partial=True) is None:
                lines.append(f"{key}: must be in the search space, got {show(value)}")
        return lines

    def configure(self, parameters: Mapping[str, object]) -> dict[str, object]:
        """Return the shared trial settings with a flat configuration applied.

        A choice replaces its whole subtree, and so do values that are mappings: the settings of an
        option that was not taken must not leak into the trial.
        """
        result = copy.deepcopy(dict(self.trial))
        for key, node in self.parameters:
            if isinstance(node, Choice) or _has_mappings(node):
                _set_nested(result, key, {})
            for name in parameters:
                if name == key or name.startswith(key + "."):
                    _set_nested(result, name, copy.deepcopy(parameters[name]))
        return result

    def where(self, key: str) -> str:
        """Return ``file:line: trial.epochs`` for a key of the trial or of the file.

        A key that is set nowhere is returned as it is.
        """
        # a swept parameter overrides the shared setting of the same key
        for head in (("parameters",), ("trial",), ()):
            paths = [
                p
                for p in self.locations
                if p[: len(head)] == head and _is_at_or_above(p[len(head) :], key)
            ]
            if paths:
                path = max(paths, key=len)
                return f"{self.locations[path]}: {dotted(path)}"
        return key

    def as_json(self) -> dict[str, object]:
        """Return all settings, defaults included; ``space_from_json`` reads them back."""
        return {
            "version": self.version,
            "name": self.name,
            "seed": self.seed,
            "trials": self.trials,
            "metric": self.metric.model_dump(),
            "sampler": self.sampler.model_dump(),
            "sampling": asdict(self.sampling),
            "early_terminate": self.early_terminate.model_dump(),
            "seeds": self.seeds,
            "keep": self.keep,
            "data": self.data.model_dump(),
            "trial": copy.deepcopy(dict(self.trial)),
            "start_with": [dict(fixed) for fixed in self.start_with],
            "parameters": {key: as_json(node) for key, node in self.parameters},
        }


def _has_mappings(node: Node) -> bool:
    values = node.distribution if isinstance(node, Parameter) else None
    return isinstance(values, Values) and any(isinstance(v, Mapping) for v in values.values)


def _nested_value(parameters: Mapping[str, object], key: str) -> object:
    """Return the value at a key of a flat configuration, nested; ``_MISSING`` if absent."""
    if key in parameters:
        return parameters[key]
    nested: dict[str, object] = {}
    for name, value in parameters.items():
        if name.startswith(key + "."):
            _set_nested(nested, name[len(key) + 1 :], value)
    return nested or _MISSING


def _set_nested(target: dict[str, object], key: str, value: object) -> None:
    *parents, last = key.split(".")
    for part in parents:
        child = target.setdefault(part, {})
        if not isinstance(child, dict):
            raise SpaceError([f"{key}: must be inside a mapping, got {part}: {show(child)}"])
        target = child
    target[last] = value


def _is_at_or_above(path: Path, key: str) -> bool:
    """Return whether a path, of dotted or nested keys, is the key or one of its parents."""
    name = ".".join(str(part) for part in path)
    return bool(path) and (name == key or key.startswith(name + "."))
