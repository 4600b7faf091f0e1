"""Task: one recomputation of diagnostics, and what each of its figures is made from."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any

from brierlake.config import ReferenceWindow
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
    recipe: str
    """Hash of the settings that decide a figure."""

    @cached_property
    def changed(self) -> frozenset[Window]:
        return frozenset(self.stale)

    @cached_property
    def months(self) -> frozenset[Window]:
        return frozenset(month_of(window) for window in self.stale)

    @cached_property
    def kept(self) -> tuple[Window, ...]:
        """Windows of the same months whose cells stay."""
        return tuple(each for each in self.states if month_of(each) in self.months and each not in self.changed)

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

    @cached_property
    def _judged(self) -> Mapping[str, Mapping[Window, Window]]:
        return {grain: self._find_judged(grain) for grain in ("window", "month")}

    def judged(self, grain: str) -> Mapping[Window, Window]:
        """Windows (or months) whose metrics are recomputed, each with the one before it that it is compared with."""
        return self._judged[grain]

    def _find_judged(self, grain: str) -> Mapping[Window, Window]:
        days = self.known if grain == "window" else sorted({each.replace(day=1) for each in self.known})
        changed = self.changed if grain == "window" else self.months
        before = dict(zip(days[1:], days, strict=False))
        after = {later for later, earlier in before.items() if earlier in changed}
        if self._moves_reference:
            after = set(days)
        return {each: before.get(each) if each else None for each in changed | after}

    @property
    def _moves_reference(self) -> bool:
        """Whether what all windows are compared with is itself among the stale ones."""
        range_ = self.run.config.diagnostics.reference
        if not isinstance(range_, ReferenceWindow):
            return False
        return any(each is not None and range_.start <= each < range_.end for each in self.stale)

    @cached_property
    def _made_now(self) -> Mapping[Window, Made]:
        """What each window's diagnostics are made from once this task is done; only what was read is new."""
        own = {
            window: Made(
                predictions_id=self._held(window),
                labels_version=self.labels.version if self.labels else None,
                labels_as_of=self.as_of,
                labels_id=self.labels.table_id if self.labels else None,
                recipe=self.recipe,
            )
            for window in self.stale
        }
        return {**self.made, **own}

    def _held(self, window: Window) -> str:
        """The run whose rows a window holds; of several a digest, which no run's id equals."""
        state = self.states.get(window)
        if state is None:
            return ""
        return _digest([f"{window}={state.run_id}"]) if state.is_mixed else state.run_id

    @cached_property
    def _by_month(self) -> Mapping[Window, list[tuple[Window, Made]]]:
        groups: dict[Window, list[tuple[Window, Made]]] = defaultdict(list)
        for window, made in sorted(self._made_now.items(), key=lambda each: str(each[0])):
            if window in self.states or window not in self.changed:  # an emptied window is in no sum
                groups[month_of(window)].append((window, made))
        return groups

    def provenance(self, grain: str, window: Window) -> dict[str, Any]:
        """Says what a figure is made from, as columns; of several windows the oldest of their labels."""
        if grain == "window":
            made = self._made_now.get(window) or Made("", None, None)
            return _columns(made.predictions_id, [made])
        groups = self._by_month.values() if grain == "all" else [self._by_month.get(window, [])]
        pairs = [pair for group in groups for pair in group]
        return _columns(_digest(f"{each}={made.predictions_id}" for each, made in pairs), [made for _, made in pairs])


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _columns(predictions_id: str, made: Iterable[Made]) -> dict[str, Any]:
    all_of = list(made)
    versions = [each.labels_version for each in all_of if each.labels_version is not None]
    times = [each.labels_as_of for each in all_of if each.labels_as_of is not None]
    return {
        "predictions_id": predictions_id,
        "labels_version": min(versions, default=None),
        "labels_as_of": min(times, default=None),
        "labels_id": _only(each.labels_id for each in all_of),
        "diagnostics_recipe": _only(each.recipe for each in all_of),
    }


def _only(values: Iterable[str | None]) -> str | None:
    found = set(values)
    return found.pop() if len(found) == 1 else None
