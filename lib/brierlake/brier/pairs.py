"""Pairs: the rows that champion and challenger both scored, and sums of what their squared errors differ by."""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from brierlake.names import internal

ROLES = ("champion", "challenger")
MODELS = tuple(f"{role}_{part}" for role in ROLES for part in ("name", "version"))
_WINDOW, _FIRST, _SECOND, _D = (internal(word) for word in ("window", "first", "second", "d"))
_PROBABILITY = {role: internal(role) for role in ROLES}
SUMS = ("n", "n_events", "sum_champion", "sum_challenger", "sum_d", "sum_d2")


def paired_rows(champion: DataFrame, challenger: DataFrame, *, key: Sequence[str], cluster: str | None) -> DataFrame:
    """The rows of both: the key, `window_start`, `cluster`, and name, version and probability of each side.

    Args:
        champion: Predictions with these key columns and, where one is named, the column `cluster`.
        challenger: Predictions with these key columns.
    """
    left, right = (
        side.select(
            *key,
            F.struct("window_start").alias(_WINDOW),
            F.col("model_name").alias(f"{role}_name"),
            F.col("model_version").alias(f"{role}_version"),
            F.col("probability").alias(_PROBABILITY[role]),
            *([F.col(cluster)] if cluster and role == ROLES[0] else []),
        )
        for role, side in zip(ROLES, (champion, challenger), strict=True)
    )
    # a struct that holds null equals another one
    joined = left.join(right, on=[*key, _WINDOW], how="inner")
    return joined.withColumn("window_start", F.col(f"{_WINDOW}.window_start")).drop(_WINDOW)


def sum_differences(rows: DataFrame, *, outcome: str, cluster: str | None) -> DataFrame:
    """Sums of d, the challenger's (p-y)^2 minus the champion's, per window, by way of the clusters within it."""
    first, second = (F.pow(F.col(_PROBABILITY[role]) - F.col(outcome), F.lit(2)) for role in ROLES)
    d = second - first
    parts = (
        rows.withColumns({_FIRST: first, _SECOND: second, _D: d})
        .groupBy("window_start", *([cluster] if cluster else []))
        .agg(
            F.count(_D).alias("n"),
            F.sum(F.when(F.col(_D).isNotNull(), F.col(outcome)).otherwise(0)).alias("n_events"),
            *(
                F.coalesce(F.sum(F.when(F.col(_D).isNotNull(), F.col(name))), F.lit(0.0)).alias(alias)
                for name, alias in (
                    (_FIRST, "sum_champion"),
                    (_SECOND, "sum_challenger"),
                    (_D, "sum_d"),
                )
            ),
            F.coalesce(F.sum(F.col(_D) * F.col(_D)), F.lit(0.0)).alias("sum_d2"),
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
