"""Metrics of every key of a cells table by one numpy function: inside Spark, or here where there are few."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from brierlake.brier.grid import FloatArray
from brierlake.brier.inference import ClusterSums, validate_level
from brierlake.brier.metrics import tally_metrics
from brierlake.brier.reliability import corp_blocks, display_bins
from brierlake.brier.scores import brier_sums
from brierlake.brier.tally import Tally, tally_cells
from brierlake.names import column_of
from brierlake.schemas import METRIC_FIELDS, RELIABILITY_FIELDS

_SUMS: Final = ["sum_d", "sum_d2", "sum_d3", "sum_d4"]
_FLAGS: Final = ["is_reference", "has_bands"]
_CLUSTERS: Final = ["clusters", "sum_s2", "sum_s_n", "sum_n2"]
_OPTIONAL: Final = {**dict.fromkeys(_FLAGS, 0.0), **dict.fromkeys(_CLUSTERS, np.nan)}
_CELL: Final = ["cell_id", "outcome", "n", *_SUMS]
_VALUES: Final = [*_CELL, *_OPTIONAL]
_ROWS: Final = T.ArrayType(RELIABILITY_FIELDS, containsNull=False)
_RESULT: Final = T.StructType([*METRIC_FIELDS.fields, T.StructField("bins", _ROWS), T.StructField("blocks", _ROWS)])


def metrics_schema(cells: T.StructType, *, by: Sequence[str]) -> T.StructType:
    """What `compute_metrics` makes of cells with this schema; `compute_records` gives records of it."""
    return T.StructType([*(cells[name] for name in by), *_RESULT])


def compute_metrics(cells: DataFrame, *, by: Sequence[str], level: float = 0.95) -> DataFrame:
    """Turn cells into one row per key: the columns of `by`, those of METRIC_FIELDS, and arrays `bins` and `blocks`.

    `cells` is what `compute_cells` or `merge_cells` returns. Optional boolean columns: `is_reference` marks cells that
    drift is measured from, already under the key that they serve (they count for nothing else; without them drift is
    null, and a key that has nothing else is left out); `has_bands`, one value per key, asks for consistency bands.
    Optional numbers, one value per key: `clusters`, `sum_s2`, `sum_s_n`, `sum_n2` of the key's labelled rows, for
    cluster-robust errors; `clusters` null: taken as independent, 0: clustered, but without labels yet.
    """
    validate_level(level)
    optional = {name: F.col(name).cast("double") if name in cells.columns else F.lit(None) for name in _OPTIONAL}
    values = (F.coalesce(value, F.lit(_OPTIONAL[name])).alias(name) for name, value in optional.items())
    names = [column_of(name) for name in by]
    chosen = cells.select(*names, *_CELL, *values)
    keys = [field for field in chosen.schema.fields if field.name in by]
    # one struct, not forty columns: turning each column of one row into Arrow costs more than the statistics do
    result = chosen.groupBy(*names).applyInPandas(
        _metrics_of_key([field.name for field in keys], level), T.StructType([*keys, T.StructField("result", _RESULT)])
    )
    return result.select(*names, "result.*")


def _metrics_of_key(by: list[str], level: float) -> Callable[[tuple[object, ...], pd.DataFrame], pd.DataFrame]:
    def metrics_of_key(key: tuple[object, ...], cells: pd.DataFrame) -> pd.DataFrame:
        result = _record({name: cells[name].to_numpy(float) for name in _VALUES}, level)
        if result is None:
            return pd.DataFrame(columns=[*by, "result"])
        return pd.DataFrame({**{name: [value] for name, value in zip(by, key, strict=True)}, "result": [result]})

    return metrics_of_key


def compute_records(cells: pa.Table, *, by: Sequence[str], level: float = 0.95) -> list[dict[str, Any]]:
    """The rows of `compute_metrics` as records, for few keys: what Spark takes to start is more than they cost."""
    validate_level(level)
    records = ((key, _record(values, level)) for key, values in _by_key(cells, list(by)))
    return [{**key, **result} for key, result in records if result is not None]


def _by_key(cells: pa.Table, by: list[str]) -> Iterator[tuple[dict[str, Any], Mapping[str, FloatArray]]]:
    there = [name for name in _VALUES if name in cells.column_names]
    grouped = cells.group_by(by).aggregate([(name, "list") for name in there])
    lists = {name: grouped.column(f"{name}_list").combine_chunks() for name in there}
    for slot, key in enumerate(grouped.select(by).to_pylist()):
        found = {name: _floats(lists[name][slot].values) for name in there}
        yield key, {name: found.get(name, np.full(len(found["n"]), _OPTIONAL.get(name))) for name in _VALUES}


def _floats(values: pa.Array) -> FloatArray:
    return np.asarray(values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)


def _record(values: Mapping[str, FloatArray], level: float) -> dict[str, Any] | None:
    is_reference = values["is_reference"] > 0
    if is_reference.all():
        return None
    tally = _tally(values, ~is_reference)
    reference = _tally(values, is_reference) if is_reference.any() else None
    clusters = _cluster_sums({name: float(values[name][~is_reference][0]) for name in _CLUSTERS}, tally)
    blocks = corp_blocks(tally, has_bands=bool(values["has_bands"][~is_reference][0] > 0), level=level)
    return {
        **vars(tally_metrics(tally, reference=reference, clusters=clusters, level=level)),
        "bins": [vars(row) for row in display_bins(tally, level=level)],
        "blocks": [vars(row) for row in blocks],
    }


def _cluster_sums(sums: Mapping[str, float], tally: Tally) -> ClusterSums | None:
    if np.isnan(sums["clusters"]):
        return None
    n = tally.labelled_count
    return ClusterSums(
        clusters=int(sums["clusters"]),
        sum_s2=sums["sum_s2"],
        sum_s_n=sums["sum_s_n"],
        sum_n2=sums["sum_n2"],
        n=n,
        mean=brier_sums(tally).squared_errors / n if n else 0.0,
    )


def _tally(values: Mapping[str, FloatArray], keep: np.ndarray[Any, np.dtype[np.bool_]]) -> Tally:
    cell_id, outcome, n = (values[name][keep] for name in ("cell_id", "outcome", "n"))
    return tally_cells(cell_id, outcome, n, np.stack([values[name][keep] for name in _SUMS], axis=1))
