"""Foretelling: estimates for windows without labels, by the windows that have theirs, and how far off they were."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from pyspark.sql import DataFrame

from brierlake.brier import MOMENTS, Foretold, foretell_by, miss_of, tally_frame
from brierlake.brier.evidence import FEWEST_WINDOWS
from brierlake.lakehouse.windows import Window, filter_condition

LOOKS_BACK = 28
"""Windows that a map is fitted on, and whose estimates are measured."""


@dataclass(frozen=True)
class _Question:
    """A window, and the windows with complete labels that its estimate is from."""

    window: date
    earlier: tuple[date, ...]


@dataclass(frozen=True)
class Questions:
    """Which windows are foretold, and which were, so to say, to tell how far off that is."""

    asked: tuple[_Question, ...]
    answered: Mapping[date, tuple[_Question, ...]]
    """By window that is asked for: earlier ones with labels, each by windows as far before it."""

    @property
    def windows(self) -> frozenset[date]:
        every = [*self.asked, *(each for questions in self.answered.values() for each in questions)]
        return frozenset(day for each in every for day in (each.window, *each.earlier))


def ask(windows: Iterable[Window], *, complete: Sequence[date], others: Sequence[date]) -> Questions:
    """Choose what is foretold of these windows, and by what.

    Args:
        windows: Those whose figures are computed.
        complete: Windows with complete labels, in order of time.
        others: Scored windows without, in order of time.
    """
    wanted = set(windows)
    asked, answered = [], {}
    for day in (each for each in others if each in wanted):
        before = [each for each in complete if each < day]
        if len(before) < FEWEST_WINDOWS:
            continue
        asked.append(_Question(day, tuple(before[-LOOKS_BACK:])))
        late = sum(before[-1] < each < day for each in others)
        answered[day] = tuple(
            _Question(past, tuple(before[: place - late][-LOOKS_BACK:]))
            for place, past in list(enumerate(before))[-LOOKS_BACK:]
            if place - late >= FEWEST_WINDOWS
        )
    return Questions(tuple(asked), answered)


def foretell_windows(cells: DataFrame, questions: Questions) -> Mapping[date, Mapping[str, Any]]:
    """Return the estimates of each window that was asked for, as columns of brier_metrics.

    Args:
        cells: Of one job and role, as they will be.
    """
    if not questions.asked:
        return {}
    chosen = cells.where(f"grain = 'window' AND slice_key IS NULL AND {filter_condition(sorted(questions.windows))}")
    frame = chosen.select("window_start", "cell_id", "outcome", "n", *MOMENTS).toPandas()
    tallies = {day: tally_frame(part) for day, part in frame.groupby("window_start")}
    known: dict[_Question, Foretold | None] = {}

    def answer(question: _Question) -> Foretold | None:
        if question not in known:
            there = question.window in tallies
            earlier = [tallies[day] for day in question.earlier if day in tallies]
            known[question] = foretell_by(earlier, tallies[question.window]) if there and earlier else None
        return known[question]

    found = {}
    for question in questions.asked:
        if (estimate := answer(question)) is None:
            continue
        pairs = [(answer(past), tallies.get(past.window)) for past in questions.answered[question.window]]
        misses = [miss_of(past, tally) for past, tally in pairs if past is not None and tally is not None]
        measured = [each for each in misses if each is not None]
        found[question.window] = {
            "estimated_brier": estimate.brier,
            "estimated_base_rate": estimate.base_rate,
            "estimate_kind": "map",
            "estimate_error": float(np.mean(measured)) if measured else None,
        }
    return found
