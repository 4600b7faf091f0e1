"""A bad row costs one row: which rows of a batch the model can't score, why, and a probability for all the others.

A good batch costs one call. When the model raises, columns with nulls or infinities are tried on a row that it
did score, once a worker; what it refuses is set aside from then on. Other bad rows are found by bisection within a
budget; what that leaves open is called not evaluated, never bad.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from brierlake.model.flavors import Floats, NotAProbabilityError
from brierlake.model.issues import (
    ALL_REFUSED,
    GAPS,
    NO_NUMBER,
    OUTSIDE,
    TOO_MANY,
    Texts,
    raised,
    refused,
    without_number,
)

Rows = NDArray[np.intp]
Flags = NDArray[np.bool_]
Score = Callable[[pd.DataFrame], Floats]

_SEGMENTS = 16
_SINGLES = 8
_TOLERANCE = 1e-6
_UNSAFE = re.compile(r"'[^']*'|\"[^\"]*\"|\[[^\]]*\]|[-+]?\d+(?:[.,:]\d+)*(?:[eE][-+]?\d+)?")


@dataclass
class Known:
    """What this worker has learned about the model."""

    takes: dict[tuple[str, str], bool] = field(default_factory=dict)
    """Column and kind of gap (null, infinite) -> whether the model scores a row with it."""
    good: pd.DataFrame | None = None
    """One row that the model scored."""
    error: Exception | None = None
    """What the model raised last; that its output is no probability goes before all else."""

    def note(self, error: Exception) -> None:
        if not isinstance(self.error, NotAProbabilityError):
            self.error = error.with_traceback(None)  # a traceback would keep the batch in memory


def score_rows(frame: pd.DataFrame, *, score: Score, known: Known) -> tuple[Floats, Texts]:
    """Returns each row's probability (NaN = none) and issue (empty = none)."""
    probability = np.full(len(frame), np.nan)
    issue = np.full(len(frame), "", dtype=object)
    untaken = {pair for pair, is_taken in known.takes.items() if not is_taken}
    rest = _set_aside(np.arange(len(frame)), frame, untaken, issue)
    trial = _Trial(frame, probability, issue, score=score, known=known)
    if len(rest) and not trial.is_good(rest):
        fitting = _set_aside(rest, frame, _learned(frame, rest, score=score, known=known), issue)
        if len(fitting) == len(rest) or (len(fitting) and not trial.is_good(fitting)):
            _bisect(fitting, trial)
    _judge(frame, probability, issue)
    return probability, issue


def gaps(column: pd.Series, kind: str) -> Flags:
    """Returns which values are null or NaN (kind null), or infinite (kind infinite)."""
    if kind == "null":
        return np.asarray(column.isna(), dtype=np.bool_)
    if column.dtype.kind == "f":
        return np.asarray(np.isinf(column.to_numpy()), dtype=np.bool_)
    return np.zeros(len(column), dtype=np.bool_)


def _scored(frame: pd.DataFrame, rows: Rows, score: Score) -> Floats:
    values = score(frame if len(rows) == len(frame) else frame.take(rows))
    if values.shape != (len(rows),):
        message = f"the model returned {len(values)} values for {len(rows)} rows"
        raise ValueError(message)
    return values


def _set_aside(rows: Rows, frame: pd.DataFrame, untaken: set[tuple[str, str]], issue: Texts) -> Rows:
    for name, kind in sorted(untaken):
        bad = gaps(frame[name], kind)[rows]
        if bad.any():
            issue[rows[bad]] = refused(name, kind)
            rows = rows[~bad]
    return rows


def _learned(frame: pd.DataFrame, rows: Rows, *, score: Score, known: Known) -> set[tuple[str, str]]:
    """Tries each kind of gap that these rows have on a row that scores; returns those that the model refuses."""
    flags = {(name, kind): gaps(frame[name], kind)[rows] for name in frame.columns for kind in GAPS}
    present = {pair: bad for pair, bad in flags.items() if bad.any()}
    unknown = [pair for pair in present if pair not in known.takes]
    if unknown and known.good is None:
        known.good = _good_row(frame, rows, present, score=score)
    if known.good is not None:
        for name, kind in unknown:
            value = frame[name].iloc[rows[present[name, kind]][0]]
            trial = known.good.assign(**{name: pd.Series([value], dtype=frame[name].dtype, index=known.good.index)})
            known.takes[name, kind] = _is_scored(trial, score)
    return {pair for pair in present if not known.takes.get(pair, True)}


def _good_row(
    frame: pd.DataFrame, rows: Rows, present: dict[tuple[str, str], Flags], *, score: Score
) -> pd.DataFrame | None:
    """Looks for a row without gaps that scores; where all have gaps, fills a few."""
    gappy = np.logical_or.reduce(list(present.values()))
    for row in rows[~gappy][:3]:
        if _is_scored(frame.iloc[[row]], score):
            return frame.iloc[[row]]
    for row in rows[gappy][:3]:
        filled = frame.iloc[[row]].replace([np.inf, -np.inf], np.nan)
        for name in filled.columns[filled.isna().any()]:
            whole = frame[name].iloc[rows]
            there = whole[~gaps(whole, "null") & ~gaps(whole, "infinite")]
            filler = there.iloc[0] if len(there) else ("" if whole.dtype == object else 0)
            filled[name] = pd.Series([filler], index=filled.index).astype(whole.dtype)
        if _is_scored(filled, score):
            return filled
    return None


def _is_scored(row: pd.DataFrame, score: Score) -> bool:
    try:
        _scored(row, np.arange(len(row)), score)
    except MemoryError:
        raise
    except Exception:
        return False
    return True


@dataclass
class _Trial:
    """Scores parts of one batch, and counts how often."""

    frame: pd.DataFrame
    probability: Floats
    issue: Texts
    score: Score = field(kw_only=True)
    known: Known = field(kw_only=True)
    calls: int = 0

    def is_good(self, part: Rows) -> bool:
        self.calls += 1
        try:
            self.probability[part] = _scored(self.frame, part, self.score)
        except MemoryError:
            raise
        except Exception as error:
            self.known.note(error)
            if len(part) == 1:
                self.issue[part] = _raised(error, self.frame.iloc[part[0]])
            return False
        return True


def _bisect(rows: Rows, trial: _Trial) -> None:
    budget = trial.calls + _SEGMENTS + 256 + len(rows) // 4
    segments = np.array_split(rows, min(_SEGMENTS, len(rows)))
    failing = [part for part in segments if not trial.is_good(part) and len(part) > 1]
    if len(failing) == _SEGMENTS and sum(trial.is_good(rows[[k]]) for k in _spread(len(rows))) == 0:
        trial.issue[rows[trial.issue[rows] == ""]] = ALL_REFUSED
        return
    while failing:
        part = failing.pop()
        if trial.calls >= budget:
            is_open = np.isnan(trial.probability[part]) & (trial.issue[part] == "")
            trial.issue[part[is_open]] = TOO_MANY
            continue
        left, right = np.array_split(part, 2)
        is_left_good = trial.is_good(left)
        # what makes the whole fail is in the right half then; a single row is tried for its message
        is_right_good = trial.is_good(right) if len(right) == 1 or not is_left_good else False
        failing += [half for half, good in ((left, is_left_good), (right, is_right_good)) if not good and len(half) > 1]


def _spread(count: int) -> list[int]:
    return [int(k) for k in np.linspace(0, count - 1, _SINGLES)]


def _raised(error: Exception, row: "pd.Series[Any]") -> str:
    """Says what the model raised, without numbers, quotations or the row's own values: issues are counted by text."""
    text = " ".join(str(error).split())
    for value in row:
        if isinstance(value, str) and value.strip():
            text = text.replace(value, "…")
    text = _UNSAFE.sub("…", text)[:160].rstrip(" .")
    return raised(type(error).__name__, text)


def _judge(frame: pd.DataFrame, probability: Floats, issue: Texts) -> None:
    """Turns values that are no probability into issues; rounding beyond 0 and 1 is clipped."""
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
