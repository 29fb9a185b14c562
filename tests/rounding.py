"""Rounding bounds for numbers that are not promised to be equal."""

import math
from collections.abc import Collection


def sums_to_one(shares: Collection[float]) -> bool:
    """Return whether shares are in [0, 1] and sum to 1, as those of a softmax in float64.

    Each is divided by a sum of n terms: n half units in the last place for the sum, and one more
    for each quotient, so the total is off by 2 n 2^-53 at most.
    """
    error = abs(math.fsum(shares) - 1.0)
    return all(0.0 <= share <= 1.0 for share in shares) and error <= len(shares) * 2.0**-52
