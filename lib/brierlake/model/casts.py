"""The cast plan: how a column of the features table becomes what the model takes, or why it can't.

What the adapter is handed for each type that a model takes, on executors and of the driver's sample alike:

| model takes | columns of type | arrive as | in pandas | a null arrives as |
|---|---|---|---|---|
| float64 | all numbers | double, the nearest | float64 | NaN, as NaN itself does |
| float32, float16 | all numbers | float, the nearest | float32 | NaN, as NaN itself does |
| int64 | whole numbers, decimal(n,0) | bigint | int64, exact | 0, and its bit in a column of `masks` |
| int32 | whole numbers, decimal(n,0) | int | int32; beside a null float64, which holds each int | NaN |
| bool | boolean | boolean | bool; beside a null object | None |
| str | text | string | object; empty text stays empty | None |
| datetime64[ns] | timestamps, dates | bigint, microseconds since 1970 UTC | int64, exact | 0, and its bit |

What a whole number's type can't hold arrives as a null; a timestamp without a zone is taken as UTC.
"""

from pyspark.sql import Column
from pyspark.sql import types as T

from brierlake.names import column_of
from brierlake.times import micros_of

_ARRIVING = {
    "float64": "double",
    "float32": "float",
    "float16": "float",
    "int64": "bigint",
    "int32": "int",
    "bool": "boolean",
    "str": "string",
    "datetime64[ns]": "bigint",
}
_MASKED = ("int64", "datetime64[ns]")
_NUMERIC = (T.ByteType, T.ShortType, T.IntegerType, T.LongType, T.FloatType, T.DoubleType, T.DecimalType)
_TEXT = (T.StringType, T.VarcharType, T.CharType)
_TIMES = (T.TimestampType, T.TimestampNTZType, T.DateType)


def arriving_type(to: str) -> str:
    """Return the Spark type in which a feature arrives at the model; times arrive as microseconds since 1970, UTC."""
    return _ARRIVING[to]


def is_masked(field: T.StructField, *, to: str) -> bool:
    """Whether a feature's nulls must travel beside it."""
    return to in _MASKED and (field.nullable or isinstance(field.dataType, T.DecimalType))


def cast_fault(name: str, column_type: T.DataType, *, to: str) -> str | None:
    """Return why a column can't be fed as type `to`, and the fix; None where the cast is safe."""
    have = column_type.simpleString()
    arriving = arriving_type(to)
    if to == "datetime64[ns]":
        is_safe, fix = isinstance(column_type, _TIMES), f"store it as a timestamp: to_timestamp({name})"
    elif to == "str":
        is_safe, fix = (
            isinstance(column_type, _TEXT),
            f"store it as text, spelled as in training: CAST({name} AS STRING)",
        )
    elif to == "bool":
        is_safe, fix = isinstance(column_type, T.BooleanType), f"store it as a boolean: {name} <> 0"
    elif not isinstance(column_type, _NUMERIC):
        is_safe, fix = False, _number_fix(name, column_type, arriving)
    else:
        is_safe = to.startswith("float") or _is_whole(column_type)
        fix = f"the model was trained on whole numbers; store it as such: CAST(round({name}) AS {arriving.upper()})"
    if is_safe:
        return None
    return f"column `{name}` is {have} and the model takes {_spoken(to)}: {fix}"


def arriving_column(name: str, column_type: T.DataType, *, to: str) -> Column:
    """Return a feature as it is handed to the model; what doesn't fit a whole-number type becomes null."""
    column = column_of(name)
    if to == "datetime64[ns]":
        return micros_of(column, column_type)
    arriving = arriving_type(to)
    return column if column_type.simpleString() == arriving else column.try_cast(arriving)


def _is_whole(column_type: T.DataType) -> bool:
    if isinstance(column_type, T.DecimalType):
        return column_type.scale == 0
    return not isinstance(column_type, (T.FloatType, T.DoubleType))


def _number_fix(name: str, column_type: T.DataType, arriving: str) -> str:
    if isinstance(column_type, _TEXT):
        return f"store it as a number: try_cast({name} AS {arriving.upper()})"
    if isinstance(column_type, T.BooleanType):
        return f"store it as 0 and 1: CAST({name} AS INT)"
    if isinstance(column_type, _TIMES):
        return f"store the number that was trained on, for example unix_timestamp({name}) or hour({name})"
    return f"give it as a column of single numbers ({arriving})"


def _spoken(to: str) -> str:
    if to == "str":
        return "text"
    if to == "bool":
        return "true or false"
    if to == "datetime64[ns]":
        return "a time"
    return "numbers" if to.startswith("float") else "whole numbers"
