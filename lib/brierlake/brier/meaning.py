"""From how many labelled rows a number means something. Statuses are made here, stored with the numbers, and read here.

All rules go by the rows of the rarer outcome: ev = min(events, non-events).
"""

import math
from collections.abc import Mapping
from typing import Any, Final

FEWEST_FOR_Z: Final = 10
"""From this many on, Spiegelhalter's Z is near normal."""
FEWEST: Final = 20
"""From this many on, skill, CORP's terms, Cox's line and a verdict mean something."""
_FEWEST_ROWS: Final = 30
FEWEST_CLUSTERS: Final = 10
_FEWEST_ROUGH: Final = 10

_STATUSES: Final = {
    "spiegelhalter_z": ("z_status", FEWEST_FOR_Z),
    **dict.fromkeys(
        ("skill", "skill_se", "skill_low", "skill_high", "miscalibration", "discrimination", "corp_error"),
        ("skill_status", FEWEST),
    ),
    **dict.fromkeys(
        ("calibration_intercept", "calibration_slope", "calibration_intercept_se", "calibration_slope_se"),
        ("calibration_status", FEWEST),
    ),
}


def count_rarer(n: int, n_events: int) -> int:
    return min(n_events, n - n_events)


def is_by_cluster(clusters: int) -> bool:
    """Whether there are clusters enough to go by: with fewer, rows are taken as independent, and that is said."""
    return clusters >= FEWEST_CLUSTERS


def events_status(n: int, n_events: int, *, fewest: int = FEWEST) -> str:
    """Return ok, few_events or no_labels."""
    if not n:
        return "no_labels"
    return "ok" if count_rarer(n, n_events) >= fewest else "few_events"


def interval_status(n: int, expected_events: float, *, effective: float) -> str:
    """Return shown if ev >= 20 and n_eff >= 30, rough if both are at least 10, else withheld; ev as it was foretold."""
    rarer = min(expected_events, n - expected_events)
    if rarer < _FEWEST_ROUGH or effective < _FEWEST_ROUGH:
        return "withheld"
    return "shown" if rarer >= FEWEST and effective >= _FEWEST_ROWS else "rough"


def has_few(n: int, n_events: int, *, carrying: float, clusters: int | None) -> bool:
    """Whether a difference of two Brier scores on these rows says nothing yet; `carrying` are those that differ."""
    has_few_rows = min(n, carrying) < _FEWEST_ROWS or count_rarer(n, n_events) < FEWEST
    return has_few_rows or (clusters is not None and clusters < FEWEST_CLUSTERS)


def is_meaningful(row: Mapping[str, Any], metric: str) -> bool:
    """Say whether a metric of a row of brier_metrics means something, by the status stored with it.

    Rows that an earlier release wrote have not all of the statuses: theirs follow from the counts.
    """
    if metric in ("brier", "brier_se", "brier_low", "brier_high"):
        return bool(row["interval_status"] != "withheld")
    if metric not in _STATUSES:
        return True
    name, fewest = _STATUSES[metric]
    n, n_events = int(row.get("n_labelled") or 0), int(row.get("n_events") or 0)
    stored = row.get(name)
    status = stored if isinstance(stored, str) else events_status(n, n_events, fewest=fewest)
    return status not in ("few_events", "no_labels")


_ENDS: Final = {
    "base_rate": ("base_rate_low", "base_rate_high"),
    "ece": ("ece_low", "ece"),
    "mce": ("mce_low", "mce"),
    "reliability": ("reliability_low", "reliability"),
    "drift_psi": ("drift_psi_low", "drift_psi"),
    "drift_js": ("drift_js_low", "drift_js"),
}
_BETWEEN: Final = {"brier": "brier_between_sd", "skill": "brier_between_sd", "gap": "gap_between_sd"}
_SURE: Final = 2.326
"""Standard errors beyond which 1 % lies, on one side."""
_SURE_BETWEEN: Final = 3.2
"""The same for what windows differ by, which is estimated from 28 windows or fewer, and skewed."""


def find_sure_ends(row: Mapping[str, Any], metric: str) -> tuple[float | None, float | None]:
    """Return the values that a metric of a row of brier_metrics is surely above, and surely below; None: not known.

    Of a window, what windows differ by beside chance counts as chance too. Metrics that have no error are facts.
    """
    value, error = row.get(metric), row.get(f"{metric}_se")
    if metric in _ENDS or value is None or error is None:
        low, high = _ENDS.get(metric, (metric, metric))
        return row.get(low), row.get(high)
    between = row.get(_BETWEEN.get(metric, "")) or 0.0
    if metric == "skill":
        between /= row.get("reference_brier") or 1.0
    reach = math.hypot(_SURE * error, _SURE_BETWEEN * between)
    return value - reach, value + reach
