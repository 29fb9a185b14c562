"""By which rules a sweep draws its configurations.

They are recorded in sweep.json: a sweep that was begun under older rules is resumed, extended and
audited by those.
"""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field


@dataclass(frozen=True)
class SamplingRules:
    """The rules of a sweep.

    Attributes:
        version: of the samplers.
        digits: significant digits to which continuous draws are rounded, so that the last bits of a
            logarithm, which differ between CPUs, hardly ever show; None for draws as computed.
    """

    version: Annotated[int, Field(ge=1)]
    digits: Annotated[int, Field(ge=1, le=17)] | None


FIRST = SamplingRules(version=1, digits=None)
"""Those of sweeps that record none."""

CURRENT = SamplingRules(version=2, digits=8)
