"""The features at one pinned version: read, checked, cut into windows, counted."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from brierlake.config import FeaturesConfig
from brierlake.errors import ContractError, StorageError
from brierlake.lakehouse.tables import STORAGE_FAULTS, Pin, condition_of, read_table, reason_of
from brierlake.lakehouse.windows import (
    WINDOW,
    Scope,
    Window,
    scope_condition,
    time_condition,
    validate_time_columns,
    window_start,
)
from brierlake.names import PREFIX, column_of, find_reserved, internal
from brierlake.schemas import PREDICTION_WORDS

_ROWS = internal("rows")
_KEY_TEXT = internal("key")
_MARGIN_DAYS = 2
"""No two time zones are further apart."""
_EXAMPLES = 3


@dataclass(frozen=True)
class Features:
    """The rows that are to be scored, at one version of their table, with WINDOW added."""

    pin: Pin
    config: FeaturesConfig
    rows: DataFrame

    @property
    def schema(self) -> T.StructType:
        return self.rows.schema

    def of_scope(self, scope: Scope) -> DataFrame:
        """Keep the rows of a scope's windows; let Delta skip files by the time column."""
        is_derived = bool({*self.pin.partitioned_by} - {self.config.event_at, self.config.window_column})
        near = time_condition(self.config, self.schema, scope, margin_days=_MARGIN_DAYS if is_derived else 0)
        return self.rows.where(near).where(scope_condition(scope, column=WINDOW))

    def of_windows(self, windows: Collection[Window]) -> DataFrame:
        return self.of_scope(Scope(touched=frozenset(windows)))


def read_features(pin: Pin, features: FeaturesConfig) -> Features:
    """Read the pinned rows, lazily.

    Raises:
        ContractError: A column that the config names is missing, can't be a key, or has a name that the predictions
            need; one of the table's has a name like our own; or the time column is no time.
        StorageError: The row filter isn't valid SQL over these columns.
    """
    rows, table = read_table(pin.table, version=pin.version), pin.table.name
    wanted = [*features.key, *features.carry, *features.columns, features.event_at, features.window_column]
    validate_columns(rows.columns, wanted, table=table, asked_by="the config's `features` section")
    if faults := [*_name_faults(features), *_key_faults(rows.schema, features)]:
        raise ContractError.faults(f"Table {table} can't be scored as it is:", faults)
    validate_time_columns(rows.schema, features, table=table)
    try:
        chosen = rows.where(features.where) if features.where else rows
    except STORAGE_FAULTS as error:
        raise StorageError.failed("filter", table, f"features.where: {reason_of(error)}") from error
    return Features(pin, features, chosen.withColumn(WINDOW, window_start(features, rows.schema)))


def validate_columns(there: Collection[str], wanted: Iterable[str | None], *, table: str, asked_by: str) -> None:
    """Raise ContractError where a column is missing, or one has a name like those that we add."""
    if missing := {each for each in wanted if each is not None} - set(there):
        raise ContractError.missing_columns(table, missing, there, asked_by=asked_by)
    if reserved := find_reserved(there):
        raise ContractError.reserved_names(table, reserved, prefix=PREFIX)


def _name_faults(features: FeaturesConfig) -> list[str]:
    """Kept columns stand beside those of the predictions, unless one column serves as both."""
    same = {"event_at": features.event_at, "window_start": features.window_column if features.window == "day" else None}
    return [
        f"column `{name}` is also a column of the predictions: rename it in the features"
        for name in dict.fromkeys((*features.key, *features.carry))
        if name.lower() in PREDICTION_WORDS and same.get(name) != name
    ]


def _key_faults(schema: T.StructType, features: FeaturesConfig) -> list[str]:
    return [
        f"column `{name}` is {schema[name].dataType.simpleString()}: a key needs single values; make a text of it"
        for name in features.key
        if not isinstance(schema[name].dataType, T.AtomicType) or isinstance(schema[name].dataType, T.VariantType)
    ]


def count_windows(rows: DataFrame, *, table: str) -> Mapping[Window, int]:
    """Return the rows of each window."""
    try:
        counted = rows.groupBy(WINDOW).agg(F.count(F.lit(1)).alias(_ROWS)).collect()
    except STORAGE_FAULTS as error:
        raise read_fault(error, table=table) from error
    return {row[WINDOW]: int(row[_ROWS]) for row in counted}


def read_fault(error: BaseException, *, table: str) -> StorageError:
    if "FILE_NOT_EXIST" in condition_of(error) or "FileNotFound" in str(error):
        return StorageError.failed("read", table, "its files were removed while we read (VACUUM?); run again")
    return StorageError.failed("read", table, reason_of(error))


def validate_unique_key(rows: DataFrame, *, key: Sequence[str], table: str) -> None:
    """Raise ContractError with examples where a key occurs twice; keys with a null in them name no row."""
    named = rows.where(~has_null(key))
    counted = named.groupBy(*map(column_of, key)).agg(F.count(F.lit(1)).alias(_ROWS))
    several = counted.where(column_of(_ROWS) > 1)
    # a count looks at all partitions in one job; limit looks at one, then at more and more of them
    if several.agg(F.count(F.lit(1))).collect()[0][0]:
        examples = several.select(key_text(rows.schema, key).alias(_KEY_TEXT), _ROWS).limit(_EXAMPLES).collect()
        shown = [f"{row[_KEY_TEXT]} ({row[_ROWS]} rows)" for row in examples]
        raise ContractError.duplicate_keys(table, list(key), shown)


def has_null(key: Iterable[str]) -> Column:
    return reduce(Column.__or__, (column_of(name).isNull() for name in key))


def null_key_issue(key: Iterable[str]) -> Column:
    """Say which column of the key is null; null where none is."""
    return F.coalesce(
        *(F.when(column_of(name).isNull(), F.lit(f"{name} is null, and the key must name a row")) for name in key)
    )


def key_text(schema: T.StructType, key: Sequence[str], *, columns: Sequence[str] = ()) -> Column:
    """The key as a person reads it, such as `id=5`; binary in hexadecimal digits.

    Args:
        columns: What the key's columns are called in this frame, where that isn't their name.
    """
    values = {
        name: F.hex(column_of(column))
        if isinstance(schema[column].dataType, T.BinaryType)
        else column_of(column).cast("string")
        for name, column in zip(key, columns or key, strict=True)
    }
    shown = (F.concat(F.lit(f"{name}="), F.coalesce(each, F.lit("null"))) for name, each in values.items())
    return F.concat_ws(", ", *shown)


def column_types(schema: T.StructType, names: Iterable[str]) -> T.StructType:
    return T.StructType([schema[name] for name in names])
