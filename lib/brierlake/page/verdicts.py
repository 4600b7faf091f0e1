"""Is it fine? A verdict on one row of brier_metrics, with its reason, by the rules on when a number means something."""

import math
from dataclasses import dataclass
from enum import StrEnum

from brierlake.brier import FEWEST, count_rarer, is_meaningful
from brierlake.page.sources import Row
from brierlake.page.words import count, is_known, number, share, signed

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
    """Standard error of the gap if the probabilities were right: Var(sum y) = sum p(1-p)."""
    expected, n = row.get("expected_brier_labelled"), row.get("n_labelled")
    return math.sqrt(expected / n) if is_known(expected) and n else None


def lost_share(row: Row) -> float | None:
    """Miscalibration over discrimination: 0, nothing is lost; 1 or more, no better than the base rate."""
    lost, known = row.get("miscalibration"), row.get("discrimination")
    if not is_known(lost) or not is_known(known) or known <= 0:
        return None
    return float(lost) / float(known)


def is_certain(row: Row) -> bool:
    """Whether the probabilities are off by more than chance: in the mean, or by Spiegelhalter's Z."""
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
    skill, error = float(row["skill"]), float(row.get("skill_se") or 0.0)
    lost = lost_share(row)
    told = _promise(row)
    if skill + 2 * error < 0:
        text = f"Always saying the base rate would have scored better (skill {number(skill)}). {told}"
        return Verdict(Level.BAD, "worse than the base rate", text)
    if lost is not None and lost >= LOST_BADLY and is_certain(row):
        text = f"Miscalibration eats up {_capped(lost)} of what the model knows. {told}"
        return Verdict(Level.BAD, "badly calibrated", text)
    if skill - 2 * error <= 0:
        text = f"It can't be told from always saying the base rate (skill {number(skill)} ± {2 * error:.3f}). {told}"
        return Verdict(Level.WATCH, "no clear skill", text)
    if lost is not None and lost >= LOST_MUCH and is_certain(row):
        text = f"Miscalibration eats up {_capped(lost)} of what the model knows. {told}"
        return Verdict(Level.WATCH, "miscalibrated", text)
    return Verdict(Level.GOOD, "fine", f"Better than the base rate (skill {number(skill)}), calibrated. {told}")


def _capped(lost: float) -> str:
    return "all" if lost >= 1 else share(lost, 0)


def _promise(row: Row) -> str:
    difference = gap(row)
    said, came = number(row["mean_probability_labelled"]), number(row["base_rate"])
    if difference is None or not is_certain(row):
        return f"It said {said} on average, {came} happened."
    direction = "too high" if difference > 0 else "too low"
    return f"It said {said} on average where {came} happened: {direction} by {signed(abs(difference)).lstrip('+')}."
