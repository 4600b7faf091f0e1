"""Task: one recomputation of diagnostics, and what each of its figures is made from."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property

from brierlake.jobs.run import Run
from brierlake.lakehouse.diagnostics import Made
from brierlake.lakehouse.predictions import WindowState
from brierlake.lakehouse.tables import Pin, Table
from brierlake.lakehouse.windows import Window, month_of


@dataclass(frozen=True)
class Task:
    """One recomputation: the stale windows, those around them, and what they are made from.

    `states` are what the predictions hold, in whole months; `made` is what all diagnostics were made from before.
    """

    run: Run
    role: str
    predictions: Table
    states: Mapping[Window, WindowState]
    made: Mapping[Window, Made]
    stale: tuple[Window, ...]
    labels: Pin | None
    as_of: datetime

    @property
    def months(self) -> set[Window]:
        return {month_of(window) for window in self.stale}

    @property
    def kept(self) -> tuple[Window, ...]:
        """Windows of the same months whose cells stay."""
        return tuple(each for each in self.states if month_of(each) in self.months and each not in self.stale)

    @property
    def read(self) -> tuple[Window, ...]:
        """Windows whose rows are counted: slices of a month are counted whole."""
        diagnostics = self.run.config.diagnostics
        is_whole = diagnostics.slices and diagnostics.slice_grain == "month"
        return (*self.stale, *self.kept) if is_whole else self.stale

    @property
    def rows(self) -> int:
        return sum(self.states[window].rows for window in self.read if window in self.states)

    @cached_property
    def known(self) -> list[date]:
        """All windows with a date that there are now, in order."""
        gone = {window for window in self.stale if window not in self.states}
        return sorted(each for each in {*self.states, *self.made} - gone if each is not None)

    def judged(self, grain: str) -> Mapping[Window, Window]:
        """Windows (or months) whose metrics are recomputed, each with the one before it that it is compared with."""
        days = self.known if grain == "window" else sorted({each.replace(day=1) for each in self.known})
        changed = set(self.stale) if grain == "window" else self.months
        before = dict(zip(days[1:], days, strict=False))
        after = {later for later, earlier in before.items() if earlier in changed}
        return {each: before.get(each) if each else None for each in changed | after}

    def source_id(self, grain: str, window: Window) -> str:
        """Says which runs' rows a figure is made from: the window's run_id, or a digest of several."""
        held = {each: before.predictions_id for each, before in self.made.items()}
        held |= {each: state.run_id for each, state in self.states.items()}
        if grain == "window" and not (window in self.states and self.states[window].is_mixed):
            return held.get(window, "")
        parts = [f"{each}={held[each]}" for each in sorted(held, key=str) if grain == "all" or month_of(each) == window]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    def labels_as_of(self, grain: str, window: Window) -> datetime:
        """Up to when labels count in a figure: for several windows, the earliest of theirs."""
        if grain == "window":
            return self.as_of
        others = [
            each.labels_as_of
            for other, each in self.made.items()
            if other not in self.stale and (grain == "all" or month_of(other) == window) and each.labels_as_of
        ]
        return min([self.as_of, *others])
