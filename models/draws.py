"""Generators seeded from names: the one place where they are made.

Masks and noise are drawn on the device that trains; a CPU thread takes longer to draw them than a
GPU to train on them. On a CPU the draws are those of torch's CPU generator, which every machine
draws alike; a GPU draws other values from the same seed. Scalars are drawn on the CPU everywhere.
"""

import torch

CPU = torch.device("cpu")


def generator(device: torch.device, seed: int) -> torch.Generator:
    """Return a new generator of ``device``, at the start of the stream of ``seed``.

    Never used with a GPU yet.
    """
    return torch.Generator(device=device).manual_seed(seed)
