"""What each picture says in words, for those who can't see it."""

from collections.abc import Sequence

import numpy as np

from brierlake.brier import is_meaningful
from brierlake.page.decision_curves import DecisionCurve
from brierlake.page.incidents import Incident
from brierlake.page.sources import Row
from brierlake.page.verdicts import gap
from brierlake.page.views import Curve, Grid
from brierlake.page.words import month, number, share, signed


def timeline_label(months: Sequence[Row]) -> str:
    parts = [
        f"{month(row['window_start'])}: Brier {number(row['brier'], 4)}, expected {number(row['expected_brier'], 4)}, "
        f"base rate {number(row['base_rate'])}, mean probability {number(row['mean_probability'])}"
        for row in months[-12:]
    ]
    return f"Brier score over time beside the expected score and the base rate. {'; '.join(parts)}."


def drift_label(incidents: Sequence[Incident]) -> str:
    lead = "Mean probability, expected Brier score and divergence of the scores over time."
    if not incidents:
        return f"{lead} No window stands out."
    return f"{lead} Standing out: {'; '.join(f'{each.window:%d %b %Y}, {each.reason}' for each in incidents[:3])}."


def curve_label(curves: Sequence[Curve]) -> str:
    parts = [
        f"{each.name}: it said {number(each.row['mean_probability_labelled'])} on average, "
        f"{number(each.row['base_rate'])} happened"
        for each in curves
    ]
    return f"Reliability diagram: what happened against what was said. {'; '.join(parts)}."


def terms_label(months: Sequence[Row]) -> str:
    parts = [
        f"{month(row['window_start'])}: knows {number(row['discrimination'], 4)}, "
        f"loses {number(row['miscalibration'], 4)}"
        for row in months[-12:]
    ]
    return f"Discrimination and miscalibration by month. {'; '.join(parts)}."


def decision_label(curve: DecisionCurve, *, threshold: float | None) -> str:
    at = [0.1, 0.3, 0.5] if threshold is None else [threshold]
    places = [int(np.argmin(np.abs(np.asarray(curve.threshold) - t))) for t in at]
    parts = [
        f"at {share(curve.threshold[k], 0)} {curve.names[0]} {number(curve.champion[k], 4)}, "
        f"{curve.names[1]} {number(curve.challenger[k], 4)}, acting on all {number(curve.treat_all[k], 4)}"
        for k in places
    ]
    return f"Net benefit a row at each threshold: {'; '.join(parts)}; acting on none is 0."


def slices_label(grid: Grid) -> str:
    worst = [
        f"{name} {signed((gap(row) or 0) * 100, 1)}"
        for name, row in zip(grid.names, grid.totals, strict=True)
        if is_meaningful(row, "skill")
    ]
    return (
        f"Percentage points by which the mean probability lies above the base rate, by {grid.key} and month. "
        f"Furthest off over all months: {', '.join(worst[:4])}."
    )
