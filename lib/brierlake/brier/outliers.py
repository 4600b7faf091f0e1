"""Windows that stand out before any label lands: far from their reference, or far from the job's other windows."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import median
from typing import Any

MIN_ROWS = 30
"""With fewer rows chance alone moves the divergence too far."""
_CERTAIN = 0.01


@dataclass(frozen=True)
class Flag:
    """A window whose scores have moved, and by how much."""

    window_start: date | None
    reason: str
    drift_js: float
    drift_psi: float
    mean_probability: float
    expected_brier: float


def find_flagged(figures: Iterable[Mapping[str, Any]], *, drift_alert: float) -> list[Flag]:
    """Return the windows whose Jensen-Shannon divergence is at least `drift_alert`, the furthest first."""
    moved = [
        row
        for row in figures
        if row["grain"] == "window" and row["n_scored"] >= MIN_ROWS and (row["drift_js"] or 0.0) >= drift_alert
    ]
    return [
        Flag(
            window_start=row["window_start"],
            reason=_reason(row, drift_alert),
            drift_js=row["drift_js"],
            drift_psi=row["drift_psi"],
            mean_probability=row["mean_probability"],
            expected_brier=row["expected_brier"],
        )
        for row in sorted(moved, key=lambda row: -row["drift_js"])
    ]


def _reason(row: Mapping[str, Any], drift_alert: float) -> str:
    certain = ": nearly certain of every row" if row["expected_brier"] < _CERTAIN else ""
    return (
        f"scores moved by {row['drift_js']:.2f} from the reference (alert from {drift_alert:g}), "
        f"mean p {row['mean_probability']:.3f}, expected Brier {row['expected_brier']:.3f}{certain}"
    )


FEWEST_WINDOWS = 8
"""Windows from which it can be said what is usual."""
FAR = 6.0
"""Scaled median deviations from the median from which a figure stands out."""
_LARGE_SHIFT, _LARGE_DIVERGENCE = 0.02, 0.1
"""What is smaller than these doesn't matter, however unusual it is."""
_NORMAL = 1.4826
_WATCHED = ("mean_probability", "expected_brier", "drift_js")


@dataclass(frozen=True)
class Outlier:
    """A window whose scores are far from those of the job's other windows."""

    row: Mapping[str, Any]
    distances: Mapping[str, float]
    """Of each watched figure, in scaled median deviations; 0: too small to matter."""
    usual: Mapping[str, float]
    """Median of each over all windows."""

    @property
    def distance(self) -> float:
        return max(self.distances.values())

    @property
    def is_grave(self) -> bool:
        """Whether the level of the scores is off, not only their difference from the reference."""
        return max(self.distances["mean_probability"], self.distances["expected_brier"]) >= FAR


def find_outliers(windows: Sequence[Mapping[str, Any]]) -> list[Outlier]:
    """Return the windows whose mean probability, expected Brier score or divergence is FAR from the others'.

    The gravest and furthest first; nothing with fewer than FEWEST_WINDOWS windows that have a date and scores.
    """
    dated = [row for row in windows if row["window_start"] is not None and row.get("n_scored")]
    if len(dated) < FEWEST_WINDOWS:
        return []
    spreads = {name: _spread(dated, name) for name in _WATCHED}
    usual = {name: middle for name, (middle, _) in spreads.items()}
    every = [Outlier(row, {name: _distance(row, name, spreads[name]) for name in _WATCHED}, usual) for row in dated]
    return sorted(
        (each for each in every if each.distance >= FAR), key=lambda each: (not each.is_grave, -each.distance)
    )


def _spread(rows: Sequence[Mapping[str, Any]], name: str) -> tuple[float, float]:
    """Median and scaled median absolute deviation."""
    values = [value for value in (_known(row, name) for row in rows) if value is not None]
    if not values:
        return (math.nan, math.nan)
    middle = median(values)
    return middle, _NORMAL * median(abs(value - middle) for value in values)


def _distance(row: Mapping[str, Any], name: str, spread: tuple[float, float]) -> float:
    value, (middle, deviation) = _known(row, name), spread
    if value is None or math.isnan(middle):
        return 0.0
    if name == "drift_js" and value < max(_LARGE_DIVERGENCE, middle):
        return 0.0
    shift = abs(value - middle)
    return shift / max(deviation, 1e-9) if shift >= _LARGE_SHIFT else 0.0


def _known(row: Mapping[str, Any], name: str) -> float | None:
    value = row.get(name)
    return None if value is None or math.isnan(value) else float(value)
