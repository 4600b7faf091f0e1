"""A gate was breached."""

from collections.abc import Mapping, Sequence
from typing import Self

from brierlake.errors.base import BrierlakeError


class GateError(BrierlakeError):
    """A gate was breached: what is downstream should stop."""

    exit_code = 5

    @classmethod
    def too_many_issues(
        cls, issues: Mapping[str, int], examples: Mapping[str, Sequence[str]], *, rows: int, share: float
    ) -> Self:
        ordered = sorted(issues.items(), key=lambda item: -item[1])
        worst = "; ".join(f"{text} ({n:,} rows, for example {examples[text][0]})" for text, n in ordered[:3])
        return cls(
            f"{sum(issues.values()):,} of {rows:,} rows have no probability, more than scoring.max_issue_share "
            f"({share:g}) allows: {worst}. The windows hold again what they held before."
        )
