"""Soak test: one training step of each model, bit for bit equal in two new processes.

python -m genretune.scripts.soaks.models            # all models
python -m genretune.scripts.soaks.models --small    # without the three largest
python -m genretune.scripts.soaks.models cnn lcnn9  # these two
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence

LARGEST = ("resnet152", "resnext101_32x8d", "resnext101_64x8d")

_CLASSES, _BATCH, _SHAPE = 10, 4, (1, 64, 64)
_ARGUMENTS = {"reduction": 8, "fc_dropout": 0.5}  # so that SE and dropout take part


def main(argv: Sequence[str] | None = None) -> int:
    """Compare two processes; return 1 if a model differs, else 0."""
    parser = argparse.ArgumentParser(prog="scripts/soak models", description=__doc__)
    parser.add_argument("models", nargs="*", metavar="MODEL", help="default: all")
    parser.add_argument("--small", action="store_true", help="omit the three largest")
    parser.add_argument(
        "--digests", action="store_true", help="print the digests of this process only"
    )
    options = parser.parse_args(argv)
    names = options.models or _names(options.small)
    if options.digests:
        print(json.dumps({name: step_digest(name) for name in names}))
        return 0
    first, second = _two_processes(names)
    differing = [name for name in names if first[name] != second[name]]
    for name in differing:
        print(f"{name}: {first[name][:12]} in one process, {second[name][:12]} in another")
    print(f"{len(names) - len(differing)} of {len(names)} models agree to the bit")
    return 1 if differing else 0


def step_digest(name: str) -> str:
    """Train one step of a model on seeded noise; return the SHA-256 of its weights.

    Raises:
        RuntimeError: a parameter gets no gradient.
    """
    import torch
    import torch.nn.functional as F

    from genretune.models.build import build_model
    from genretune.models.dropout import seed_dropout
    from genretune.tune.reproducibility.seeds import derive, initialise
    from genretune.tune.training.snapshot import weights_digest

    model = build_model({"name": name, **_ARGUMENTS}, classes=_CLASSES, input_shape=_SHAPE)
    initialise(model, seed=1)
    generator = torch.Generator().manual_seed(2)
    x_BCFT = torch.randn(_BATCH, *_SHAPE, generator=generator)
    x_BCFT = x_BCFT.contiguous(memory_format=torch.channels_last)
    model = model.to(memory_format=torch.channels_last).train()
    seed_dropout(model, lambda layer: derive(1, "dropout", layer))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    F.cross_entropy(model(x_BCFT), torch.arange(_BATCH)).backward()
    missing = [key for key, p in model.named_parameters() if p.grad is None]
    if missing:
        raise RuntimeError(f"{name}: no gradient reaches {', '.join(missing)}")
    optimizer.step()
    return weights_digest(model)


def _names(small: bool) -> list[str]:
    from genretune.models.build import MODELS

    return [name for name in MODELS if not (small and name in LARGEST)]


def _two_processes(names: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Run two processes side by side, each with one thread; return the digests of each by model."""
    command = [sys.executable, "-m", "genretune.scripts.soaks.models", "--digests", *names]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
        for _ in range(2)
    ]
    outputs = [process.communicate()[0] for process in running]
    for process in running:
        if process.returncode:
            raise RuntimeError(f"{' '.join(command)} exited with {process.returncode}")
    first, second = (json.loads(output) for output in outputs)
    return first, second


if __name__ == "__main__":
    sys.exit(main())
