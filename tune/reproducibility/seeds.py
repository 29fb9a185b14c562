"""Randomness as a function of names: the one place that touches torch's global generator.

Every draw has a name: initial weights (seed, module), window order (seed, epoch), dropout (seed,
module, epoch, batch), augmentation (seed, epoch, window). No draw depends on the position of a
shared stream, so checkpoints contain no generator state, and two trials that differ in one setting
draw the same values everywhere else.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from genretune.tune.errors import TuneError

if TYPE_CHECKING:  # samplers and sweep derive seeds and must not load torch
    from torch import nn


def derive(seed: int, *names: str | int) -> int:
    """Return the seed of a named stream, a function of ``seed`` and ``names`` alone.

    63 bits of SHA-256 over the JSON list of both: JSON keeps ``("a", "bc")`` apart from
    ``("ab", "c")`` and 2 from ``"2"``, and 63 bits fit the int64 seeds of torch.
    """
    text = json.dumps([seed, *names], separators=(",", ":"), ensure_ascii=True)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


@contextmanager
def isolated(seed: int) -> Iterator[None]:
    """Seed torch's global CPU generator within the block and restore its state afterwards."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def initialise(model: "nn.Module", seed: int) -> None:
    """Draw the initial weights of every module from a stream named after it, on the CPU.

    A module that owns parameters is initialised by ``model.init_module(name, module)`` if the
    model has such a method, else by its ``reset_parameters()``. Weights therefore do not depend on
    the order of modules or on which other modules exist.

    Raises:
        TuneError: a module owns parameters but has no ``reset_parameters``.
    """
    init_module = getattr(model, "init_module", None)
    for name, module in model.named_modules():
        if next(module.parameters(recurse=False), None) is None:
            continue
        reset = getattr(module, "reset_parameters", None)
        if init_module is None and reset is None:
            raise TuneError(
                f"model.{name or '(root)'}: a module that owns parameters must have "
                f"reset_parameters(), got {type(module).__name__} (add it, so that its weights "
                "can be drawn from the seed)"
            )
        with isolated(derive(seed, "init", name)):
            if init_module is not None:
                init_module(name, module)
            elif reset is not None:
                reset()
