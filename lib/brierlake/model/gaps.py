"""Gaps in features (null, NaN, infinite): which of them a model takes is found out once a worker."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from brierlake.model.issues import GAPS, Texts, refused
from brierlake.model.outputs import Floats, NotAProbabilityError

Rows = NDArray[np.intp]
Flags = NDArray[np.bool_]
Score = Callable[[pd.DataFrame], Floats]

_TRIED = 3


@dataclass
class KnownGaps:
    """What this worker has learned about the model."""

    takes: dict[tuple[str, str], bool] = field(default_factory=dict)
    """Column and kind of gap (null, infinite) -> whether the model scores a row with it."""
    good: pd.DataFrame | None = None
    """One row that the model scored."""
    error: Exception | None = None
    """What the model raised last; that its output is no probability goes before all else."""
    seconds: float = 0.0
    """Spent on rows one at a time."""

    def note(self, error: Exception) -> None:
        if not isinstance(self.error, NotAProbabilityError):
            self.error = error.with_traceback(None)  # a traceback would keep the batch in memory


def by_content(frame: pd.DataFrame, rows: Rows) -> Rows:
    """Return the rows in an order that hangs on what is in them, not on where they stand."""
    part = frame.take(rows)
    try:
        hashes = pd.util.hash_pandas_object(part, index=False)
    except TypeError:  # values that have no hash of their own
        hashes = pd.util.hash_pandas_object(part.map(repr), index=False)
    return rows[np.argsort(hashes.to_numpy(), kind="stable")]


def spread(rows: Rows, count: int) -> Rows:
    """Return some of the rows, from the first to the last; all where there are no more."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(np.intp))]


def gaps(column: pd.Series, kind: str) -> Flags:
    """Return which values are null or NaN (kind null), or infinite (kind infinite)."""
    if kind == "null":
        return np.asarray(column.isna(), dtype=np.bool_)
    if column.dtype.kind == "f":
        return np.asarray(np.isinf(column.to_numpy()), dtype=np.bool_)
    return np.zeros(len(column), dtype=np.bool_)


def scored(frame: pd.DataFrame, rows: Rows, score: Score) -> Floats:
    values = score(frame if len(rows) == len(frame) else frame.take(rows))
    if values.shape != (len(rows),):
        message = f"the model returned {len(values)} values for {len(rows)} rows"
        raise ValueError(message)
    return values


def set_aside(rows: Rows, frame: pd.DataFrame, untaken: set[tuple[str, str]], issue: Texts) -> Rows:
    for name, kind in sorted(untaken):
        bad = gaps(frame[name], kind)[rows]
        if bad.any():
            issue[rows[bad]] = refused(name, kind)
            rows = rows[~bad]
    return rows


def learned(frame: pd.DataFrame, rows: Rows, *, score: Score, known: KnownGaps) -> set[tuple[str, str]]:
    """Try each kind of gap that these rows have, first on a row that scores; return those that the model refuses.

    A model may take a gap in some rows only: where any of a few with it is scored, none is refused unseen.
    """
    flags = {(name, kind): gaps(frame[name], kind)[rows] for name in frame.columns for kind in GAPS}
    present = {pair: bad for pair, bad in flags.items() if bad.any()}
    unknown = [pair for pair in present if pair not in known.takes]
    if unknown and known.good is None:
        gappy = np.logical_or.reduce(list(present.values()))
        known.good = _good_row(frame, rows[~gappy], rows[gappy], score=score)
    if known.good is not None:
        for name, kind in unknown:
            value = frame[name].iloc[rows[present[name, kind]][0]]
            trial = known.good.assign(**{name: pd.Series([value], dtype=frame[name].dtype, index=known.good.index)})
            with_gap = spread(by_content(frame, rows[present[name, kind]]), _TRIED)
            known.takes[name, kind] = _is_scored(trial, score) or any(
                _is_scored(frame.iloc[[row]], score) for row in with_gap
            )
    return {pair for pair in present if not known.takes.get(pair, True)}


def _good_row(frame: pd.DataFrame, whole: Rows, gappy: Rows, *, score: Score) -> pd.DataFrame | None:
    """Look for a row without gaps that scores; where all have gaps, fills a few."""
    for row in by_content(frame, whole)[:_TRIED]:
        if _is_scored(frame.iloc[[row]], score):
            return frame.iloc[[row]]
    for row in by_content(frame, gappy)[:_TRIED]:
        filled = frame.iloc[[row]].replace([np.inf, -np.inf], np.nan)
        for name in filled.columns[filled.isna().any()]:
            column = frame[name].iloc[np.concatenate([whole, gappy])]
            there = column[~gaps(column, "null") & ~gaps(column, "infinite")]
            filler = there.iloc[0] if len(there) else ("" if column.dtype == object else 0)
            filled[name] = pd.Series([filler], index=filled.index).astype(column.dtype)
        if _is_scored(filled, score):
            return filled
    return None


def _is_scored(row: pd.DataFrame, score: Score) -> bool:
    try:
        scored(row, np.arange(len(row)), score)
    except MemoryError:
        raise
    except Exception:
        return False
    return True
