"""Numbers of distributions, computed in decimals: with equal bits on every CPU."""

from decimal import Context, Decimal, localcontext


def rounded(value: float, digits: int | None) -> float:
    """Return the value with so many significant digits; None leaves it as it is."""
    return value if digits is None else float(f"{value:.{digits - 1}e}")


def geometric(unit: float, low: float, high: float) -> float:
    """Return ``low ** (1 - unit) * high ** unit``: in decimals, so with equal bits on every CPU."""
    with localcontext(Context(prec=30)):
        start = Decimal(low).ln()
        return float((start + Decimal(unit) * (Decimal(high).ln() - start)).exp())


def is_multiple(value: float, low: float, step: float) -> bool:
    """Return whether the value is ``low + k * step`` for a whole ``k``, up to rounding."""
    steps = (decimal(value) - decimal(low)) / decimal(step)
    return abs(steps - round(steps)) < Decimal("1e-9")


def decimal(value: float) -> Decimal:
    """Return the number as it is written, not its binary expansion."""
    return Decimal(repr(value))
