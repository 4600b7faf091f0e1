"""Outcomes: what happened to each key, as far as it was known at a time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from brierlake.config import FeaturesConfig, LabelsConfig
from brierlake.lakehouse.changes import read_changes
from brierlake.lakehouse.classes import outcome_code
from brierlake.lakehouse.tables import STORAGE_FAULTS, Pin, read_table
from brierlake.lakehouse.windows import Window
from brierlake.names import column_of, internal
from brierlake.times import micros_of

OUTCOME = internal("outcome")
"""Column that holds 1, 0, null (not known yet, or known no more), UNKNOWN or CONFLICTING."""
CONFLICTING = -2
"""Stands for two outcomes of one key that nothing tells apart, until it is refused."""
KNOWN_AT = internal("known_at")
"""Column that holds since when a label is known, in microseconds since 1970 UTC; null: nothing says so."""
_VERSION = internal("version")
_LABELS = internal("labels")
_IS_SEVERAL = internal("is_several")

_NO_DAY = "1000-01-01"
_NO_MOMENT = -(10**18)
"""Microseconds long before any time; four times as many fit into 64 bits."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Labels:
    """The labels table at one version, what its columns mean, and the features that its key belongs to."""

    pin: Pin
    config: LabelsConfig
    features: FeaturesConfig

    @property
    def key(self) -> Sequence[str]:
        """Columns of the labels table, in the order of the features' key."""
        return self.config.key or self.features.key

    def rows(self) -> DataFrame:
        return read_table(self.pin.table, version=self.pin.version)


def key_names(features: FeaturesConfig) -> list[str]:
    """Names of the key's columns in frames of labels, whatever the two tables call them."""
    return [internal(f"key_{place}") for place in range(len(features.key))]


def as_keys(rows: DataFrame, features: FeaturesConfig, *rest: Column, key: Sequence[str] = ()) -> DataFrame:
    """Keep the key's columns under the names that labels have them by, and what is asked for beside."""
    pairs = zip(key or features.key, key_names(features), strict=True)
    return rows.select(*(column_of(theirs).alias(ours) for theirs, ours in pairs), *rest)


def read_outcomes(
    labels: Labels,
    *,
    as_of: datetime,
    keys: DataFrame | None = None,
    has_times: bool = False,
) -> DataFrame:
    """Return one row a key: `key_names` and OUTCOME.

    Labels known after `as_of` don't count, and the latest known wins; a null that was known later takes an outcome
    back. Keys without a label are absent.

    Args:
        keys: From `as_keys`, those that are asked for; None: all.
        has_times: With KNOWN_AT too, of the label that counts.
    """
    known = read_known_labels(labels, as_of=as_of)
    names = key_names(labels.features)
    if keys is not None:
        known = known.join(keys, on=names, how="left_semi")
    # time and outcome in one number, the outcome in its last two bits: Spark sorts all rows to aggregate structs
    moment = F.coalesce(column_of(KNOWN_AT), F.lit(_NO_MOMENT)) * 4
    outcome = column_of(OUTCOME).cast("long")
    latest = known.groupBy(*names).agg(
        F.max(moment + F.coalesce(outcome + 2, F.lit(0))).alias(_HIGHEST),
        F.max(moment + F.coalesce(2 - outcome, F.lit(0))).alias(_LOWEST),
    )
    highest, lowest = (column_of(name).bitwiseAND(3) for name in (_HIGHEST, _LOWEST))
    code = F.when(highest == 0, F.lit(None)).when(highest - 2 == 2 - lowest, highest - 2).otherwise(F.lit(CONFLICTING))
    told = F.shiftright(_HIGHEST, 2)
    times = [F.when(told != _NO_MOMENT, told).alias(KNOWN_AT)] if has_times else []
    return latest.select(*names, code.cast("int").alias(OUTCOME), *times)


_HIGHEST, _LOWEST = internal("highest"), internal("lowest")


def read_known_labels(labels: Labels, *, as_of: datetime) -> DataFrame:
    """Every label known by then, several a key where there are several: `key_names`, OUTCOME, KNOWN_AT.

    A null outcome is there only where it is said since when it is one.
    """
    rows = labels.rows()
    code = outcome_code(column_of(labels.config.outcome), rows.schema[labels.config.outcome].dataType, labels.config)
    known_at = known_micros(rows.schema, labels.config)
    known = as_keys(rows, labels.features, code.alias(OUTCOME), known_at.alias(KNOWN_AT), key=labels.key)
    is_told = column_of(OUTCOME).isNotNull() | column_of(KNOWN_AT).isNotNull()
    is_known = column_of(KNOWN_AT).isNull() | (column_of(KNOWN_AT) <= F.lit(as_micros(as_of)))
    return known.where(is_told & is_known)


def known_micros(schema: T.StructType, labels: LabelsConfig) -> Column:
    """Since when each label is known, in microseconds since 1970; a time without zone is taken as UTC."""
    if labels.known_at is None:
        return F.lit(None).cast("long")
    return micros_of(column_of(labels.known_at), schema[labels.known_at].dataType)


def as_micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def with_outcomes(predictions: DataFrame, outcomes: DataFrame, features: FeaturesConfig) -> DataFrame:
    """Add OUTCOME; null where a key has no label."""
    names = key_names(features)
    pairs = zip(features.key, names, strict=True)
    is_same = reduce(Column.__and__, (column_of(ours) == column_of(theirs) for ours, theirs in pairs))
    return predictions.join(outcomes, on=is_same, how="left").drop(*names)


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
    labels: Labels,
    *,
    predictions: DataFrame,
    as_of: datetime,
) -> LabelCounts:
    """Compare all labels with all predictions: one pass over the keys of both."""
    names = key_names(labels.features)
    known = read_known_labels(labels, as_of=as_of)
    labelled = known.groupBy(*names).agg(F.count(F.lit(1)).alias(_LABELS))
    window = F.coalesce(F.col("window_start"), F.lit(_NO_DAY).cast("date")).alias(_WINDOW)
    predicted = as_keys(predictions, labels.features, window).groupBy(*names)
    several = predicted.agg((F.min(_WINDOW) != F.max(_WINDOW)).alias(_IS_SEVERAL))
    both = labelled.join(several, on=names, how="full")
    counted = both.agg(
        F.sum(_LABELS).alias("rows"),
        F.sum(column_of(_LABELS) - 1).alias("superseded"),
        F.count_if(column_of(_IS_SEVERAL).isNull()).alias("without_prediction"),
        F.count_if(column_of(_IS_SEVERAL)).alias("in_several_windows"),
    )
    return LabelCounts(**{name: int(count or 0) for name, count in counted.collect()[0].asDict().items()})


_WINDOW = internal("window")


def read_touched_windows(
    labels: Labels,
    *,
    predictions: DataFrame,
    since_version: int,
    since: datetime,
    as_of: datetime,
) -> Mapping[Window, tuple[int, datetime | None]] | None:
    """Return the windows whose keys got, lost or changed a label, with the last version and time at which they did.

    Args:
        predictions: Rows with the key and `window_start`.
        since_version: Version of the labels that had been read by then; changes after it count.
        since: Labels known after it, up to `as_of`, count too, though their rows haven't changed.

    Returns:
        None where it can't be told: the change feed has no answer for these versions.
    """
    if since_version > labels.pin.version:
        return None  # restored: its versions say nothing
    try:
        parts = list(_touched(labels, since_version=since_version, since=since, as_of=as_of))
        return _by_window(predictions, reduce(DataFrame.unionByName, parts), labels.features) if parts else {}
    except (*STORAGE_FAULTS, _UnknownError):
        return None


class _UnknownError(Exception):
    """The change feed has no answer."""


def _touched(
    labels: Labels,
    *,
    since_version: int,
    since: datetime,
    as_of: datetime,
) -> Iterable[DataFrame]:
    """Keys that changes or the time have touched: `key_names`, the version (-1: none) and KNOWN_AT."""
    is_changed = since_version < labels.pin.version
    if is_changed:
        changes = read_changes(labels.pin, since=since_version)
        if changes is None:
            raise _UnknownError
        never = F.lit(None).cast("long").alias(KNOWN_AT)
        yield as_keys(changes, labels.features, F.col("_commit_version").alias(_VERSION), never, key=labels.key)
    if labels.config.known_at:
        rows = labels.rows()
        known_at = known_micros(rows.schema, labels.config)
        later = rows.where((known_at > F.lit(as_micros(since))) & (known_at <= F.lit(as_micros(as_of))))
        if is_changed or not later.isEmpty():
            none = F.lit(-1).cast("long").alias(_VERSION)
            yield as_keys(later, labels.features, none, known_at.alias(KNOWN_AT), key=labels.key)


def _by_window(
    predictions: DataFrame, touched: DataFrame, features: FeaturesConfig
) -> Mapping[Window, tuple[int, datetime | None]]:
    names = key_names(features)
    found = (
        as_keys(predictions, features, F.col("window_start").alias(_WINDOW))
        .join(touched, on=names, how="inner")
        .groupBy(_WINDOW)
        .agg(F.max(_VERSION).alias(_VERSION), F.max(KNOWN_AT).alias(KNOWN_AT))
    )
    return {row[_WINDOW]: (int(row[_VERSION]), _moment(row[KNOWN_AT])) for row in found.collect()}


def _moment(micros: int | None) -> datetime | None:
    return None if micros is None else _EPOCH + timedelta(microseconds=micros)


def as_utc(moment: datetime | None) -> datetime | None:
    """Spark hands out timestamps in the driver's local time, without saying so."""
    return moment.astimezone(UTC) if moment else None
