"""The features at one pinned version: read, checked, cut into windows, counted."""

from collections.abc import Collection, Iterable, Mapping

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from brierlake.config import FeaturesConfig
from brierlake.errors import ContractError, StorageError
from brierlake.lakehouse.tables import STORAGE_FAULTS, Pin, condition_of, read_table, reason_of
from brierlake.lakehouse.windows import (
    Scope,
    Window,
    scope_condition,
    time_condition,
    validate_time_columns,
    window_start,
)
from brierlake.schemas import PREDICTION_COLUMNS

_OURS = {"window_start", *(each.name for each in PREDICTION_COLUMNS)}


def read_features(spark: SparkSession, pin: Pin, features: FeaturesConfig) -> DataFrame:
    """Returns the pinned rows that are to be scored, with `window_start` added.

    Raises:
        ContractError: A column that the config names is missing, has a name that the predictions need, or
            the time column is no time.
        StorageError: The row filter isn't valid SQL over these columns.
    """
    rows = read_table(spark, pin.table, version=pin.version)
    wanted = [*features.key, *features.carry, *features.columns, features.event_at, features.window_column]
    validate_columns(rows.columns, wanted, table=pin.table.name, asked_by="the config's `features` section")
    if taken := {*features.key, *features.carry} & _OURS - {features.window_column}:
        raise ContractError.faults(
            f"Table {pin.table.name} can't be scored as it is:",
            [f"column {name} is also a column of the predictions: rename it in the features" for name in sorted(taken)],
        )
    validate_time_columns(rows.schema, features, table=pin.table.name)
    try:
        chosen = rows.where(features.where) if features.where else rows
    except STORAGE_FAULTS as error:
        raise StorageError.failed("filter", pin.table.name, f"features.where: {reason_of(error)}") from error
    return chosen.withColumn("window_start", window_start(features, rows.schema))


def validate_columns(there: Collection[str], wanted: Iterable[str | None], *, table: str, asked_by: str) -> None:
    if missing := {each for each in wanted if each is not None} - set(there):
        raise ContractError.missing_columns(table, missing, there, asked_by=asked_by)


def filter_scope(rows: DataFrame, features: FeaturesConfig, *, scope: Scope) -> DataFrame:
    """Keeps the rows of these windows; lets Delta skip files by the time column."""
    return rows.where(time_condition(features, rows.schema, scope)).where(scope_condition(scope))


def filter_windows(rows: DataFrame, features: FeaturesConfig, *, windows: Collection[Window]) -> DataFrame:
    return rows.transform(filter_scope, features, scope=Scope(touched=frozenset(windows)))


def count_windows(rows: DataFrame, *, table: str) -> Mapping[Window, int]:
    """Returns the rows of each window."""
    try:
        counted = rows.groupBy("window_start").agg(F.count(F.lit(1)).alias("n")).collect()
    except STORAGE_FAULTS as error:
        raise read_fault(error, table=table) from error
    return {row["window_start"]: int(row["n"]) for row in counted}


def read_fault(error: BaseException, *, table: str) -> StorageError:
    if "FILE_NOT_EXIST" in condition_of(error) or "FileNotFound" in str(error):
        return StorageError.failed("read", table, "its files were removed while we read (VACUUM?); run again")
    return StorageError.failed("read", table, reason_of(error))


def validate_unique_key(rows: DataFrame, *, key: Collection[str], table: str) -> None:
    """Raises ContractError with examples where a key occurs twice."""
    several = rows.groupBy(*key).agg(F.count(F.lit(1)).alias("_rows")).where(F.col("_rows") > 1)
    # a count looks at all partitions in one job; limit looks at one, then at more and more of them
    if several.agg(F.count(F.lit(1))).collect()[0][0]:
        examples = several.limit(3).collect()
        shown = [", ".join(f"{name}={row[name]}" for name in key) + f" ({row['_rows']} rows)" for row in examples]
        raise ContractError.duplicate_keys(table, list(key), shown)


def column_types(schema: T.StructType, names: Iterable[str]) -> T.StructType:
    return T.StructType([schema[name] for name in names])
