"""Pairs: the rows that champion and challenger both scored, and sums of what their squared errors differ by."""

from collections.abc import Iterable

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

ROLES = ("champion", "challenger")
MODELS = tuple(f"{role}_{part}" for role in ROLES for part in ("name", "version"))
SUMS = ("n", "n_events", "sum_champion", "sum_challenger", "sum_d", "sum_d2")


def paired_rows(champion: DataFrame, challenger: DataFrame, *, key: Iterable[str], cluster: str | None) -> DataFrame:
    """The rows of both with the key, `window_start`, `__cluster`, and name, version and probability of each side."""
    names = list(key)
    left, right = (
        side.select(
            *names,
            F.struct("window_start").alias("__window"),
            F.col("model_name").alias(f"{role}_name"),
            F.col("model_version").alias(f"{role}_version"),
            F.col("probability").alias(f"__{role}"),
            *(
                [F.col(cluster).alias("__cluster") if cluster else F.lit(None).cast("string").alias("__cluster")]
                if role == ROLES[0]
                else []
            ),
        )
        for role, side in zip(ROLES, (champion, challenger), strict=True)
    )
    # a struct that holds null equals another one
    joined = left.join(right, on=[*names, "__window"], how="inner")
    return joined.withColumn("window_start", F.col("__window.window_start")).drop("__window")


def sum_differences(rows: DataFrame) -> DataFrame:
    """Sums of d, the challenger's (p-y)^2 minus the champion's, per window, by way of the clusters within it."""
    first, second = (F.pow(F.col(f"__{role}") - F.col("outcome"), F.lit(2)) for role in ROLES)
    d = second - first
    parts = (
        rows.withColumns({"__first": first, "__second": second, "__d": d})
        .groupBy("window_start", "__cluster")
        .agg(
            F.count("__d").alias("n"),
            F.sum(F.when(F.col("__d").isNotNull(), F.col("outcome")).otherwise(0)).alias("n_events"),
            *(
                F.coalesce(F.sum(F.when(F.col("__d").isNotNull(), F.col(name))), F.lit(0.0)).alias(alias)
                for name, alias in (
                    ("__first", "sum_champion"),
                    ("__second", "sum_challenger"),
                    ("__d", "sum_d"),
                )
            ),
            F.coalesce(F.sum(F.col("__d") * F.col("__d")), F.lit(0.0)).alias("sum_d2"),
            *(_only(name).alias(name) for name in MODELS),
        )
    )
    size, total = F.col("n").cast("double"), F.col("sum_d")
    return parts.groupBy("window_start").agg(
        *(F.sum(name).alias(name) for name in SUMS),
        F.count_if(F.col("n") > 0).alias("clusters"),
        F.sum(total * total).alias("sum_s2"),
        F.sum(total * size).alias("sum_s_n"),
        F.sum(size * size).alias("sum_n2"),
        *(_only(name).alias(name) for name in MODELS),
    )


def _only(name: str) -> Column:
    return F.when(F.min(name) == F.max(name), F.min(name))
