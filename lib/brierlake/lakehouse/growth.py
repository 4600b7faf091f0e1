"""Growth: how a table that is there becomes what is wanted without losing anything, or why it can't."""

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import types as T

from brierlake.schemas import CARRIED, TableSpec

_WHOLE = (T.ByteType, T.ShortType, T.IntegerType, T.LongType)
_DIGITS: Mapping[type[T.DataType], int] = {T.ByteType: 3, T.ShortType: 5, T.IntegerType: 10, T.LongType: 20}
_COMMENT = "comment"


@dataclass(frozen=True)
class Growth:
    """What is added to a table, or widened in it, and what doesn't fit at all."""

    added: tuple[T.StructField, ...] = ()
    widened: tuple[T.StructField, ...] = ()
    """Columns with the type that they get."""
    faults: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.widened)

    def __str__(self) -> str:
        added = [f"column {each.name} ({each.dataType.simpleString()}) is added" for each in self.added]
        widened = [f"column {each.name} becomes {each.dataType.simpleString()}" for each in self.widened]
        return "; ".join([*added, *widened])


def find_growth(found: T.StructType, spec: TableSpec, *, is_ours: bool) -> Growth:
    """Compare what is there with what is wanted.

    New nullable columns and wider types fit in, but for a part of the key, which earlier rows wouldn't have; columns
    that were carried once may stay. A column that is wider than
    what is wanted takes it as it is.

    Args:
        is_ours: Whether we made the table; nothing is added to another's.
    """
    there, wanted = ({each.name: each for each in schema} for schema in (found, spec.schema))
    missing = [each for name, each in wanted.items() if name not in there]
    extra = [_extra(each) for name, each in there.items() if name not in wanted and not _may_stay(each)]
    widened, narrow = _compare_types(there, wanted)
    can_be_added = all(each.nullable and is_ours and each.name not in spec.key for each in missing)
    if extra or narrow or not can_be_added:
        return Growth(faults=(*map(_lacking, missing), *extra, *narrow))
    return Growth(tuple(missing), tuple(widened))


def _lacking(field: T.StructField) -> str:
    return f"column {field.name} ({field.dataType.simpleString()}) is missing"


def _extra(field: T.StructField) -> str:
    return f"column {field.name} ({field.dataType.simpleString()}) is not ours"


def _may_stay(field: T.StructField) -> bool:
    return field.nullable and (field.metadata or {}).get(_COMMENT) == CARRIED


def _compare_types(
    there: Mapping[str, T.StructField], wanted: Mapping[str, T.StructField]
) -> tuple[list[T.StructField], list[str]]:
    """Columns to be widened, and what is said of those whose values wouldn't fit."""
    widened, faults = [], []
    for name, field in wanted.items():
        if name not in there or there[name].dataType.simpleString() == field.dataType.simpleString():
            continue  # what Delta gives back may say of an array's elements that they can be null
        if is_wider(field.dataType, there[name].dataType):
            widened.append(field)
        elif not is_wider(there[name].dataType, field.dataType):
            kinds = (each.dataType.simpleString() for each in (there[name], field))
            faults.append("column {} is {}, not {}".format(name, *kinds))
    return widened, faults


def is_wider(wide: T.DataType, narrow: T.DataType) -> bool:
    """Whether a type holds each value of another exactly, and Delta can widen the one to the other in place."""
    if isinstance(wide, T.DecimalType):
        digits = wide.precision - wide.scale
        if isinstance(narrow, T.DecimalType):
            return digits >= narrow.precision - narrow.scale and wide.scale >= narrow.scale
        return type(narrow) in _DIGITS and digits >= _DIGITS[type(narrow)]
    if isinstance(wide, T.DoubleType):
        return isinstance(narrow, (T.FloatType, *_WHOLE[:3]))
    if isinstance(wide, _WHOLE) and isinstance(narrow, _WHOLE):
        return _WHOLE.index(type(wide)) > _WHOLE.index(type(narrow))
    return isinstance(wide, T.TimestampNTZType) and isinstance(narrow, T.DateType)
