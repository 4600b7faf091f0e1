"""Metrics of every key of a cells table by one numpy function: inside Spark, or here where there are few."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from brierlake.brier.clustered import ClusterProducts
from brierlake.brier.grid import FloatArray
from brierlake.brier.inference import validate_level
from brierlake.brier.metrics import tally_metrics
from brierlake.brier.reliability import corp_blocks, display_bins
from brierlake.brier.tally import MOMENTS, Tally, tally_cells
from brierlake.names import column_of
from brierlake.schemas import METRIC_FIELDS, RELIABILITY_FIELDS

_FLAGS: Final = ["is_reference", "has_bands"]
_CELL: Final = ["cell_id", "outcome", "n", *MOMENTS]
_VALUES: Final = [*_CELL, *_FLAGS]
_ROWS: Final = T.ArrayType(RELIABILITY_FIELDS, containsNull=False)
_RESULT: Final = T.StructType([*METRIC_FIELDS.fields, T.StructField("bins", _ROWS), T.StructField("blocks", _ROWS)])


@dataclass(frozen=True)
class KeyFacts:
    """What a key's cells can't tell: how its rows hang together, and what was known before them."""

    clusters: ClusterProducts | None = None
    """None: rows are taken as independent."""
    reference_rate: float | None = None
    """Base rate of earlier windows; None: skill is against the rows' own, in hindsight."""
    between: Mapping[str, float] = field(default_factory=dict)
    """Variance of s and of r between windows like this one; empty: not known, or no window."""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """Values of METRIC_FIELDS that come from many windows."""


@dataclass(frozen=True)
class _Settings:
    """What all keys are computed by."""

    level: float
    threshold: float | None


Facts = Mapping[tuple[Any, ...], KeyFacts]
"""By the values of `by`; None for null."""
_NO_FACTS: Final = KeyFacts()


def metrics_schema(cells: T.StructType, *, by: Sequence[str]) -> T.StructType:
    """What `compute_metrics` makes of cells with this schema; `compute_records` gives records of it."""
    return T.StructType([*(cells[name] for name in by), *_RESULT])


def compute_metrics(
    cells: DataFrame,
    *,
    by: Sequence[str],
    level: float = 0.95,
    threshold: float | None = None,
    facts: Facts | None = None,
) -> DataFrame:
    """Turn cells into one row per key: the columns of `by`, those of METRIC_FIELDS, and arrays `bins` and `blocks`.

    `cells` is what `compute_cells` or `merge_cells` returns. Optional boolean columns: `is_reference` marks cells that
    drift is measured from, already under the key that they serve (they count for nothing else; without them drift is
    null, and a key that has nothing else is left out); `has_bands`, one value per key, asks for consistency bands.
    `facts` has what a key's cells can't tell, for the keys that there is something to tell of. `threshold` is the one
    that decisions are made at.
    """
    validate_level(level)
    optional = {name: F.col(name).cast("double") if name in cells.columns else F.lit(None) for name in _FLAGS}
    values = (F.coalesce(value, F.lit(0.0)).alias(name) for name, value in optional.items())
    names = [column_of(name) for name in by]
    chosen = cells.select(*names, *_CELL, *values)
    keys = [chosen.schema[name] for name in by]
    # one struct, not forty columns: turning each column of one row into Arrow costs more than the statistics do
    result = chosen.groupBy(*names).applyInPandas(
        _metrics_of_key([each.name for each in keys], _Settings(level, threshold), facts or {}),
        T.StructType([*keys, T.StructField("result", _RESULT)]),
    )
    return result.select(*names, "result.*")


def _metrics_of_key(
    by: list[str], settings: _Settings, facts: Facts
) -> Callable[[tuple[Any, ...], pd.DataFrame], pd.DataFrame]:
    def metrics_of_key(key: tuple[Any, ...], cells: pd.DataFrame) -> pd.DataFrame:
        named = tuple(None if pd.isna(each) else each for each in key)
        result = _record({name: cells[name].to_numpy(float) for name in _VALUES}, settings, facts.get(named, _NO_FACTS))
        if result is None:
            return pd.DataFrame(columns=[*by, "result"])
        return pd.DataFrame({**{name: [value] for name, value in zip(by, key, strict=True)}, "result": [result]})

    return metrics_of_key


def compute_records(
    cells: pa.Table,
    *,
    by: Sequence[str],
    level: float = 0.95,
    threshold: float | None = None,
    facts: Facts | None = None,
) -> list[dict[str, Any]]:
    """The rows of `compute_metrics` as records, for few keys: what Spark takes to start is more than they cost."""
    validate_level(level)
    told, settings = facts or {}, _Settings(level, threshold)
    records = (
        (key, _record(values, settings, told.get(tuple(key.values()), _NO_FACTS)))
        for key, values in _by_key(cells, list(by))
    )
    return [{**key, **result} for key, result in records if result is not None]


def _by_key(cells: pa.Table, by: list[str]) -> Iterator[tuple[dict[str, Any], Mapping[str, FloatArray]]]:
    there = [name for name in _VALUES if name in cells.column_names]
    grouped = cells.group_by(by).aggregate([(name, "list") for name in there])
    lists = {name: grouped.column(f"{name}_list").combine_chunks() for name in there}
    for slot, key in enumerate(grouped.select(by).to_pylist()):
        found = {name: _floats(lists[name][slot].values) for name in there}
        yield key, {name: found.get(name, np.zeros(len(found["n"]))) for name in _VALUES}


def _floats(values: pa.Array) -> FloatArray:
    return np.asarray(values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)


def _record(values: Mapping[str, FloatArray], settings: _Settings, facts: KeyFacts) -> dict[str, Any] | None:
    level, is_reference = settings.level, values["is_reference"] > 0
    if is_reference.all():
        return None
    tally = _tally(values, ~is_reference)
    reference = _tally(values, is_reference) if is_reference.any() else None
    blocks = corp_blocks(tally, has_bands=bool(values["has_bands"][~is_reference][0] > 0), level=level)
    metrics = tally_metrics(
        tally,
        reference=reference,
        clusters=facts.clusters,
        reference_rate=facts.reference_rate,
        between=facts.between,
        threshold=settings.threshold,
        level=level,
    )
    return {
        **vars(metrics),
        **facts.evidence,
        "bins": [vars(row) for row in display_bins(tally, level=level)],
        "blocks": [vars(row) for row in blocks],
    }


def _tally(values: Mapping[str, FloatArray], keep: np.ndarray[Any, np.dtype[np.bool_]]) -> Tally:
    cell_id, outcome, n = (values[name][keep] for name in ("cell_id", "outcome", "n"))
    return tally_cells(cell_id, outcome, n, np.stack([values[name][keep] for name in MOMENTS], axis=1))
