"""Is it fine? A verdict on one row of brier_metrics, with its reason, by the rules on when a number means something."""

import math
from dataclasses import dataclass
from enum import StrEnum

from brierlake.brier import FEWEST, count_rarer, is_meaningful
from brierlake.brier.evidence import is_evident
from brierlake.page.sources import Row
from brierlake.page.words import count, day, is_known, number, share, signed

CERTAIN = 3.0
"""Standard errors from which a difference counts as more than chance."""
LOST_BADLY, LOST_MUCH = 0.5, 0.1
"""Share of the discrimination that miscalibration eats up."""


class Level(StrEnum):
    """From best to worst; unknown is no verdict."""

    GOOD = "good"
    WATCH = "watch"
    BAD = "bad"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Verdict:
    level: Level
    words: str
    """Two or three words."""
    reason: str
    """One or two sentences."""

    @property
    def mark(self) -> str:
        return {Level.GOOD: "✓", Level.WATCH: "!", Level.BAD: "✗", Level.UNKNOWN: "?"}[self.level]


def gap(row: Row) -> float | None:
    """Mean probability minus base rate over labelled rows: above 0 the model promises too much."""
    said, came = row.get("mean_probability_labelled"), row.get("base_rate")
    return None if not is_known(said) or not is_known(came) else float(said) - float(came)


def gap_se(row: Row) -> float | None:
    """Standard error of the gap as it is stored; of an earlier release's rows, that of a calibrated model."""
    if is_known(row.get("gap_se")):
        return float(row["gap_se"])
    expected, n = row.get("expected_brier_labelled"), row.get("n_labelled")
    return math.sqrt(expected / n) if is_known(expected) and n else None


def skill_ends(row: Row) -> tuple[float, float]:
    """Interval of the skill; of an earlier release's rows, two standard errors."""
    if is_known(row.get("skill_low")) and is_known(row.get("skill_high")):
        return float(row["skill_low"]), float(row["skill_high"])
    skill, error = float(row["skill"]), float(row.get("skill_se") or 0.0)
    return skill - 2 * error, skill + 2 * error


def lost_share(row: Row) -> float | None:
    """What miscalibration surely eats up of the discrimination: 0, nothing; 1 or more, no better than the base rate.

    Of an earlier release's rows, which don't tell chance apart, all that it seems to.
    """
    lost = row.get("reliability_low", row.get("miscalibration"))
    known = row.get("discrimination")
    if not is_known(lost) or not is_known(known) or known <= 0:
        return None
    return float(lost) / float(known)


def is_certain(row: Row) -> bool:
    """Whether the probabilities are off by more than chance: by all windows' evidence, in the mean, or by Z."""
    if row.get("evidence_status") == "ok":
        return is_evident(row["log_e_value"])
    difference, error, z = gap(row), gap_se(row), row.get("spiegelhalter_z")
    off = abs(difference / error) if difference is not None and error else 0.0
    return max(off, abs(z) if is_known(z) and is_meaningful(row, "spiegelhalter_z") else 0.0) >= CERTAIN


def find_verdict(row: Row) -> Verdict:
    """Judge the probabilities of a window, a month, a version or all by the labels that are known."""
    if not row.get("n_scored"):
        return Verdict(Level.UNKNOWN, "nothing scored", "No row has a probability.")
    if not row.get("n_labelled"):
        return Verdict(Level.UNKNOWN, "no labels yet", "Nothing is known yet of what happened; see the scores' drift.")
    if not is_meaningful(row, "skill"):
        rarer = count_rarer(int(row["n_labelled"]), int(row["n_events"]))
        text = f"Only {count(rarer)} labelled rows of the rarer outcome; a verdict takes {FEWEST}."
        return Verdict(Level.UNKNOWN, "too few labels", text)
    verdict = _judged(row)
    if row.get("label_status") == "preliminary":
        text = f"{verdict.reason} Only {share(row['coverage'])} of the labels are known, and early ones are biased."
        return Verdict(verdict.level, f"{verdict.words}, so far", text)
    return verdict


def _judged(row: Row) -> Verdict:
    low, high = skill_ends(row)
    lost = lost_share(row)
    told = f"{_promise(row)}{_changed(row)}"
    impossible = row.get("n_impossible") or 0
    if impossible:
        text = f"{count(impossible)} rows had a probability of exactly 0 or 1, and the opposite happened. {told}"
        return Verdict(Level.BAD, "certain, and wrong", text)
    if high < 0:
        text = f"Always saying the base rate {_reference(row)} would have scored better ({_skill(row)}). {told}"
        return Verdict(Level.BAD, "worse than the base rate", text)
    if lost is not None and lost >= LOST_BADLY and is_certain(row):
        text = f"Miscalibration eats up at least {_capped(lost)} of what the model knows. {told}"
        return Verdict(Level.BAD, "badly calibrated", text)
    if low <= 0:
        text = f"It can't be told from always saying the base rate {_reference(row)} ({_skill(row)}). {told}"
        return Verdict(Level.WATCH, "no clear skill", text)
    if is_certain(row) and (_changed(row) or (lost is not None and lost >= LOST_MUCH)):
        share_lost = f"Miscalibration eats up at least {_capped(lost or 0.0)} of what the model knows. "
        return Verdict(Level.WATCH, "miscalibrated", f"{share_lost}{told}")
    found = "miscalibrated by little" if is_certain(row) else "no miscalibration found"
    n = count(row["n_labelled"])
    return Verdict(Level.GOOD, "fine", f"Better than the base rate ({_skill(row)}), {found} (n {n}). {told}")


def _skill(row: Row) -> str:
    low, high = skill_ends(row)
    return f"skill {number(row['skill'])}, {number(low)} to {number(high)}"


def _reference(row: Row) -> str:
    return "of the windows before" if row.get("reference_kind") == "earlier" else "of these rows, in hindsight,"


def _changed(row: Row) -> str:
    since = row.get("changed_since")
    return f" Its calibration has changed, probably since {day(since)}." if is_known(since) else ""


def _capped(lost: float) -> str:
    return "all" if lost >= 1 else share(lost, 0)


def _promise(row: Row) -> str:
    difference = gap(row)
    said, came = number(row["mean_probability_labelled"]), number(row["base_rate"])
    if difference is None or not is_certain(row):
        return f"It said {said} on average, {came} happened."
    direction = "too high" if difference > 0 else "too low"
    return f"It said {said} on average where {came} happened: {direction} by {signed(abs(difference)).lstrip('+')}."
