"""Randomness as a function of names: the one place that touches torch's global generator.

Every draw belongs to a name: initial weights to (seed, module), window order to (seed, epoch),
dropout to (seed, module, epoch, batch), augmentation to (seed, epoch, window). Nothing is drawn
from a stream whose position depends on what was drawn before, so no state need be saved, and two
trials that differ in one setting differ in nothing else.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from genretune.tune.errors import TuneError

if TYPE_CHECKING:  # names of streams are derived without torch, too
    from torch import nn


def derive(seed: int, *names: str | int) -> int:
    """The seed of a named stream: 63 bits of SHA-256 over the canonical JSON of the names."""
    text = json.dumps([seed, *names], separators=(",", ":"), ensure_ascii=True)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


@contextmanager
def isolated(seed: int) -> Iterator[None]:
    """Seed torch's global CPU generator for the block and put its former state back after it."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def initialise(model: "nn.Module", seed: int) -> None:
    """Draw every module's initial weights from a stream of its own name, on the CPU.

    A module with parameters of its own is initialised by ``model.init_module(name, module)``
    where the model has such a method, else by its ``reset_parameters()``.

    Raises:
        TuneError: a module owns parameters and has no ``reset_parameters``.
    """
    by_model = getattr(model, "init_module", None)
    for name, module in model.named_modules():
        if next(module.parameters(recurse=False), None) is None:
            continue
        reset = getattr(module, "reset_parameters", None)
        if by_model is None and reset is None:
            raise TuneError(
                f"model.{name or '(root)'}: a module with parameters of its own must have "
                f"reset_parameters(), got {type(module).__name__} (add it, so that its weights "
                "can be drawn from the seed)"
            )
        with isolated(derive(seed, "init", name)):
            if by_model is not None:
                by_model(name, module)
            elif reset is not None:
                reset()
