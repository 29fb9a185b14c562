import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor


@pytest.fixture(scope="session")
def reference() -> Any:
    """Return values computed by the reference implementation; see the key ``about``."""
    return json.loads((Path(__file__).parent / "reference.json").read_text())


@pytest.fixture
def noise() -> Callable[..., Tensor]:
    """Return a function that makes reproducible Gaussian noise of a given shape."""

    def make(*shape: int, seed: int = 0) -> Tensor:
        return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))

    return make
