"""Spark's half of the diagnostics: rows to cells. Nothing but Column expressions."""

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from brierlake.brier import grid
from brierlake.brier.tally import MOMENTS
from brierlake.names import column_of, internal, typed_columns
from brierlake.schemas import CELL_FIELDS

_P, _SCALE, _ROUGH, _STEP, _D, _D2 = map(internal, ("p", "scale", "rough", "step", "d", "d2"))


def compute_cells(rows: DataFrame, *, by: Sequence[str]) -> DataFrame:
    """Count rows and add up moments per key, cell and outcome.

    `rows` has the columns of `by`, `probability` (double; null = not scored) and `outcome` (0, 1, null = no label
    yet). A probability that is NaN or outside [0, 1] counts as not scored. One row of the result per key, cell and
    outcome; moments are those of d = p - centre of the cell, so that they keep their digits.
    """
    probability = F.col("probability").cast("double")
    scored = F.when(probability.between(0.0, 1.0), probability)
    p, scale, rough, step, d, d2 = map(F.col, (_P, _SCALE, _ROUGH, _STEP, _D, _D2))
    keys = [column_of(name) for name in by]
    return (
        rows.select(*keys, F.col("outcome").cast("int").alias("outcome"), scored.alias(_P))
        .select("*", grid.scale_column(p).alias(_SCALE))
        .select("*", grid.rough_step_column(p, scale).alias(_ROUGH))
        .select("*", grid.step_column(p, scale, rough).alias(_STEP))
        .select(
            *keys,
            "outcome",
            F.when(p.isNotNull(), grid.cell_id_column(p, scale, step)).alias("cell_id"),
            (p - grid.centre_column(p, scale, step)).alias(_D),
        )
        .select("*", (d * d).alias(_D2))
        .groupBy(*keys, "cell_id", "outcome")
        .agg(
            F.count(F.lit(1)).alias("n"),
            F.sum(d).alias("sum_d"),
            F.sum(d2).alias("sum_d2"),
            F.sum(d2 * d).alias("sum_d3"),
            F.sum(d2 * d2).alias("sum_d4"),
        )
        .select(*keys, *typed_columns(CELL_FIELDS))
        .fillna(0.0, subset=list(MOMENTS))
    )


def merge_cells(cells: DataFrame, *, by: Sequence[str]) -> DataFrame:
    """Add up cells per key, cell and outcome: those of a month's days, or of two halves of the rows."""
    keys = [column_of(name) for name in by]
    return (
        cells.groupBy(*keys, "cell_id", "outcome")
        .agg(*(F.sum(name).alias(name) for name in ("n", *MOMENTS)))
        .select(*keys, *typed_columns(CELL_FIELDS))
    )


def compute_values(rows: DataFrame, *, by: Sequence[str]) -> DataFrame:
    """Count labelled rows and events per key and distinct probability: what `tally_values` takes, the exact road."""
    labelled = rows.filter(F.col("probability").between(0.0, 1.0) & F.col("outcome").isin(0, 1))
    keys = [column_of(name) for name in by]
    return (
        labelled.groupBy(*keys, "probability")
        .agg(F.count(F.lit(1)).alias("n"), F.sum("outcome").alias("n_events"))
        .select(*keys, "probability", F.col("n").cast("long"), F.col("n_events").cast("long"))
    )
