"""Windows that stand out: by their scores alone, before any label, and by their labels once these are known."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from brierlake.brier import is_meaningful
from brierlake.brier.outliers import FEWEST_WINDOWS, Outlier, find_outliers
from brierlake.page.sources import Row
from brierlake.page.verdicts import Level, Verdict
from brierlake.page.words import is_known, number, signed


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


def find_incidents(windows: Sequence[Row], *, drift_alert: float = 0.5) -> list[Incident]:
    """Return the windows that stand out, the worst first; see `brierlake.brier.outliers`."""
    return [_incident(each) for each in find_outliers(windows, drift_alert=drift_alert)]


def find_latest_verdict(windows: Sequence[Row], incidents: Sequence[Incident]) -> Verdict | None:
    """Judge the latest window by its scores alone; None where there are no windows with a date, or too few."""
    if len(windows) < FEWEST_WINDOWS:
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


_WORDS = {"mean_probability": "mean probability", "expected_brier": "expected Brier"}


def _incident(outlier: Outlier) -> Incident:
    row, usual = outlier.row, outlier.usual
    parts = [
        f"{_WORDS[name]} {number(row[name], digits)} (usually about {number(usual[name], digits)})"
        for name, digits in (("mean_probability", 3), ("expected_brier", 4))
        if name in outlier.distances
    ]
    if outlier.has_drifted:
        parts.append(f"divergence from the reference {number(row.get('drift_js'))}")
    return Incident(
        window=row["window_start"],
        n_scored=int(row["n_scored"]),
        reason="; ".join(parts),
        outcome=_outcome(row),
        distance=outlier.distance,
        is_grave=outlier.is_grave,
    )


def _outcome(row: Row) -> str:
    if not row.get("n_labelled"):
        return ""
    said, came = number(row["mean_probability_labelled"]), number(row["base_rate"])
    skill = f", skill {signed(row['skill'], 2)}" if is_meaningful(row, "skill") and is_known(row.get("skill")) else ""
    return f"It said {said}, {came} happened: Brier {number(row['brier'])}{skill} (n {int(row['n_labelled']):,})."
