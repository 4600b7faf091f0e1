"""Several months as one row: what adds up exactly from theirs. What doesn't, such as intervals, is None."""

import math
from collections import Counter
from collections.abc import Sequence
from datetime import date

from brierlake.page.sources import Row
from brierlake.page.verdicts import Level, Verdict, find_verdict

_SUMS = ("n_rows", "n_scored", "n_labelled", "n_events")
_BY_SCORED = ("mean_probability", "expected_brier")
_BY_LABELLED = ("mean_probability_labelled", "expected_brier_labelled", "brier")


def pool_months(months: Sequence[Row], *, year: int) -> Row:
    """Return a row like each month's, for all of them together; there must be one at least."""
    sums = {name: sum(int(row[name] or 0) for row in months) for name in _SUMS}
    scored, labelled = sums["n_scored"], sums["n_labelled"]
    base_rate = sums["n_events"] / labelled if labelled else None
    brier = _mean(months, "brier", by="n_labelled")
    reference = base_rate * (1 - base_rate) if base_rate is not None else None
    spread = math.fsum((row["n_scored"] * (row["expected_brier_sd"] or 0.0)) ** 2 for row in months)
    return {
        **dict.fromkeys(months[0]),
        **sums,
        **{name: _mean(months, name, by="n_scored") for name in _BY_SCORED},
        **{name: _mean(months, name, by="n_labelled") for name in _BY_LABELLED},
        "job": months[0].get("job"),
        "role": months[0].get("role"),
        "grain": "year",
        "window_start": date(year, 1, 1),
        "coverage": labelled / scored if scored else None,
        "label_status": "none" if not labelled else "complete" if labelled == scored else "preliminary",
        "expected_brier_sd": math.sqrt(spread) / scored if scored else None,
        "base_rate": base_rate,
        "uncertainty": reference,
        "reference_brier": reference,
        "skill": 1 - brier / reference if brier is not None and reference else None,
    }


def find_months_verdict(months: Sequence[Row]) -> Verdict:
    """Count the verdicts of the months: one on all of them would need what doesn't add up."""
    counts = Counter(find_verdict(row).words for row in months)
    told = ", ".join(f"{n} x {words}" for words, n in counts.most_common())
    return Verdict(Level.UNKNOWN, "see its months", f"By month: {told}.")


def _mean(months: Sequence[Row], name: str, *, by: str) -> float | None:
    known = [(row[by], row[name]) for row in months if row[by] and row[name] is not None]
    total = sum(weight for weight, _ in known)
    return math.fsum(weight * value for weight, value in known) / total if total else None
