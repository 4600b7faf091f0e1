"""Spark's half of cluster-robust errors: sums over the clusters of each key, which add up where clusters nest."""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from brierlake.schemas import CLUSTER_FIELDS


def compute_cluster_sums(rows: DataFrame, *, by: Sequence[str], cluster: str, value: Column) -> DataFrame:
    """One row per key: G clusters, and the sums of S, S^2, S n and n^2 over them, S the sum of `value` in a cluster.

    Rows whose value is null don't count, and a null `cluster` is one cluster.
    """
    valued = rows.select(*by, F.col(cluster).alias("__cluster"), value.cast("double").alias("__value"))
    totals = (
        valued.where(F.col("__value").isNotNull())
        .groupBy(*by, "__cluster")
        .agg(F.sum("__value").alias("__total"), F.count(F.lit(1)).alias("__rows"))
    )
    total, size = F.col("__total"), F.col("__rows").cast("double")
    sums = totals.groupBy(*by).agg(
        F.count(F.lit(1)).alias("clusters"),
        F.sum("__rows").alias("n"),
        F.sum(total).alias("sum_s"),
        F.sum(total * total).alias("sum_s2"),
        F.sum(total * size).alias("sum_s_n"),
        F.sum(size * size).alias("sum_n2"),
    )
    return sums.select(*by, *(F.col(field.name).cast(field.dataType) for field in CLUSTER_FIELDS))


def merge_cluster_sums(sums: DataFrame, *, by: Sequence[str]) -> DataFrame:
    """Add up sums per key, whose clusters are not the same ones."""
    merged = sums.groupBy(*by).agg(*(F.sum(field.name).alias(field.name) for field in CLUSTER_FIELDS))
    return merged.select(*by, *(F.col(field.name).cast(field.dataType) for field in CLUSTER_FIELDS))


def squared_error() -> Column:
    """(p-y)^2 of a row with `probability` and `outcome`; null where either is."""
    is_labelled = F.col("probability").between(0.0, 1.0) & F.col("outcome").isin(0, 1)
    return F.when(is_labelled, F.pow(F.col("probability") - F.col("outcome"), F.lit(2)))
