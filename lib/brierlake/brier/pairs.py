"""Pairs: the rows that champion and challenger both scored, and sums of what their squared errors differ by."""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from brierlake.names import internal

ROLES = ("champion", "challenger")
MODELS = tuple(f"{role}_{part}" for role in ROLES for part in ("name", "version"))
_WINDOW, _FIRST, _SECOND, _D = (internal(word) for word in ("window", "first", "second", "d"))
_PROBABILITY = {role: internal(role) for role in ROLES}
SUMS = ("n_paired", "n", "n_events", "sum_p", "sum_champion", "sum_challenger", "sum_d", "sum_d2", "sum_abs_d")


def paired_rows(champion: DataFrame, challenger: DataFrame, *, key: Sequence[str], cluster: str) -> DataFrame:
    """The rows of both: the key, `window_start`, `cluster`, and name, version and probability of each side.

    Args:
        champion: Predictions with these key columns and the column `cluster`.
        challenger: Predictions with these key columns.
    """
    left, right = (
        side.select(
            *key,
            F.struct("window_start").alias(_WINDOW),
            F.col("model_name").alias(f"{role}_name"),
            F.col("model_version").alias(f"{role}_version"),
            F.col("probability").alias(_PROBABILITY[role]),
            *([F.col(cluster)] if role == ROLES[0] else []),
        )
        for role, side in zip(ROLES, (champion, challenger), strict=True)
    )
    # a struct that holds null equals another one
    joined = left.join(right, on=[*key, _WINDOW], how="inner")
    return joined.withColumn("window_start", F.col(f"{_WINDOW}.window_start")).drop(_WINDOW)


def sum_differences(rows: DataFrame, *, outcome: str, cluster: str, threshold: float | None = None) -> DataFrame:
    """Sums of d, the challenger's (p-y)^2 minus the champion's, per window and pair of versions, by way of clusters.

    `sum_benefit` is the challenger's true positives less false ones at the odds of `threshold`, minus the champion's,
    acting where p >= `threshold`; null without one.
    """
    first, second = (F.pow(F.col(_PROBABILITY[role]) - F.col(outcome), F.lit(2)) for role in ROLES)
    d = second - first
    is_paired = F.col(_PROBABILITY[ROLES[0]]).isNotNull() & F.col(_PROBABILITY[ROLES[1]]).isNotNull()
    summed = {
        "n_events": F.col(outcome).cast("double"),
        "sum_p": F.col(_PROBABILITY[ROLES[0]]),
        "sum_champion": F.col(_FIRST),
        "sum_challenger": F.col(_SECOND),
        "sum_d": F.col(_D),
        "sum_d2": F.col(_D) * F.col(_D),
        "sum_abs_d": F.abs(_D),
    }
    parts = (
        rows.withColumns({_FIRST: first, _SECOND: second, _D: d})
        .groupBy("window_start", *MODELS, cluster)
        .agg(
            F.count_if(is_paired).alias("n_paired"),
            F.count(_D).alias("n"),
            F.sum(F.when(F.col(_D).isNotNull(), _benefit(outcome, threshold))).alias("sum_benefit"),
            *(
                F.coalesce(F.sum(F.when(F.col(_D).isNotNull(), value)), F.lit(0.0)).alias(name)
                for name, value in summed.items()
            ),
        )
    )
    size, total = F.col("n").cast("double"), F.col("sum_d")
    whole = {"n_paired", "n", "n_events"}
    return parts.groupBy("window_start", *MODELS).agg(
        *(F.sum(name).cast("long" if name in whole else "double").alias(name) for name in SUMS),
        F.sum("sum_benefit").alias("sum_benefit"),
        F.count_if(F.col("n") > 0).alias("clusters"),
        F.sum(total * total).alias("sum_s2"),
        F.sum(total * size).alias("sum_s_n"),
        F.sum(size * size).alias("sum_n2"),
    )


def _benefit(outcome: str, threshold: float | None) -> Column:
    if threshold is None:
        return F.lit(None).cast("double")
    worth = F.when(F.col(outcome) == 1, F.lit(1.0)).otherwise(F.lit(-threshold / (1 - threshold)))
    champion, challenger = (F.when(F.col(_PROBABILITY[role]) >= threshold, worth).otherwise(0.0) for role in ROLES)
    return challenger - champion
