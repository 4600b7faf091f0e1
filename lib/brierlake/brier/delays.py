"""Labels that land in part: how late each outcome comes, and what a window's figures will be once all have come."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from brierlake.brier.estimates import Foretold
from brierlake.brier.grid import FloatArray

_FEWEST: Final = 5
"""Known rows of each outcome from which there is an estimate."""
_LEAST_SHARE: Final = 0.05
"""Share of an outcome known at an age below which its known rows can't stand for the others."""


@dataclass(frozen=True, eq=False)
class Arrivals:
    """Labelled rows of one window in R groups; each (R,)."""

    outcome: FloatArray
    """0 or 1."""
    event: FloatArray
    """Seconds from the window's start to the event."""
    age: FloatArray
    """Seconds from the event until the label was known."""
    n: FloatArray
    """Rows."""
    squared_errors: FloatArray
    """Sum of their (p-y)^2."""

    @property
    def brier(self) -> float:
        return float(self.squared_errors.sum() / self.n.sum())

    @property
    def base_rate(self) -> float:
        return float(self.n @ self.outcome / self.n.sum())


def estimate_arriving(window: Arrivals, complete: Sequence[Arrivals], *, elapsed: float) -> Foretold | None:
    """Estimate from the labels known `elapsed` seconds after a window's start; None where too few tell.

    F_y(a) is the share of outcome y that complete windows knew at an age a. N_y = sum over known rows of y of 1/F_y of
    their age; Brier = sum_y N_y mean((p-y)^2 | y, known) / sum_y N_y: an outcome delays its own label, so that those
    known early aren't like the others. Rows count that are old enough for either outcome to be known of some.
    """
    age = elapsed - window.event
    shares = [_shares(complete, outcome, age) for outcome in (0, 1)]
    is_old = np.minimum(*shares) >= _LEAST_SHARE
    counts, totals = np.zeros(2), np.zeros(2)
    for outcome, share in enumerate(shares):
        own = is_old & (window.age <= age) & (window.outcome == outcome)
        n = float(window.n[own].sum())
        if n < _FEWEST:
            return None
        counts[outcome] = float((window.n[own] / share[own]).sum())
        totals[outcome] = counts[outcome] * float(window.squared_errors[own].sum()) / n
    whole = float(counts.sum())
    return Foretold(brier=float(totals.sum()) / whole, base_rate=float(counts[1]) / whole)


def _shares(complete: Sequence[Arrivals], outcome: int, ages: npt.ArrayLike) -> FloatArray:
    """F_y at these ages (M,); 0 where the complete windows have no such outcome."""
    parts = [(each.age[each.outcome == outcome], each.n[each.outcome == outcome]) for each in complete]
    age, n = (np.concatenate(each) for each in zip(*parts, strict=True)) if parts else (np.zeros(0), np.zeros(0))
    order = np.argsort(age, kind="stable")
    reach = np.searchsorted(age[order], np.asarray(ages, np.float64), side="right")
    return np.concatenate(([0.0], np.cumsum(n[order])))[reach] / max(float(n.sum()), 1.0)


def miss_of_arriving(complete: Sequence[Arrivals], *, elapsed: float) -> float | None:
    """Return the mean |estimate - Brier score| over windows that are complete now; None where none can be told.

    Each is estimated from what was known of it `elapsed` seconds after its start, by the others.
    """
    misses = []
    for place, each in enumerate(complete):
        told = estimate_arriving(each, [*complete[:place], *complete[place + 1 :]], elapsed=elapsed)
        if told is not None:
            misses.append(abs(told.brier - each.brier))
    return float(np.mean(misses)) if misses else None
