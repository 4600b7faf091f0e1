"""Outcomes: what happened to each key, as far as it was known at a time."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from brierlake.config import FeaturesConfig, Label, LabelsConfig
from brierlake.errors import ContractError
from brierlake.lakehouse.changes import read_changes
from brierlake.lakehouse.features import validate_columns
from brierlake.lakehouse.tables import Pin, read_table
from brierlake.lakehouse.windows import Window

_NO_DAY = "1000-01-01"
_NO_MOMENT = -(10**18)
"""Microseconds long before any time; four times as many fit into 64 bits."""
UNKNOWN, CONFLICTING = -1, -2
"""Codes that stand in the `outcome` column until they are refused: a class nobody named; two outcomes for one key."""


def read_outcomes(
    spark: SparkSession,
    pin: Pin,
    labels: LabelsConfig,
    features: FeaturesConfig,
    *,
    as_of: datetime,
    keys: DataFrame | None = None,
) -> DataFrame:
    """Returns one row a key: the features' key columns and `outcome` (1, 0, UNKNOWN or CONFLICTING).

    Labels known after `as_of` don't count, and the latest known wins. Keys without an outcome are absent.

    Args:
        keys: Rows whose keys are asked for; null: all.

    Raises:
        ContractError: The table lacks a column that the config names.
    """
    known = _known_labels(spark, pin, labels, features, as_of=as_of)
    if keys is not None:
        known = known.join(keys.select(*features.key), on=list(features.key), how="left_semi")
    # time and outcome in one number, the outcome in its last two bits: Spark sorts all rows to aggregate structs
    moment = F.coalesce(F.unix_micros("known_at"), F.lit(_NO_MOMENT))
    outcome = F.col("outcome").cast("long")
    latest = known.groupBy(*features.key).agg(
        F.max(moment * 4 + (outcome + 1)).alias("highest"),
        F.max(moment * 4 + (1 - outcome)).alias("lowest"),
    )
    highest, lowest = F.col("highest").bitwiseAND(3) - 1, 1 - F.col("lowest").bitwiseAND(3)
    code = F.when(highest == lowest, highest).otherwise(F.lit(CONFLICTING))
    return latest.select(*features.key, code.cast("int").alias("outcome"))


def _known_labels(
    spark: SparkSession, pin: Pin, labels: LabelsConfig, features: FeaturesConfig, *, as_of: datetime
) -> DataFrame:
    """Every label known by then, several a key where there are several, with the features' names of the key."""
    rows = read_table(spark, pin.table, version=pin.version)
    key = labels.key or features.key
    validate_label_columns(rows.columns, labels, features, table=pin.table.name)
    known_at = F.col(labels.known_at) if labels.known_at else F.lit(None)
    return rows.select(
        *(F.col(theirs).alias(ours) for theirs, ours in zip(key, features.key, strict=True)),
        outcome_code(F.col(labels.outcome), rows.schema[labels.outcome].dataType, labels).alias("outcome"),
        known_at.cast("timestamp").alias("known_at"),
    ).where(F.col("outcome").isNotNull() & (F.col("known_at").isNull() | (F.col("known_at") <= F.lit(as_of))))


@dataclass(frozen=True)
class LabelCounts:
    """What a whole labels table says beside the predictions."""

    rows: int
    """Labels known by then."""
    superseded: int
    """Of these, the ones that a later label of the same key replaces."""
    without_prediction: int
    """Keys with a label that no window has a prediction for."""
    in_several_windows: int
    """Keys that are predicted in more than one window: their label counts in each."""


def count_labels(
    spark: SparkSession,
    pin: Pin,
    labels: LabelsConfig,
    features: FeaturesConfig,
    *,
    predictions: DataFrame,
    as_of: datetime,
) -> LabelCounts:
    """Compares all labels with all predictions: one pass over the keys of both."""
    known = _known_labels(spark, pin, labels, features, as_of=as_of)
    labelled = known.groupBy(*features.key).agg(F.count(F.lit(1)).alias("labels"))
    window = F.coalesce(F.col("window_start"), F.lit(_NO_DAY).cast("date"))
    predicted = predictions.groupBy(*features.key).agg((F.min(window) != F.max(window)).alias("is_several"))
    both = labelled.join(predicted, on=list(features.key), how="full")
    counted = both.agg(
        F.sum("labels").alias("rows"),
        F.sum(F.col("labels") - 1).alias("superseded"),
        F.count_if(F.col("is_several").isNull()).alias("without_prediction"),
        F.count_if(F.col("is_several")).alias("in_several_windows"),
    )
    return LabelCounts(**{name: int(count or 0) for name, count in counted.collect()[0].asDict().items()})


def validate_label_columns(
    there: Collection[str], labels: LabelsConfig, features: FeaturesConfig, *, table: str
) -> None:
    """Raises ContractError unless the columns that the config names are there."""
    wanted = [*(labels.key or features.key), labels.outcome, labels.known_at]
    validate_columns(there, wanted, table=table, asked_by="the config's `labels` section")


def outcome_code(outcome: Column, kind: T.DataType, labels: LabelsConfig) -> Column:
    """1 for the positive class, 0 for another that is known, null for none yet, UNKNOWN for anything else."""
    negative = labels.negative or (0,)
    return (
        F.when(outcome.isNull(), F.lit(None))
        .when(_is_one_of(outcome, kind, [labels.positive]), F.lit(1))
        .when(_is_one_of(outcome, kind, negative), F.lit(0))
        .otherwise(F.lit(UNKNOWN))
        .cast("int")
    )


def _is_one_of(outcome: Column, kind: T.DataType, classes: Sequence[Label]) -> Column:
    if isinstance(kind, T.StringType):
        return outcome.isin([str(each) for each in classes])
    numbers = [float(each) for each in classes if not isinstance(each, str)]
    return outcome.cast("double").isin(numbers) if numbers else F.lit(False)


def with_outcomes(predictions: DataFrame, outcomes: DataFrame, *, key: Sequence[str]) -> DataFrame:
    return predictions.join(outcomes, on=list(key), how="left")


def validate_outcomes(outcomes: DataFrame, labels: LabelsConfig, *, key: Sequence[str], table: str) -> None:
    """Raises ContractError with examples of what the codes stand for. For after a code was seen."""
    examples = outcomes.where(F.col("outcome") == CONFLICTING).limit(3).collect()
    if examples:
        raise ContractError.duplicate_labels(
            table, [", ".join(f"{name}={row[name]}" for name in key) for row in examples]
        )
    known = " nor ".join(repr(each) for each in (labels.positive, *(labels.negative or (0,))))
    keys = outcomes.where(F.col("outcome") == UNKNOWN).limit(3).collect()
    shown = [", ".join(f"{name}={row[name]}" for name in key) for row in keys]
    raise ContractError.unknown_outcomes(table, labels.outcome, [f"at {each}" for each in shown], known)


def read_touched_windows(
    spark: SparkSession,
    pin: Pin,
    labels: LabelsConfig,
    features: FeaturesConfig,
    *,
    predictions: DataFrame,
    since_version: int,
    since: datetime,
    as_of: datetime,
) -> Mapping[Window, tuple[int, datetime | None]] | None:
    """Returns the windows whose keys got, lost or changed a label, with the last version and time at which they did.

    Args:
        predictions: Rows with the key and `window_start`.
        since_version: Version of the labels that had been read by then; changes after it count.
        since: Labels known after it, up to `as_of`, count too, though their rows haven't changed.

    Returns:
        Null where nobody can tell: the labels table keeps no change feed for these versions.
    """
    theirs = labels.key or features.key
    key = [F.col(name).alias(ours) for name, ours in zip(theirs, features.key, strict=True)]
    never = F.lit(None).cast("timestamp")
    parts = []
    if since_version < pin.version:
        changes = read_changes(spark, pin, since=since_version)
        if changes is None:
            return None
        parts.append(changes.select(*key, F.col("_commit_version").alias("version"), never.alias("known_at")))
    if labels.known_at:
        known_at = F.col(labels.known_at)
        later = read_table(spark, pin.table, version=pin.version).where(
            (known_at > F.lit(since)) & (known_at <= F.lit(as_of))
        )
        if not parts and later.isEmpty():
            return {}
        parts.append(later.select(*key, F.lit(-1).alias("version"), known_at.cast("timestamp").alias("known_at")))
    if not parts:
        return {}
    touched = reduce(DataFrame.unionByName, parts)
    found = (
        predictions.select(*features.key, "window_start")
        .join(touched, on=list(features.key), how="inner")
        .groupBy("window_start")
        .agg(F.max("version").alias("version"), F.max("known_at").alias("known_at"))
    )
    return {row["window_start"]: (int(row["version"]), as_utc(row["known_at"])) for row in found.collect()}


def as_utc(moment: datetime | None) -> datetime | None:
    """Spark hands out timestamps in the driver's local time, without saying so."""
    return moment.astimezone(UTC) if moment else None
