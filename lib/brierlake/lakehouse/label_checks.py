"""Labels looked at before any work: do their columns, types and values say what the config takes them to say?"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from brierlake.config import FeaturesConfig, Label
from brierlake.errors import ContractError
from brierlake.lakehouse.classes import FRACTIONS, OUTCOMES, TEXTS, UNKNOWN, WHOLE_NUMBERS, negatives, outcome_code
from brierlake.lakehouse.features import key_text, validate_columns
from brierlake.lakehouse.labels import CONFLICTING, OUTCOME, Labels, as_keys, key_names, read_outcomes
from brierlake.names import column_of, internal

_TIMES = (T.TimestampType, T.TimestampNTZType, T.DateType)
_EXACT: Mapping[type[T.DataType], tuple[type[T.DataType], ...]] = {
    T.DoubleType: WHOLE_NUMBERS[:3],
    T.FloatType: WHOLE_NUMBERS[:2],
}
"""Whole numbers that each of these types holds exactly."""
_SHOWN_VALUES, _SHOWN_KEYS = 5, 3
_VALUE, _ROWS, _KEY = internal("value"), internal("rows"), internal("key")


def validate_label_types(labels: Labels, *, keyed: T.StructType) -> None:
    """Raise ContractError, with all faults, where columns are missing or their types don't fit.

    Args:
        keyed: Schema with the features' key: of the features, or of the predictions.
    """
    schema, table, key = labels.rows().schema, labels.pin.table.name, labels.key
    if missing := {*labels.features.key} - {*keyed.fieldNames()}:
        raise ContractError.missing_columns("predictions", missing, keyed.fieldNames(), asked_by="features.key")
    wanted = [*key, labels.config.outcome, labels.config.known_at]
    validate_columns(schema.fieldNames(), wanted, table=table, asked_by="the config's `labels` section")
    pairs = zip(labels.features.key, key, strict=True)
    faults = [_key_fault(ours, keyed[ours].dataType, theirs, schema[theirs].dataType) for ours, theirs in pairs]
    faults.append(
        _type_fault(schema, labels.config.outcome, OUTCOMES, "labels.outcome needs numbers, text or true and false")
    )
    if labels.config.known_at:
        faults.append(
            _type_fault(schema, labels.config.known_at, _TIMES, "labels.known_at needs a time: to_timestamp(…)")
        )
    if told := [each for each in faults if each]:
        raise ContractError.faults(f"Table {table} can't be read as labels:", told)


def _type_fault(schema: T.StructType, name: str, types: tuple[type[T.DataType], ...], need: str) -> str | None:
    kind = schema[name].dataType
    return None if isinstance(kind, types) else f"column {name} is {kind.simpleString()}, and {need}"


def _key_fault(ours: str, kind: T.DataType, theirs: str, other: T.DataType) -> str | None:
    """Say how to write the labels' key where values that differ could be taken for the same, or none for any."""
    if is_comparable(kind, other):
        return None
    wanted = kind.simpleString()
    return (
        f"key {theirs} is {other.simpleString()}, and features.key {ours} is {wanted}: different keys could match, or "
        f"none. Write the labels with CAST({theirs} AS {wanted.upper()})"
    )


def is_comparable(one: T.DataType, other: T.DataType) -> bool:
    """Whether two types compare exactly, value by value."""
    if isinstance(one, TEXTS) and isinstance(other, TEXTS):
        return True
    exact = (*WHOLE_NUMBERS, T.DecimalType)
    if isinstance(one, exact) and isinstance(other, exact):
        return True
    pairs = ((one, other), (other, one))
    return type(one) is type(other) or any(isinstance(small, _EXACT.get(type(wide), ())) for wide, small in pairs)


def validate_label_values(
    labels: Labels,
    *,
    keys: DataFrame,
    is_few: bool,
    as_of: datetime,
) -> None:
    """Raise ContractError with examples: keys that count have a class that the config doesn't name, or two outcomes.

    Args:
        keys: From `as_keys`, those that count.
        is_few: Whether there are few of them, so that the labels of all time needn't be gathered.
    """
    outcomes = read_outcomes(labels, as_of=as_of, keys=keys if is_few else None)
    is_unknown, is_conflicting = (column_of(OUTCOME) == code for code in (UNKNOWN, CONFLICTING))
    unknown, conflicting = outcomes.agg(F.count_if(is_unknown), F.count_if(is_conflicting)).collect()[0]
    if unknown:
        validate_classes(labels, keys=keys, as_of=as_of)
    if not conflicting:
        return
    odd = outcomes.where(is_conflicting)
    names = key_names(labels.features)
    ours = odd if is_few else odd.join(keys, on=names, how="left_semi")
    if shown := _shown_keys(ours, labels.features):
        raise ContractError.duplicate_labels(labels.pin.table.name, shown)


def _shown_keys(outcomes: DataFrame, features: FeaturesConfig) -> list[str]:
    return [row[_KEY] for row in outcomes.select(_text(outcomes, features)).limit(_SHOWN_KEYS).collect()]


def _text(keyed: DataFrame, features: FeaturesConfig) -> Column:
    return key_text(keyed.schema, features.key, columns=key_names(features)).alias(_KEY)


def validate_classes(
    labels: Labels,
    *,
    keys: DataFrame,
    as_of: datetime,
) -> None:
    """Raise ContractError with examples where keys that count have a class that the config doesn't name."""
    rows = labels.rows()
    kind = rows.schema[labels.config.outcome].dataType
    strange = rows.where(outcome_code(column_of(labels.config.outcome), kind, labels.config) == UNKNOWN)
    if not strange.agg(F.count(F.lit(1))).collect()[0][0]:
        return
    value = column_of(labels.config.outcome).alias(_VALUE)
    ours = as_keys(strange, labels.features, value, key=labels.key)
    # a class that a later label has put right, or that counts for no row, is no fault
    outcomes = read_outcomes(labels, as_of=as_of, keys=keys)
    counting = outcomes.where(column_of(OUTCOME) == UNKNOWN).drop(OUTCOME)
    ours = ours.join(counting, on=key_names(labels.features), how="left_semi")
    counted = ours.groupBy(_VALUE).agg(F.count(F.lit(1)).alias(_ROWS), F.min(_text(ours, labels.features)).alias(_KEY))
    found = counted.orderBy(F.desc(_ROWS), _VALUE).limit(_SHOWN_VALUES).collect()
    if found:
        shown = [f"at {row[_KEY]}: {_shown(row[_VALUE])} ({_rows(row[_ROWS])})" for row in found]
        raise _unknown_classes(labels, kind, shown, all_of=rows)


def _rows(count: int) -> str:
    return f"{count:,} {'row' if count == 1 else 'rows'}"


def _unknown_classes(labels: Labels, kind: T.DataType, shown: Sequence[str], *, all_of: DataFrame) -> ContractError:
    """Show the values that the config doesn't name, and how the setting would be written with all that are there."""
    code = outcome_code(column_of(labels.config.outcome), kind, labels.config)
    there = all_of.where(code.isNotNull()).select(column_of(labels.config.outcome)).distinct().limit(_SHOWN_VALUES + 1)
    values = sorted((row[0] for row in there.collect()), key=str)
    is_fraction = isinstance(kind, (*FRACTIONS, T.DecimalType)) and any(each not in (0, 1) for each in values)
    return ContractError.unknown_outcomes(
        labels.pin.table.name,
        labels.config.outcome,
        shown,
        known=[_shown(each) for each in (labels.config.positive, *negatives(labels.config))],
        fix=None if is_fraction or len(values) > _SHOWN_VALUES else [_shown(each) for each in _likely_first(values)],
    )


def _likely_first(values: Sequence[Label]) -> list[Label]:
    return sorted(values, key=lambda value: str(value).strip().lower() not in _LIKELY)


_LIKELY = ("1", "1.0", "true", "t", "yes", "y", "won", "win", "positive")
"""What a positive class is often called."""


def _shown(value: Label) -> str:
    """As YAML would have it, so that text isn't read as something else."""
    if isinstance(value, str):
        return f'"{value}"'
    return str(value).lower() if isinstance(value, bool) else str(value)
