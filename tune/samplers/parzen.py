"""Parzen estimators of the better and the other trials, and half of the trials at random.

As in the tree-structured Parzen estimator (Bergstra et al. 2011) and BOHB (Falkner, Klein, Hutter
2018, https://arxiv.org/abs/1807.01774), a suggestion is the candidate with the largest ratio of two
densities, that of the best 15 % of the trials to that of the others. What differs was measured on
learning curves (BENCHMARKS.md):

- Trials are ranked across rungs: by the deepest rung that they reached, then by the value there. So
  the model is fitted to what stayed good, and every trial counts as soon as it has any value.
- Half of the trials are random. A model learns at first what is fast at first; random trials keep
  finding what becomes good later.
- Kernels are wide. A quarter of the trials take all parameters together, a quarter each parameter
  by itself, which finds the end of a range sooner.

The probability ``zero`` of a range is that of the random trials; in the others it is the prior, and
what was seen moves it.

Trials that diverged are never among the best, those that are pending are in neither group.

Candidates depend on the seed and on which trials are the best, and the model only picks one of
them, so the last digits of ``exp`` and ``log``, which a CPU's instruction set may change, do not
reach a configuration, unless two candidates are as good as equal.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from genretune.tune.metric_names import Mode, score
from genretune.tune.reproducibility.seeds import derive
from genretune.tune.samplers.encoding import Column, Encoding, Row
from genretune.tune.samplers.history import Observation
from genretune.tune.samplers.random_search import draw, unit_draw
from genretune.tune.space.space import Space
from genretune.tune.space.tree import FlatConfig

GOOD_SHARE = 0.15
"""Share of the trials with a value that counts as good."""
_ONE_BY_ONE, _TOGETHER = 0.25, 0.5
"""Below the first of a trial's number in [0, 1) it is sampled by parameter, below the second with
all parameters together, else at random."""
_WIDTH = 0.5
"""Standard deviation of a kernel, of a range of width 1; of categories, the share redrawn."""
_SINGLE_CANDIDATES, _JOINT_CANDIDATES = 24, 32
_NEIGHBOUR_WIDTH = 0.1
_REDRAWS_PER_COLUMN = 20
"""After so many neighbours that were tried before, one more column changes."""

Rows = NDArray[np.float64]
"""Rows of an encoding, [trials, columns]."""


class Parzen:
    """A sampler that learns from every rung; at random until it knows ``n_startup`` values.

    Raises:
        TypeError: the space names another sampler.
    """

    def __init__(self, space: Space) -> None:
        if space.sampler.type != "parzen":
            raise TypeError(f"sampler.type: must be parzen, got {space.sampler.type}")
        self._space = space
        self._n_startup = space.sampler.n_startup
        self._encoding = Encoding(space)
        # rows of the history by index, kept because a configuration never changes
        self._encoded: list[Mapping[str, object]] = []
        self._rows = np.empty((0, len(self._encoding.columns)))
        # the trial, history and row of the last fit: redraws of a trial need no other
        self._fitted: tuple[int, Sequence[Observation], Row] = (-1, (), np.empty(0))

    def configuration(self, trial: int, attempt: int, history: Sequence[Observation]) -> FlatConfig:
        unit = unit_draw(self._space.seed, trial, 0, "parzen: how it is sampled")
        known = sum(one.outcome in ("value", "worst") for one in history)
        if unit >= _TOGETHER or known < self._n_startup:
            return draw(self._space, trial, attempt)
        row = self._fitted_row(trial, unit, history, again=attempt > 0)
        if attempt > 0:
            seed = derive(self._space.seed, "parzen", trial, attempt) % 2**32
            count = 1 + attempt // _REDRAWS_PER_COLUMN
            _move(self._encoding.columns, row, count, np.random.RandomState(seed))
        return self._encoding.configuration(row)

    def _fitted_row(
        self, trial: int, unit: float, history: Sequence[Observation], *, again: bool
    ) -> Row:
        """Return the row that the model chooses for a trial, as a copy.

        Args:
            unit: the trial's number that says how it is sampled.
            again: whether the last call may have been for the same trial and history.
        """
        last_trial, last_history, last_row = self._fitted
        if again and last_trial == trial and last_history is history:
            return last_row.copy()
        good, others = split(history, self._space.metric.mode)
        rows = self._encode(history)
        random = np.random.RandomState(derive(self._space.seed, "parzen", trial) % 2**32)
        if unit < _ONE_BY_ONE:
            row = _one_by_one(self._encoding.columns, rows[good], rows[others], random)
        else:
            row = self._together(rows[good], rows[others], random)
        self._fitted = (trial, history, row)
        return row.copy()

    def _together(self, good: Rows, others: Rows, random: np.random.RandomState) -> Row:
        """Return the best of a few candidates around good trials."""
        columns = self._encoding.columns
        parents = good[_indices(random, len(good), _JOINT_CANDIDATES)]
        candidates = np.column_stack(
            [
                _near(column, parents[:, place], _WIDTH, random)
                for place, column in enumerate(columns)
            ]
        )
        used = np.array([self._encoding.used(row) for row in candidates])
        ratio = _log_density(columns, used, good, _WIDTH)
        ratio -= _log_density(columns, used, others, _WIDTH)
        best: Row = candidates[int(np.argmax(ratio))]
        return best

    def _encode(self, history: Sequence[Observation]) -> Rows:
        """Return the rows of the history; only what was not there in the last call is encoded."""
        same = 0
        for one, encoded in zip(history, self._encoded, strict=False):
            if one.parameters is not encoded:
                break
            same += 1
        del self._encoded[same:]
        if len(history) > len(self._rows):
            grown = np.empty((2 * len(history), self._rows.shape[1]))
            grown[:same] = self._rows[:same]
            self._rows = grown
        for place in range(same, len(history)):
            self._rows[place] = self._encoding.encode(history[place].parameters)
            self._encoded.append(history[place].parameters)
        return self._rows[: len(history)]


def split(history: Sequence[Observation], mode: Mode) -> tuple[list[int], list[int]]:
    """Return the indices of the good trials and of the others, each best first.

    A value at a deeper rung is better than any at a lower one; ties go to the lower trial.
    """
    ranked = sorted(
        (-one.epoch, score(one.value, mode), index)
        for index, one in enumerate(history)
        if one.outcome == "value"
    )
    valued = [index for _, _, index in ranked]
    diverged = [index for index, one in enumerate(history) if one.outcome == "worst"]
    count = math.ceil(GOOD_SHARE * len(valued))
    if valued:
        count = min(max(count, 2), len(valued))
    return valued[:count], valued[count:] + diverged


def _one_by_one(
    columns: Sequence[Column], good: Rows, others: Rows, random: np.random.RandomState
) -> Row:
    """Return for each column the best of a few values near those of good trials."""
    row = np.empty(len(columns))
    for place, column in enumerate(columns):
        one = slice(place, place + 1)
        known = good[~np.isnan(good[:, place]), one]
        parents = np.full(_SINGLE_CANDIDATES, math.nan)
        if len(known):
            parents = known[_indices(random, len(known), _SINGLE_CANDIDATES), 0]
        values = _near(column, parents, _WIDTH, random)
        rest = others[~np.isnan(others[:, place]), one]
        ratio = _log_density([column], values[:, None], known, _WIDTH)
        ratio -= _log_density([column], values[:, None], rest, _WIDTH)
        row[place] = values[int(np.argmax(ratio))]
    return row


def _move(columns: Sequence[Column], row: Row, count: int, random: np.random.RandomState) -> None:
    """Move a row to a neighbour: change ``count`` columns a little, categories to any value."""
    for place in _indices(random, len(columns), count):
        column, here = columns[place], row[place : place + 1]
        width = 1.0 if column.prior else _NEIGHBOUR_WIDTH
        row[place] = _near(column, here, width, random)[0]


def _near(
    column: Column, parents_N: NDArray[np.float64], width: float, random: np.random.RandomState
) -> NDArray[np.float64]:
    """Return a value near each parent; one of the space's own draws where the parent is NaN."""
    count = len(parents_N)
    fresh, redrawn = random.random_sample(count), random.random_sample(count)
    if column.prior:
        ends = np.cumsum(column.prior)[:-1]
        categories = np.searchsorted(ends, fresh, side="right").astype(np.float64)
        return np.where(np.isnan(parents_N) | (redrawn < width), categories, parents_N)
    # sums of uniform numbers: nearly normal, and equal on every CPU, which log and cos are not
    noise = random.random_sample((12, count)).sum(axis=0) - 6
    moved = np.abs(parents_N + width * noise) % 2
    return np.where(np.isnan(parents_N), fresh, np.where(moved > 1, 2 - moved, moved))


def _log_density(
    columns: Sequence[Column], rows_NC: Rows, trials_MC: Rows, width: float
) -> NDArray[np.float64]:
    """Return the logarithm of the density of trials at each row, relative to the space's own draws.

    It is the mean of one kernel for each trial and one that is 1 everywhere. A kernel is a product
    over columns; where the row or the trial has no value its factor is 1.
    """
    log_kernel_NM = np.zeros((len(rows_NC), len(trials_MC)))
    for place, column in enumerate(columns):
        log_kernel_NM += _log_factor(column, rows_NC[:, place], trials_MC[:, place], width)
    total: NDArray[np.float64] = np.log(
        (np.exp(log_kernel_NM).sum(axis=1) + 1) / (len(trials_MC) + 1)
    )
    return total


def _log_factor(
    column: Column, values_N: NDArray[np.float64], trials_M: NDArray[np.float64], width: float
) -> NDArray[np.float64]:
    """Return one column's factor of the kernels, [N, M]."""
    if column.prior:
        prior = np.array(column.prior)
        at_N = np.where(np.isnan(values_N), 0, values_N).astype(np.intp)
        equal = width + (1 - width) / prior[at_N]
        factor = np.log(np.where(values_N[:, None] == trials_M[None], equal[:, None], width))
    else:
        inside_M = ndtr((1 - trials_M) / width) - ndtr(-trials_M / width)
        factor = values_N[:, None] - trials_M[None]
        factor *= factor
        factor *= -0.5 / width**2
        factor -= np.log(inside_M * (width * math.sqrt(2 * math.pi)))
    factor[np.isnan(values_N)] = 0
    factor[:, np.isnan(trials_M)] = 0
    result: NDArray[np.float64] = factor
    return result


def _indices(random: np.random.RandomState, below: int, count: int) -> NDArray[np.intp]:
    """Return ``count`` random indices below ``below``."""
    return (random.random_sample(count) * below).astype(np.intp)
