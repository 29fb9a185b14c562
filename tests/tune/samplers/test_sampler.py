"""The table of samplers."""

import subprocess
import sys
from collections.abc import Callable
from typing import get_args

import pytest

from genretune.tune.samplers.sampler import BUILDERS, build_sampler
from genretune.tune.space.settings import SamplerSettings
from genretune.tune.space.space import Space

_IMPORTS = """
import sys
from genretune.tune.samplers import sampler, suggest
print({"scipy", "optuna"} & sys.modules.keys())
"""


def test_every_sampler_of_a_space_file_has_a_builder() -> None:
    types = {get_args(one.model_fields["type"].annotation)[0] for one in get_args(SamplerSettings)}
    assert types == BUILDERS.keys()


@pytest.mark.parametrize("kind", BUILDERS)
def test_samplers_are_built_by_type(small: Callable[..., Space], kind: str) -> None:
    space = small(f"sampler={{type: {kind}}}")
    assert space.violations(build_sampler(space).configuration(0, 0, [])) == []


def test_slow_libraries_are_imported_only_when_needed() -> None:
    run = subprocess.run(
        [sys.executable, "-c", _IMPORTS], capture_output=True, text=True, check=True
    )
    assert run.stdout == "set()\n"
