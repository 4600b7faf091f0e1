"""A bad row costs one row: which rows of a batch the model can't score, why, and a probability for all the others.

A good batch costs one call. When the model raises, columns with nulls or infinities are tried on a row that it
did score, once a worker; what it refuses is set aside from then on. Other bad rows are found by bisection within a
budget, and what that leaves open is tried one row at a time for as long as a worker has time for it; the rest is called
not evaluated, never bad. Which rows are tried goes by their content: their order in the batch changes nothing.
"""

import re
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import numpy as np
import pandas as pd

from brierlake.model.gaps import KnownGaps, Rows, Score, by_content, gaps, learned, scored, set_aside, spread
from brierlake.model.issues import (
    ALL_REFUSED,
    GAPS,
    NO_NUMBER,
    OUTSIDE,
    TOO_MANY,
    Texts,
    raised,
    without_number,
)
from brierlake.model.outputs import Floats

_SEGMENTS = 16
_SINGLES = 16
FUSE = 120.0
"""Seconds that a worker has for trying rows one at a time, over all its batches."""
_TOLERANCE = 1e-6
_UNSAFE = re.compile(r"'[^']*'|\"[^\"]*\"|\[[^\]]*\]|[-+]?\d+(?:[.,:]\d+)*(?:[eE][-+]?\d+)?")


def score_rows(frame: pd.DataFrame, *, score: Score, known: KnownGaps) -> tuple[Floats, Texts]:
    """Return each row's probability (NaN = none) and issue (empty = none)."""
    probability = np.full(len(frame), np.nan)
    issue = np.full(len(frame), "", dtype=object)
    untaken = {pair for pair, is_taken in known.takes.items() if not is_taken}
    rest = set_aside(np.arange(len(frame)), frame, untaken, issue)
    trial = _Trial(frame, probability, issue, score=score, known=known)
    if len(rest) and not trial.is_good(rest):
        fitting = set_aside(rest, frame, learned(frame, rest, score=score, known=known), issue)
        if len(fitting) == len(rest) or (len(fitting) and not trial.is_good(fitting)):
            _narrow_down(fitting, trial)
    _judge(frame, probability, issue)
    return probability, issue


@dataclass
class _Trial:
    """Scores parts of one batch, and counts how often."""

    frame: pd.DataFrame
    probability: Floats
    issue: Texts
    score: Score = field(kw_only=True)
    known: KnownGaps = field(kw_only=True)
    calls: int = 0

    def is_good(self, part: Rows) -> bool:
        self.calls += 1
        try:
            self.probability[part] = scored(self.frame, part, self.score)
        except MemoryError:
            raise
        except Exception as error:
            self.known.note(error)
            if len(part) == 1:
                self.issue[part] = _raised(error, self.frame.iloc[part[0]])
            return False
        return True

    def try_alone(self, row: np.intp) -> None:
        if self.known.seconds > FUSE:
            self.issue[row] = self.issue[row] or TOO_MANY
            return
        started = monotonic()
        self.is_good(np.array([row]))
        self.known.seconds += monotonic() - started


def _narrow_down(rows: Rows, trial: _Trial) -> None:
    """Find the bad ones among rows of which the model refuses the whole."""
    rows = by_content(trial.frame, rows)
    budget = trial.calls + _SEGMENTS + 256 + len(rows) // 4
    segments = np.array_split(rows, min(_SEGMENTS, len(rows)))
    failing = [part for part in segments if not trial.is_good(part) and len(part) > 1]
    if len(failing) == _SEGMENTS and not any(trial.is_good(np.array([row])) for row in spread(rows, _SINGLES)):
        trial.issue[rows[trial.issue[rows] == ""]] = ALL_REFUSED
        return
    for row in _bisected(failing, trial, budget=budget):
        trial.try_alone(row)


def _bisected(failing: list[Rows], trial: _Trial, *, budget: int) -> Rows:
    """Return the rows of failing parts that are still open when the budget of calls is used up."""
    failing = failing.copy()
    while failing and trial.calls < budget:
        part = failing.pop()
        left, right = np.array_split(part, 2)
        is_left_good = trial.is_good(left)
        # what makes the whole fail is in the right half then; a single row is tried for its message
        is_right_good = trial.is_good(right) if len(right) == 1 or not is_left_good else False
        failing += [half for half, good in ((left, is_left_good), (right, is_right_good)) if not good and len(half) > 1]
    return np.concatenate([np.empty(0, dtype=np.intp), *failing])


def _raised(error: Exception, row: "pd.Series[Any]") -> str:
    """Say what the model raised, without numbers, quotations or the row's own values: issues are counted by text."""
    text = " ".join(str(error).split())
    for value in row:
        if isinstance(value, str) and value.strip():
            text = text.replace(value, "…")
    text = _UNSAFE.sub("…", text)[:160].rstrip(" .")
    return raised(type(error).__name__, text)


def _judge(frame: pd.DataFrame, probability: Floats, issue: Texts) -> None:
    """Turn values that are no probability into issues; rounding beyond 0 and 1 is clipped."""
    is_fine = (probability >= 0) & (probability <= 1)
    if is_fine.all():
        return
    is_near = ~is_fine & (probability >= -_TOLERANCE) & (probability <= 1 + _TOLERANCE)
    probability[is_near] = np.clip(probability[is_near], 0.0, 1.0)
    is_open = ~is_fine & ~is_near & (issue == "")
    is_nan = is_open & np.isnan(probability)
    issue[is_open & ~is_nan] = OUTSIDE
    issue[is_nan] = NO_NUMBER
    for name in frame.columns:
        for kind in GAPS:
            is_cause = is_nan & (issue == NO_NUMBER)
            if is_cause.any():
                issue[is_cause & gaps(frame[name], kind)] = without_number(name, kind)
    probability[issue != ""] = np.nan
