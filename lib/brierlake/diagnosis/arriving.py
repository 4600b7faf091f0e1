"""Arriving: labels of windows that have some of theirs, beside how late those of complete windows came."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

from pyspark.sql import functions as F
from pyspark.sql import types as T

from brierlake.brier import Arrivals, estimate_arriving, miss_of_arriving
from brierlake.brier.evidence import FEWEST_WINDOWS
from brierlake.diagnosis.foretelling import LOOKS_BACK
from brierlake.diagnosis.recomputation import Recomputation
from brierlake.lakehouse.labels import KNOWN_AT, OUTCOME, as_keys, read_outcomes, with_outcomes
from brierlake.lakehouse.tables import read_table
from brierlake.lakehouse.windows import Window, filter_condition
from brierlake.names import column_of, internal
from brierlake.times import micros_of

_SLOT, _AGE, _START, _S, _OFFSET, _LATE = map(internal, ("slot", "age", "start", "s", "offset", "late"))
_STEPS = 20
"""Buckets of age between one age and e times it."""
_ENOUGH, _PARTS = 300_000, 1_000_000
"""Rows that tell enough, and the smallest share that is taken of more."""
_SECONDS = {"day": 3_600, "month": 86_400}
"""Length of the slots that a window's events are told apart by."""


def find_arriving(
    recomputation: Recomputation,
    windows: Iterable[Window],
    *,
    complete: Sequence[date],
    others: Sequence[date],
    rows: Mapping[date, int],
) -> Mapping[date, Mapping[str, Any]]:
    """Return estimates, as columns of brier_metrics, for windows of which some labels are known.

    Only where the labels say since when they are known, and rows have a time; the map of `foretell_windows` is for the
    others. Of many rows a sample tells.

    Args:
        recomputation: Whose predictions and labels these are.
        windows: Those whose figures are computed.
        complete: Windows with complete labels, in order of time.
        others: Windows with some of their labels, in order of time.
        rows: Scored rows of each window.
    """
    subject, wanted = recomputation.subject, set(windows)
    asked = [day for day in others if day in wanted]
    if subject.labels is None or subject.labels.config.known_at is None or subject.features.event_at is None:
        return {}
    if not asked or len(complete) < FEWEST_WINDOWS:
        return {}
    latest = complete[-LOOKS_BACK:]
    days = [*latest, *asked]
    arrivals = _read(recomputation, days, share=_ENOUGH / max(sum(rows[day] for day in days), 1))
    known = [arrivals[day] for day in latest if day in arrivals]
    found = {}
    for day in (each for each in asked if each in arrivals):
        elapsed = (recomputation.as_of - datetime.combine(day, time(), UTC)).total_seconds()
        if (told := estimate_arriving(arrivals[day], known, elapsed=elapsed)) is not None:
            found[day] = {
                "estimated_brier": told.brier,
                "estimated_base_rate": told.base_rate,
                "estimate_kind": "delay",
                "estimate_error": miss_of_arriving(known, elapsed=elapsed),
            }
    return found


def _read(recomputation: Recomputation, days: Sequence[date], *, share: float) -> dict[date, Arrivals]:
    """Labelled rows of these windows, or a share of them, in groups of nearly the same time and age."""
    subject = recomputation.subject
    if subject.labels is None:
        return {}
    rows = read_table(subject.predictions).where(filter_condition(days)).where("probability IS NOT NULL")
    if share < 1:
        key = F.xxhash64(*map(column_of, subject.features.key))
        rows = rows.where(F.pmod(key, F.lit(_PARTS)) < int(share * _PARTS))
    event = micros_of(F.col("event_at"), rows.schema["event_at"].dataType)
    keys = as_keys(rows, subject.features)
    outcomes = read_outcomes(subject.labels, as_of=recomputation.as_of, keys=keys, has_times=True)
    known = rows.transform(with_outcomes, outcomes, subject.features).where(f"{OUTCOME} IN (0, 1)")
    size = _SECONDS[subject.features.window]
    started = micros_of(F.col("window_start"), T.DateType())
    offset, late = (event - started) / 1e6, F.greatest((column_of(KNOWN_AT) - event) / 1e6, F.lit(0.0))
    groups = known.select(
        F.col("window_start").alias(_START),
        column_of(OUTCOME).alias(OUTCOME),
        F.floor(offset / size).alias(_SLOT),
        F.ceil(F.log1p(late) * _STEPS).alias(_AGE),
        offset.alias(_OFFSET),
        late.alias(_LATE),
        F.pow(F.col("probability") - column_of(OUTCOME), F.lit(2)).alias(_S),
    )
    summed = groups.groupBy(_START, OUTCOME, _SLOT, _AGE).agg(
        F.count(F.lit(1)).alias("n"), *(F.avg(name).alias(name) for name in (_OFFSET, _LATE)), F.sum(_S).alias(_S)
    )
    frame = summed.toPandas()
    parts = {date.fromisoformat(str(day)): part for day, part in frame.groupby(_START)}
    return {
        day: Arrivals(
            outcome=part[OUTCOME].to_numpy(float),
            event=part[_OFFSET].to_numpy(float),
            age=part[_LATE].to_numpy(float),
            n=part["n"].to_numpy(float),
            squared_errors=part[_S].to_numpy(float),
        )
        for day, part in parts.items()
    }
