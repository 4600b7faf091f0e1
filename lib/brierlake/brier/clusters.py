"""Spark's half of cluster-robust errors: sums over the clusters of each key, which add up where clusters nest."""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from brierlake.names import column_of, internal
from brierlake.schemas import CLUSTER_FIELDS

_CLUSTER, _VALUE, _TOTAL, _ROWS = map(internal, ("cluster", "value", "total", "rows"))


def compute_cluster_sums(rows: DataFrame, *, by: Sequence[str], cluster: str, value: Column) -> DataFrame:
    """One row per key: G clusters, and the sums of S, S^2, S n and n^2 over them, S the sum of `value` in a cluster.

    Rows whose value is null don't count, and a null `cluster` is one cluster.
    """
    keys = [column_of(name) for name in by]
    valued = rows.select(*keys, column_of(cluster).alias(_CLUSTER), value.cast("double").alias(_VALUE))
    totals = (
        valued.where(F.col(_VALUE).isNotNull())
        .groupBy(*keys, _CLUSTER)
        .agg(F.sum(_VALUE).alias(_TOTAL), F.count(F.lit(1)).alias(_ROWS))
    )
    total, size = F.col(_TOTAL), F.col(_ROWS).cast("double")
    sums = totals.groupBy(*keys).agg(
        F.count(F.lit(1)).alias("clusters"),
        F.sum(_ROWS).alias("n"),
        F.sum(total).alias("sum_s"),
        F.sum(total * total).alias("sum_s2"),
        F.sum(total * size).alias("sum_s_n"),
        F.sum(size * size).alias("sum_n2"),
    )
    return sums.select(*keys, *(F.col(field.name).cast(field.dataType) for field in CLUSTER_FIELDS))


def merge_cluster_sums(sums: DataFrame, *, by: Sequence[str]) -> DataFrame:
    """Add up sums per key, whose clusters are not the same ones."""
    keys = [column_of(name) for name in by]
    merged = sums.groupBy(*keys).agg(*(F.sum(field.name).alias(field.name) for field in CLUSTER_FIELDS))
    return merged.select(*keys, *(F.col(field.name).cast(field.dataType) for field in CLUSTER_FIELDS))


def squared_error() -> Column:
    """(p-y)^2 of a row with `probability` and `outcome`; null where either is."""
    is_labelled = F.col("probability").between(0.0, 1.0) & F.col("outcome").isin(0, 1)
    return F.when(is_labelled, F.pow(F.col("probability") - F.col("outcome"), F.lit(2)))
