"""What is said of a lag that lets workers idle."""

from genretune.tune.sweep.sampler_lag import lag_warning


def test_a_lag_below_the_concurrency_is_said() -> None:
    assert lag_warning(16, 16) is None and lag_warning(None, 64) is None
    assert lag_warning(4, 8) == (
        "sampler.lag: should be at least the 8 trials that run at once, got 4: some workers will "
        "be idle (a new sweep may have a larger lag)"
    )
