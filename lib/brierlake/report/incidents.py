"""Windows that stand out: by their scores alone, before any label, and by their labels once these are known."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from statistics import median

from brierlake.brier import is_meaningful
from brierlake.report.tables import Row
from brierlake.report.verdicts import Level, Verdict
from brierlake.report.words import is_known, number, signed

_FEWEST_WINDOWS = 8
_FAR = 6.0
_LARGE_SHIFT = 0.02
_NORMAL = 1.4826
_MOST = 12


@dataclass(frozen=True)
class Incident:
    """One window that is far from the others of its job."""

    window: date
    n_scored: int
    reason: str
    """What its scores say; no label is used."""
    outcome: str
    """What its labels say; empty: none are known."""
    distance: float
    is_grave: bool
    """The level of the scores is off, not only their difference from the reference."""


def find_incidents(windows: Sequence[Row]) -> list[Incident]:
    """Windows whose mean probability, expected Brier or shape of scores is far from the job's other windows.

    Far: more than six scaled median deviations from the median of all windows (and, for the divergence from the
    reference, above 0.1). The worst first, at most a dozen.
    """
    dated = [row for row in windows if row["window_start"] is not None and row.get("n_scored")]
    if len(dated) < _FEWEST_WINDOWS:
        return []
    found = []
    limits = {name: _spread(dated, name) for name in ("mean_probability", "expected_brier", "drift_js")}
    for row in dated:
        reasons = {name: _distance(row, name, limits[name]) for name in limits}
        if max(reasons.values()) >= _FAR:
            found.append(_incident(row, reasons, limits))
    return sorted(found, key=lambda each: (not each.is_grave, -each.distance))[:_MOST]


def judge_latest(windows: Sequence[Row], incidents: Sequence[Incident]) -> Verdict | None:
    """Judges the latest window by its scores alone; null where there are no windows with a date, or too few."""
    if len(windows) < _FEWEST_WINDOWS:
        return None
    latest = windows[-1]
    for each in incidents:
        if each.window == latest["window_start"]:
            text = f"{each.reason[:1].upper()}{each.reason[1:]}. {each.outcome}".strip()
            level, words = (Level.BAD, "scores stand out") if each.is_grave else (Level.WATCH, "scores have moved")
            return Verdict(level, words, text)
    said, expected = number(latest["mean_probability"]), number(latest["expected_brier"], 4)
    text = f"Mean probability {said}, expected Brier {expected}: within what the job's windows usually show."
    return Verdict(Level.GOOD, "scores as usual", text)


def _spread(rows: Sequence[Row], name: str) -> tuple[float, float]:
    """Median and scaled median absolute deviation."""
    values = [float(row[name]) for row in rows if is_known(row.get(name))]
    if not values:
        return (math.nan, math.nan)
    middle = median(values)
    return middle, _NORMAL * median(abs(value - middle) for value in values)


def _distance(row: Row, name: str, limits: tuple[float, float]) -> float:
    """How far out, in scaled median deviations; 0 for what is too small to matter."""
    value, (middle, spread) = row.get(name), limits
    if not is_known(value) or math.isnan(middle):
        return 0.0
    if name == "drift_js" and value < max(0.1, middle):
        return 0.0
    shift = abs(float(value) - middle)
    return shift / max(spread, 1e-9) if shift >= _LARGE_SHIFT else 0.0


def _incident(row: Row, reasons: dict[str, float], limits: dict[str, tuple[float, float]]) -> Incident:
    words = {
        "mean_probability": f"mean probability {number(row['mean_probability'])}",
        "expected_brier": f"expected Brier {number(row['expected_brier'], 4)}",
        "drift_js": f"divergence from the window before {number(row.get('drift_js'))}",
    }
    digits = {"expected_brier": 4}
    parts = [
        f"{words[name]} (usually about {number(limits[name][0], digits.get(name, 3))})"
        for name, distance in sorted(reasons.items(), key=lambda each: -each[1])
        if distance >= _FAR
    ]
    return Incident(
        window=row["window_start"],
        n_scored=int(row["n_scored"]),
        reason="; ".join(parts),
        outcome=_outcome(row),
        distance=max(reasons.values()),
        is_grave=max(reasons["mean_probability"], reasons["expected_brier"]) >= _FAR,
    )


def _outcome(row: Row) -> str:
    if not row.get("n_labelled"):
        return ""
    said, came = number(row["mean_probability_labelled"]), number(row["base_rate"])
    skill = f", skill {signed(row['skill'], 2)}" if is_meaningful(row, "skill") and is_known(row.get("skill")) else ""
    return f"It said {said}, {came} happened: Brier {number(row['brier'])}{skill} (n {int(row['n_labelled']):,})."
