"""Windows that stand out before any label lands: far from the job's other windows, or from their reference."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
from scipy.special import stdtr

from brierlake.brier.grid import FloatArray, IntArray

MIN_ROWS = 30
"""With fewer rows chance alone moves the divergence too far."""
FEWEST_WINDOWS = 8
"""Windows from which it can be said what is usual."""
_FEWEST_ALIKE = 4
"""Other windows of a weekday from which on it is compared with those alone."""
_FALSE_ALARMS = 0.05
"""Chance that any window at all is named where nothing happened."""
_SMALLEST_SHARE = 0.1
"""What is a smaller part of the usual level doesn't matter, however certain it is."""
_MEDIAN_SQUARE: Final = 0.4549
"""Median of a squared standard normal."""
_WATCHED = ("mean_probability", "expected_brier")


@dataclass(frozen=True)
class Outlier:
    """A window whose scores are not what the job's other windows, or its reference, would make one expect."""

    row: Mapping[str, Any]
    distances: Mapping[str, float]
    """Of each watched figure that is off, in standard deviations of a window of this size; may be empty."""
    usual: Mapping[str, float]
    """What each watched figure usually is on such a day."""
    has_drifted: bool
    """Whether the divergence from the reference, less its noise, is at least the alert's."""

    @property
    def window_start(self) -> date | None:
        return self.row["window_start"]  # type: ignore[no-any-return]

    @property
    def distance(self) -> float:
        return max(self.distances.values(), default=0.0)

    @property
    def is_grave(self) -> bool:
        """Whether the level of the scores is off, not only their difference from the reference."""
        return bool(self.distances)


def find_outliers(windows: Sequence[Mapping[str, Any]], *, drift_alert: float) -> list[Outlier]:
    """Return the windows that stand out, the gravest and furthest first.

    A window's mean probability and expected Brier score are compared with the median of the other windows of its
    weekday, in units of sqrt(v/n + tau^2): v/n is what chance moves in n rows, tau what windows usually differ by
    beside it. The bound keeps the chance of naming any window wrongly at 5 % (Bonferroni). Without FEWEST_WINDOWS
    only the divergence from the reference tells.

    Args:
        windows: Rows of brier_metrics of one grain, as published over all rows.
        drift_alert: Divergence (0 to 1), less the noise of samples of these sizes, from which on it counts.
    """
    known = [row for row in windows if row.get("n_scored") and row.get("mean_probability") is not None]
    dated = [row for row in known if row["window_start"] is not None]
    distances: dict[int, dict[str, float]] = {id(row): {} for row in known}
    usual: dict[int, dict[str, float]] = {id(row): {} for row in known}
    if len(dated) >= FEWEST_WINDOWS:
        for name in _WATCHED:
            levels, far = _compare(dated, name)
            for row, level, distance in zip(dated, levels.tolist(), far.tolist(), strict=True):
                usual[id(row)][name] = level
                if distance:
                    distances[id(row)][name] = distance
    found = [
        Outlier(row, distances[id(row)], usual[id(row)], _drift_of(row) >= drift_alert and row["n_scored"] >= MIN_ROWS)
        for row in known
    ]
    standing_out = (each for each in found if each.distances or each.has_drifted)
    return sorted(standing_out, key=lambda each: (not each.is_grave, -each.distance, -_drift_of(each.row)))


def _drift_of(row: Mapping[str, Any]) -> float:
    low = row.get("drift_js_low")
    return float(row.get("drift_js") or 0.0) if low is None or math.isnan(low) else float(low)


def _compare(dated: Sequence[Mapping[str, Any]], name: str) -> tuple[FloatArray, FloatArray]:
    """Return what a figure usually is, and by how many deviations it is off; 0: by no more than chance, or a trifle."""
    values = np.array([float(row[name]) for row in dated])
    levels, alike = _levels(values, np.array([row["window_start"].weekday() for row in dated]))
    # the largest variance that values in [0, 1] (p), or [0, 1/4] (p(1-p)), with this mean can have
    top = 1.0 if name == "mean_probability" else 0.25
    sampling = np.maximum(levels * (top - levels), 0.0) / np.array([float(row["n_scored"]) for row in dated])
    shift = np.abs(values - levels)
    tau2 = _excess(shift**2, sampling)
    # the level is a median itself, of so many windows
    distance = shift / np.sqrt((sampling + tau2) * (1 + math.pi / 2 / alike) + 1e-18)
    # a median deviation of m values is about as good as a standard deviation of a third of them
    chance = 2 * stdtr(max(len(dated) / 3, 2.0), -distance) * len(_WATCHED) * len(dated)
    is_trifle = shift < _SMALLEST_SHARE * np.minimum(levels, 1 - levels)
    return levels, np.where(is_trifle | (chance > _FALSE_ALARMS), 0.0, distance)


def _levels(values: FloatArray, weekday: IntArray) -> tuple[FloatArray, FloatArray]:
    """Median of each value's weekday, or of all where that has few, and how many values it is of."""
    levels, alike = np.full(len(values), np.median(values)), np.full(len(values), float(len(values)))
    for day in range(7):
        own = weekday == day
        if own.sum() > _FEWEST_ALIKE:
            levels[own], alike[own] = np.median(values[own]), float(own.sum())
    return levels, alike


def _excess(squares: FloatArray, sampling: FloatArray) -> float:
    """Variance that windows have beside the sampling: with it the median of squares / variance is chi^2's."""
    low, high = 0.0, float(squares.max())
    if np.median(squares / (sampling + 1e-18)) <= _MEDIAN_SQUARE:
        return 0.0
    for _ in range(60):
        middle = (low + high) / 2
        is_small = np.median(squares / (sampling + middle)) > _MEDIAN_SQUARE
        low, high = (middle, high) if is_small else (low, middle)
    return high
