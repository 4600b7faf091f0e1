"""Spark's half of cluster-robust errors: sums over the clusters of each key, which add up where clusters nest."""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from brierlake.brier.clustered import PRODUCTS, TOTALS
from brierlake.names import column_of, internal
from brierlake.schemas import CLUSTER_FIELDS

_CLUSTER = internal("cluster")
_TOTAL = {name: internal(f"total_{name}") for name in TOTALS}


def compute_cluster_sums(rows: DataFrame, *, by: Sequence[str], cluster: str) -> DataFrame:
    """One row per key: the columns of CLUSTER_FIELDS, over the clusters of its rows.

    `rows` has the columns of `by`, `cluster`, `probability` (null = not scored) and `outcome` (0, 1, null = no label
    yet). A null `cluster` is one cluster; clusters without labelled rows count for `n_scored` alone.
    """
    keys = [column_of(name) for name in by]
    p, y = F.col("probability").cast("double"), F.col("outcome")
    is_scored = p.between(0.0, 1.0)
    r = F.when(is_scored & y.isin(0, 1), y - p)
    parts = rows.select(
        *keys, column_of(cluster).alias(_CLUSTER), is_scored.alias("scored"), r.alias("r"), p.alias("p"), y.alias("y")
    )
    r = F.col("r")
    each = {
        "n": F.count("r").cast("double"),
        "s": F.sum(r * r),
        "y": F.sum(F.when(r.isNotNull(), F.col("y").cast("double"))),
        "r": F.sum("r"),
        "z": F.sum((1 - 2 * F.col("p")) * r),
    }
    squares = F.coalesce(F.sum(F.pow(r, F.lit(4))), F.lit(0.0))
    totals = parts.groupBy(*keys, _CLUSTER).agg(
        F.count_if("scored").alias("n_scored"),
        squares.alias("sum_ss"),
        *(F.coalesce(value, F.lit(0.0)).alias(_TOTAL[name]) for name, value in each.items()),
    )
    sums = totals.groupBy(*keys).agg(
        F.count_if(F.col(_TOTAL["n"]) > 0).alias("clusters"),
        F.sum("n_scored").alias("n_scored"),
        F.sum("sum_ss").alias("sum_ss"),
        F.sum(_TOTAL["n"]).alias("n"),
        *(F.sum(_TOTAL[name]).alias(f"sum_{name}") for name in TOTALS[1:]),
        *(F.sum(_product(name)).alias(f"sum_{name}") for name in PRODUCTS),
    )
    return sums.select(*keys, *(F.col(field.name).cast(field.dataType) for field in CLUSTER_FIELDS))


def _product(name: str) -> Column:
    one, other = name.split("_") if "_" in name else (name[0], name[0])
    return F.col(_TOTAL[one]) * F.col(_TOTAL[other])


def merge_cluster_sums(sums: DataFrame, *, by: Sequence[str]) -> DataFrame:
    """Add up sums per key, whose clusters are not the same ones."""
    keys = [column_of(name) for name in by]
    merged = sums.groupBy(*keys).agg(*(F.sum(field.name).alias(field.name) for field in CLUSTER_FIELDS))
    return merged.select(*keys, *(F.col(field.name).cast(field.dataType) for field in CLUSTER_FIELDS))
