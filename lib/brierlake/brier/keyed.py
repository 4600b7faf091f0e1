"""Metrics of every key of a cells table, each computed by one numpy function inside Spark."""

from collections.abc import Callable, Sequence
from typing import Final

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from brierlake.brier.fields import METRIC_FIELDS, RELIABILITY_FIELDS
from brierlake.brier.inference import validate_level
from brierlake.brier.metrics import tally_metrics
from brierlake.brier.reliability import corp_blocks, display_bins
from brierlake.brier.tally import Tally, tally_cells

_SUMS: Final = ["sum_d", "sum_d2", "sum_d3", "sum_d4"]
_ROWS: Final = T.ArrayType(RELIABILITY_FIELDS, containsNull=False)
_RESULT: Final = T.StructType([*METRIC_FIELDS.fields, T.StructField("bins", _ROWS), T.StructField("blocks", _ROWS)])


def compute_metrics(cells: DataFrame, *, by: Sequence[str], level: float = 0.95) -> DataFrame:
    """Turn cells into one row per key: the columns of `by`, those of METRIC_FIELDS, and arrays `bins` and `blocks`.

    `cells` is what `compute_cells` or `merge_cells` returns. Optional boolean columns: `is_reference` marks cells that
    drift is measured from, already under the key that they serve (they count for nothing else; without them drift is
    null, and a key that has nothing else is left out); `has_bands`, one value per key, asks for consistency bands.
    """
    validate_level(level)
    values = [field.name for field in cells.schema.fields if field.name not in by]
    flags = {name: F.col(name) if name in values else F.lit(False) for name in ("is_reference", "has_bands")}
    chosen = cells.select(
        *by,
        "cell_id",
        "outcome",
        "n",
        *_SUMS,
        *(F.coalesce(flag, F.lit(False)).alias(name) for name, flag in flags.items()),
    )
    keys = [field for field in chosen.schema.fields if field.name in by]
    # one struct, not forty columns: turning each column of one row into Arrow costs more than the statistics do
    result = chosen.groupBy(*by).applyInPandas(
        _metrics_of_key([field.name for field in keys], level), T.StructType([*keys, T.StructField("result", _RESULT)])
    )
    return result.select(*by, "result.*")


def _metrics_of_key(by: list[str], level: float) -> Callable[[tuple[object, ...], pd.DataFrame], pd.DataFrame]:
    def metrics_of_key(key: tuple[object, ...], cells: pd.DataFrame) -> pd.DataFrame:
        is_reference = cells["is_reference"].to_numpy(bool)
        if is_reference.all():
            return pd.DataFrame(columns=[*by, "result"])
        own = cells[~is_reference]
        tally, reference = _tally(own), _tally(cells[is_reference]) if is_reference.any() else None
        blocks = corp_blocks(tally, has_bands=bool(own["has_bands"].iloc[0]), level=level)
        result = {
            **vars(tally_metrics(tally, reference=reference, level=level)),
            "bins": [vars(row) for row in display_bins(tally, level=level)],
            "blocks": [vars(row) for row in blocks],
        }
        return pd.DataFrame({**{name: [value] for name, value in zip(by, key, strict=True)}, "result": [result]})

    return metrics_of_key


def _tally(cells: pd.DataFrame) -> Tally:
    cell_id, outcome, n = (cells[name].to_numpy(float) for name in ("cell_id", "outcome", "n"))
    return tally_cells(cell_id, outcome, n, cells[_SUMS].to_numpy(float))
