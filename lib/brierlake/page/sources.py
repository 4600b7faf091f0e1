"""The gold tables of one job as the report reads them: pandas frames, and the rows that its sections are made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from brierlake.page.words import as_date, is_known

COMPARED = (
    "window_start", "champion_name", "champion_version", "challenger_name", "challenger_version", "n", "n_events",
    "brier_champion", "brier_challenger", "difference", "difference_low", "difference_high", "se_kind", "verdict",
    "log_e_value", "n_windows", "evidence_status", "is_current", "changed_on",
    "benefit_difference", "benefit_log_e_value", "murphy_threshold", "murphy_champion", "murphy_challenger",
)  # fmt: skip
"""Columns of brier_compare that the report shows."""

Row = Mapping[str, Any]
"""One row of brier_metrics, brier_reliability, …; null as None."""


@dataclass(frozen=True, eq=False)
class Tables:
    """What one job's report is made of; frames hold that job's rows only, newest windows first to be kept.

    `issues` has a row an issue: issue, n, examples (texts). `comparison` has `grain` and COMPARED, and is None where no
    challenger was scored.
    """

    job: str
    grain: str
    """Length of a window: day or month."""
    metrics: pd.DataFrame
    reliability: pd.DataFrame
    candidates: pd.DataFrame
    runs: pd.DataFrame
    issues: pd.DataFrame
    comparison: pd.DataFrame | None = None
    threshold: float | None = None
    """Where decisions are made; None: none are."""
    drift_alert: float = 0.5
    """Divergence from which on a window stands out by itself."""
    reference: tuple[date, date] | None = None
    """The fixed range that drift compares with; None: the window before."""
    places: Mapping[str, str] = field(default_factory=dict)
    """Where each table is."""

    def published(self, grain: str) -> list[Row]:
        """All rows of a grain, as published (whichever version scored), in order of time."""
        frame = self.metrics
        kept = frame[(frame["grain"] == grain) & frame["slice_key"].isna() & frame["model_name"].isna()]
        return by_time(kept)

    def total(self) -> Row:
        return next(iter(self.published("all")), {})

    def of_versions(self, grain: str) -> list[Row]:
        """The same for each model version by itself."""
        frame = self.metrics
        return by_time(frame[(frame["grain"] == grain) & frame["slice_key"].isna() & frame["model_name"].notna()])

    def slices(self, grain: str) -> list[Row]:
        frame = self.metrics
        return by_time(frame[(frame["grain"] == grain) & frame["slice_key"].notna() & frame["model_name"].isna()])

    def curve(self, grain: str, window: date | None, kind: str) -> list[Row]:
        """Bins or blocks of the reliability diagram of one window, as published, from low to high."""
        frame = self.reliability
        if frame.empty:
            return []
        start = frame["window_start"].map(as_date)
        is_here = start.isna() if window is None else start == window
        kept = frame[(frame["grain"] == grain) & is_here & (frame["kind"] == kind)]
        return as_rows(kept.sort_values("position"))

    def compared(self) -> list[Row]:
        """Champion against challenger by month, the newest last, and then in total: of the versions that serve now."""
        if self.comparison is None:
            return []
        current = self.comparison[self.comparison["is_current"].fillna(value=False).astype(bool)]
        months = by_time(current[current["grain"] == "month"])
        return [*months[-12:], *by_time(current[current["grain"] == "all"])]

    def last_run(self, action: str | None = None) -> Row:
        """The latest published run."""
        frame = self.runs[self.runs["status"] == "published"]
        frame = frame if action is None else frame[frame["action"] == action]
        return as_rows(frame.sort_values("run_id").tail(1))[0] if len(frame) else {}


def as_rows(frame: pd.DataFrame) -> list[Row]:
    return [
        {str(name): value if _is_plain(value) else None for name, value in row.items()}
        for row in frame.to_dict("records")
    ]


def _is_plain(value: Any) -> bool:
    return isinstance(value, dict | list | np.ndarray) or is_known(value)


def by_time(frame: pd.DataFrame) -> list[Row]:
    rows = [{**row, "window_start": as_date(row["window_start"])} for row in as_rows(frame)]
    return sorted(rows, key=lambda row: row["window_start"] or date.min)
