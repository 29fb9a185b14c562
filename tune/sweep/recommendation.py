"""What ``plan`` would choose for a space, and why.

The rules are those that found most on learning curves that were not made here, at equal epochs
(BENCHMARKS.md, learning curves of LCBench): 52 epochs a trial, 8 workers, 300 to 2,400 epochs in
all. Nothing is changed by them.
"""

from dataclasses import dataclass

from genretune.tune.space.settings import Asha, ParzenSampler
from genretune.tune.space.space import Space

EPOCHS_PER_GRACE = 25
_MAX_FACTOR = 3
_LAG_PER_WORKER = 2


@dataclass(frozen=True)
class Recommendation:
    """A setting that would be chosen otherwise.

    Attributes:
        setting: its key in the space file.
        value: the one recommended.
        given: the one in the space.
        why: the reason, in words.
    """

    setting: str
    value: str | int
    given: str | int
    why: str


def recommendations(space: Space, workers: int) -> list[Recommendation]:
    """Return the settings that differ from those recommended, empty if none does.

    None for a grid either: it is there to compare all its configurations, not to search.

    Args:
        workers: number of concurrent trials.
    """
    if space.sampler.type == "grid":
        return []
    return [*_sampler(space, workers), *_early_termination(space)]


def _sampler(space: Space, workers: int) -> list[Recommendation]:
    given = space.sampler
    best, why = _sampler_type(space)
    found = []
    if given.type != best:
        found.append(Recommendation("sampler.type", best, given.type, why))
    if best == "parzen":
        lag = max(ParzenSampler(type="parzen").lag, _LAG_PER_WORKER * workers)
        given_lag = given.lag if given.needs_history else ParzenSampler(type="parzen").lag
        if given_lag < lag:
            why = f"with less than twice the {workers} concurrent trials, workers wait"
            found.append(Recommendation("sampler.lag", lag, given_lag, why))
    return found


def _sampler_type(space: Space) -> tuple[str, str]:
    """Return the type recommended, and why."""
    size = space.size()
    if size is not None and size <= space.trials:
        return "grid", f"the space has only {size} configurations"
    default = ParzenSampler(type="parzen")
    random_trials = default.lag + default.n_startup - 1
    if space.trials > random_trials:
        return "parzen", "it finds most, from 300 epochs in all on"
    # it would draw all of them at random, which is not worth a change
    same = space.sampler.type if space.sampler.type in ("random", "parzen") else "random"
    return same, f"a sampler that learns begins after {random_trials} trials"


def _early_termination(space: Space) -> list[Recommendation]:
    epochs, given = space.epochs, space.early_terminate
    grace = max(1, round(epochs / EPOCHS_PER_GRACE))
    if grace >= epochs:
        return []
    if not isinstance(given, Asha):
        why = "ending weak trials early leaves epochs for many more"
        return [Recommendation("early_terminate.type", "asha", given.type, why)]
    rules = (
        (
            "grace_period",
            grace,
            given.grace_period,
            f"of {epochs} epochs, about one in {EPOCHS_PER_GRACE}: many configurations early "
            "find more than fewer that are seen for longer",
        ),
        (
            "reduction_factor",
            min(given.reduction_factor, _MAX_FACTOR),
            given.reduction_factor,
            "2 and 3 found as much as each other, 4 less in short sweeps",
        ),
        ("brackets", 1, given.brackets, "brackets that begin later spend epochs on weak trials"),
    )
    return [
        Recommendation(f"early_terminate.{key}", value, is_given, why)
        for key, value, is_given, why in rules
        if value != is_given
    ]
