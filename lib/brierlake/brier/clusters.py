"""Spark's half of cluster-robust errors: sums over the clusters of each key, which add up where clusters nest."""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from brierlake.brier import grid
from brierlake.brier.clustered import PRODUCTS, TOTALS
from brierlake.brier.tally import MOMENTS
from brierlake.names import column_of, internal, typed_columns
from brierlake.schemas import CLUSTER_FIELDS

_CLUSTER, _CENTRE, _RESIDUAL = map(internal, ("cluster", "centre", "residual"))
_TOTAL = {name: internal(f"total_{name}") for name in TOTALS}


def compute_cluster_sums(cells: DataFrame, *, by: Sequence[str], cluster: str) -> DataFrame:
    """One row per key: the columns of CLUSTER_FIELDS, over the clusters of its rows.

    `cells` is what `compute_cells` returns for the keys of `by` and the column `cluster`. A null `cluster` is one
    cluster; clusters without labelled rows count for `n_scored` alone.
    """
    keys = [column_of(name) for name in by]
    kept = [*keys, column_of(cluster).alias(_CLUSTER), *map(F.col, ("outcome", "n", *MOMENTS))]
    parts = cells.select(*kept, grid.centre_of_column(F.col("cell_id")).alias(_CENTRE))  # null where not scored
    # r = a - d: its powers are sums over the cell of powers of d, with the residual a at the centre
    c, n, (d, d2, d3, d4) = F.col(_CENTRE), F.col("n"), map(F.col, MOMENTS)
    parts = parts.withColumn(_RESIDUAL, F.when(F.col("outcome").isin(0, 1), F.col("outcome") - c))
    a = F.col(_RESIDUAL)
    each = {
        "n": F.when(a.isNotNull(), n.cast("double")),
        "s": n * a * a - 2 * a * d + d2,
        "y": F.when(a.isNotNull(), n * F.col("outcome").cast("double")),
        "r": n * a - d,
        "z": n * (1 - 2 * c) * a - (1 - 2 * c + 2 * a) * d + 2 * d2,
    }
    squares = n * a * a * a * a - 4 * a * a * a * d + 6 * a * a * d2 - 4 * a * d3 + d4
    totals = parts.groupBy(*keys, _CLUSTER).agg(
        F.coalesce(F.sum(F.when(c.isNotNull(), n)), F.lit(0)).alias("n_scored"),
        F.coalesce(F.sum(squares), F.lit(0.0)).alias("sum_ss"),
        *(F.coalesce(F.sum(value), F.lit(0.0)).alias(_TOTAL[name]) for name, value in each.items()),
    )
    sums = totals.groupBy(*keys).agg(
        F.count_if(F.col(_TOTAL["n"]) > 0).alias("clusters"),
        F.sum("n_scored").alias("n_scored"),
        F.sum("sum_ss").alias("sum_ss"),
        F.sum(_TOTAL["n"]).alias("n"),
        *(F.sum(_TOTAL[name]).alias(f"sum_{name}") for name in TOTALS[1:]),
        *(F.sum(_product(name)).alias(f"sum_{name}") for name in PRODUCTS),
    )
    return sums.select(*keys, *typed_columns(CLUSTER_FIELDS))


def _product(name: str) -> Column:
    one, other = name.split("_") if "_" in name else (name[0], name[0])
    return F.col(_TOTAL[one]) * F.col(_TOTAL[other])


def merge_cluster_sums(sums: DataFrame, *, by: Sequence[str]) -> DataFrame:
    """Add up sums per key, whose clusters are not the same ones."""
    keys = [column_of(name) for name in by]
    merged = sums.groupBy(*keys).agg(*(F.sum(name).alias(name) for name in CLUSTER_FIELDS.names))
    return merged.select(*keys, *typed_columns(CLUSTER_FIELDS))
