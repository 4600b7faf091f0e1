"""What is recomputed of the diagnostics, and what each of the figures is made from."""

import hashlib
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any

from brierlake.config import DiagnosticsConfig, FeaturesConfig, ReferenceWindow
from brierlake.lakehouse.diagnostics import CHAMPION, Provenance
from brierlake.lakehouse.labels import Labels
from brierlake.lakehouse.lake import Lake
from brierlake.lakehouse.predictions import WindowState
from brierlake.lakehouse.tables import Table
from brierlake.lakehouse.windows import Window, month_of
from brierlake.run.context import Run, Stamp
from brierlake.run.recipe import compute_diagnostics_recipe
from brierlake.run.training_ends import Trained


@dataclass(frozen=True)
class Subject:
    """Whose predictions are diagnosed, and by what."""

    lake: Lake
    stamp: Stamp
    role: str
    predictions: Table
    features: FeaturesConfig
    labels: Labels | None
    settings: DiagnosticsConfig
    threshold: float | None
    """Where decisions are made; None: none are."""
    find_trained: Callable[[], Trained]
    """Asks ledger and registry; only where something is computed."""

    @cached_property
    def trained(self) -> Trained:
        """Until when the training data of each version reaches."""
        return self.find_trained()

    @cached_property
    def recipe(self) -> str:
        """Hash of the settings that decide a figure."""
        labels = self.labels.config if self.labels else None
        return compute_diagnostics_recipe(self.settings, self.features, labels, threshold=self.threshold)

    @property
    def labels_id(self) -> str | None:
        return self.labels.pin.table_id if self.labels else None


def open_subject(run: Run, *, find_trained: Callable[[], Trained], role: str = CHAMPION) -> Subject:
    """Pin the labels; read nothing else."""
    config, lake, labels = run.config, run.lake, None
    if config.labels and lake.labels:
        labels = Labels(run.pin(lake.labels, setting="labels.table"), config.labels, config.features)
        run.look_at_size(labels.pin)
    return Subject(
        lake=lake,
        stamp=run.stamp,
        role=role,
        predictions=lake.predictions if role == CHAMPION else lake.challengers,
        features=config.features,
        labels=labels,
        settings=config.diagnostics,
        threshold=config.decision.at if config.decision else None,
        find_trained=find_trained,
    )


@dataclass(frozen=True)
class Recomputation:
    """The stale windows, those around them, and what their figures are made from.

    `states` are what the predictions hold, in whole months; `known` is what all diagnostics were made from before.
    """

    subject: Subject
    states: Mapping[Window, WindowState]
    known: Mapping[Window, Provenance]
    stale: tuple[Window, ...]
    as_of: datetime

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
        settings = self.subject.settings
        is_whole = settings.slices and settings.slice_grain == "month"
        return (*self.stale, *self.kept) if is_whole else self.stale

    @property
    def rows(self) -> int:
        return sum(self.states[window].rows for window in self.read if window in self.states)

    @cached_property
    def days(self) -> list[date]:
        """All windows with a date that there are now, in order."""
        gone = {window for window in self.stale if window not in self.states}
        return sorted(each for each in {*self.states, *self.known} - gone if each is not None)

    @cached_property
    def _computed(self) -> Mapping[str, Mapping[Window, Window]]:
        return {grain: self._find_computed(grain) for grain in ("window", "month")}

    def computed(self, grain: str) -> Mapping[Window, Window]:
        """Windows (or months) whose metrics are recomputed, each with the one before it that it is compared with."""
        return self._computed[grain]

    def _find_computed(self, grain: str) -> Mapping[Window, Window]:
        days = self.days if grain == "window" else sorted({each.replace(day=1) for each in self.days})
        changed = self.changed if grain == "window" else self.months
        before = dict(zip(days[1:], days, strict=False))
        after = {later for later, earlier in before.items() if earlier in changed}
        after |= {each if grain == "window" else each.replace(day=1) for each in self._following}
        if self._moves_reference:
            after = set(days)
        return {each: before.get(each) if each else None for each in changed | after}

    @cached_property
    def _following(self) -> frozenset[date]:
        """Windows whose skill is against a base rate that a changed window is part of."""
        most = self.subject.settings.reference_windows
        places = [bisect_right(self.days, day) for day in self.changed if day is not None]
        return frozenset(day for place in places for day in self.days[place : place + most])

    @cached_property
    def around(self) -> tuple[Window, ...]:
        """Windows that are computed, and those whose base rate they are compared with."""
        places = [place for place, day in enumerate(self.days) if day in self.computed("window")]
        most = self.subject.settings.reference_windows
        before = {day for place in places for day in self.days[max(0, place - most) : place]}
        return tuple(before | set(self.computed("window")))

    @property
    def _moves_reference(self) -> bool:
        """Whether what all windows are compared with is itself among the stale ones."""
        range_ = self.subject.settings.reference
        if not isinstance(range_, ReferenceWindow):
            return False
        return any(each is not None and range_.start <= each < range_.end for each in self.stale)

    @cached_property
    def _provenances(self) -> Mapping[Window, Provenance]:
        """What each window's diagnostics are made from once this is done; only what was read is new."""
        labels = self.subject.labels
        own = {
            window: Provenance(
                predictions_id=self._held(window),
                labels_version=labels.pin.version if labels else None,
                labels_as_of=self.as_of,
                labels_id=self.subject.labels_id,
                recipe=self.subject.recipe,
            )
            for window in self.stale
        }
        return {**self.known, **own}

    def _held(self, window: Window) -> str:
        """The run whose rows a window holds; of several a digest, which no run's id equals."""
        state = self.states.get(window)
        if state is None:
            return ""
        return _digest([f"{window}={state.run_id}"]) if state.is_mixed else state.run_id

    @cached_property
    def _by_month(self) -> Mapping[Window, list[tuple[Window, Provenance]]]:
        groups: dict[Window, list[tuple[Window, Provenance]]] = defaultdict(list)
        for window, made in sorted(self._provenances.items(), key=lambda each: str(each[0])):
            if window in self.states or window not in self.changed:  # an emptied window is in no sum
                groups[month_of(window)].append((window, made))
        return groups

    def provenance(self, grain: str, window: Window) -> dict[str, Any]:
        """Say what a figure is made from, as columns; of several windows the oldest of their labels."""
        if grain == "window":
            made = self._provenances.get(window) or Provenance("", None, None)
            return _columns(made.predictions_id, [made])
        groups = self._by_month.values() if grain == "all" else [self._by_month.get(window, [])]
        pairs = [pair for group in groups for pair in group]
        return _columns(_digest(f"{each}={made.predictions_id}" for each, made in pairs), [made for _, made in pairs])


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _columns(predictions_id: str, made: Iterable[Provenance]) -> dict[str, Any]:
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
