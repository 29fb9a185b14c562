"""What rounding alone may do to numbers that are no promise of equality."""

import math
from collections.abc import Collection


def sums_to_one(shares: Collection[float]) -> bool:
    """Whether shares in [0, 1] are those of a softmax in float64.

    Each is divided by a sum of n terms, so that the total is off by n half units in the last place
    for the sum and one more for each quotient: 2 n 2^-53 at the most.
    """
    off = abs(math.fsum(shares) - 1.0)
    return all(0.0 <= share <= 1.0 for share in shares) and off <= len(shares) * 2.0**-52
