"""Windows that want a look before any label lands: their scores are far from those of the reference."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from brierlake.lakehouse.diagnostics import Figures

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


def find_flagged(figures: Iterable[Figures], *, drift_alert: float) -> list[Flag]:
    """Returns the windows whose Jensen-Shannon divergence is at least `drift_alert`, the farthest first."""
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


def _reason(row: Figures, drift_alert: float) -> str:
    certain = ": nearly certain of every row" if row["expected_brier"] < _CERTAIN else ""
    return (
        f"scores moved by {row['drift_js']:.2f} from the reference (alert from {drift_alert:g}), "
        f"mean p {row['mean_probability']:.3f}, expected Brier {row['expected_brier']:.3f}{certain}"
    )
