"""Classes: what the values of an outcome column stand for, compared exactly in the column's own type."""

from collections.abc import Sequence
from decimal import Decimal

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from brierlake.config import Label, LabelsConfig

UNKNOWN = -1
"""Stands for a class that the config doesn't name, until it is refused."""
TEXTS = (T.StringType, T.VarcharType, T.CharType)
WHOLE_NUMBERS = (T.ByteType, T.ShortType, T.IntegerType, T.LongType)
FRACTIONS = (T.FloatType, T.DoubleType)
OUTCOMES = (*TEXTS, *WHOLE_NUMBERS, *FRACTIONS, T.BooleanType, T.DecimalType)
"""Types that an outcome column may have."""

_LARGEST_LONG = 2**63 - 1


def negatives(labels: LabelsConfig) -> tuple[Label, ...]:
    return labels.negative or (0,)


def outcome_code(outcome: Column, kind: T.DataType, labels: LabelsConfig) -> Column:
    """1 for the positive class, 0 for another that is known, null for none yet (NaN too), UNKNOWN for anything else."""
    is_open = outcome.isNull() | F.isnan(outcome) if isinstance(kind, FRACTIONS) else outcome.isNull()
    return (
        F.when(is_open, F.lit(None))
        .when(_is_one_of(outcome, kind, [labels.positive]), F.lit(1))
        .when(_is_one_of(outcome, kind, negatives(labels)), F.lit(0))
        .otherwise(F.lit(UNKNOWN))
        .cast("int")
    )


def _is_one_of(outcome: Column, kind: T.DataType, classes: Sequence[Label]) -> Column:
    values = [each for each in (_literal(label, kind) for label in classes) if each is not None]
    return outcome.isin(values) if values else F.lit(False)


def _literal(label: Label, kind: T.DataType) -> Column | None:
    """The class as a value of the column's type; None: no value of that type is this class."""
    if isinstance(kind, TEXTS):
        return F.lit(str(label))
    if isinstance(label, str):
        return None
    if isinstance(kind, T.BooleanType):
        return F.lit(bool(label)) if label in (0, 1) else None
    if isinstance(kind, FRACTIONS):
        return F.lit(float(label)).cast(kind)
    if isinstance(kind, T.DecimalType):
        return F.lit(Decimal(str(int(label) if isinstance(label, bool) else label)))
    if isinstance(kind, WHOLE_NUMBERS) and int(label) == label and abs(label) <= _LARGEST_LONG:
        return F.lit(int(label)).cast("long")
    return None
