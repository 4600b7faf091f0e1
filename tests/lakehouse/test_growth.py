"""Growth: what fits into a table that is there, and what would lose something."""

import pytest
from pyspark.sql import types as T

from brierlake.lakehouse.growth import Growth, find_growth, is_wider
from brierlake.schemas import CARRIED, TableSpec, column

LONG, TEXT = T.LongType(), T.StringType()


def spec_of(*fields: T.StructField) -> TableSpec:
    return TableSpec(T.StructType(list(fields)), key=())


def test_nullable_columns_are_added_and_types_widened() -> None:
    found = T.StructType([column("id", T.IntegerType(), "key")])
    growth = find_growth(found, spec_of(column("id", LONG, "key"), column("more", TEXT, "new")), is_ours=True)
    assert str(growth) == "column more (string) is added; column id becomes bigint"
    assert growth.faults == ()


def test_the_same_shape_does_not_grow() -> None:
    spec = spec_of(column("id", LONG, "key"))
    assert not find_growth(spec.schema, spec, is_ours=True)


@pytest.mark.parametrize(
    ("found", "wanted", "fault"),
    [
        ([column("id", TEXT, "")], [column("id", LONG, "")], "column id is string, not bigint"),
        ([], [column("id", LONG, "", nullable=False)], "column id (bigint) is missing"),
        ([column("x", LONG, "somebody's")], [], "column x (bigint) is not ours"),
        ([column("x", LONG, CARRIED, nullable=False)], [], "column x (bigint) is not ours"),
    ],
)
def test_what_would_lose_something_is_a_fault(
    found: list[T.StructField], wanted: list[T.StructField], fault: str
) -> None:
    assert find_growth(T.StructType(found), spec_of(*wanted), is_ours=True).faults == (fault,)


def test_whether_elements_can_be_null_is_no_difference() -> None:
    found = T.StructType([column("curve", T.ArrayType(T.DoubleType()), "curve")])
    wanted = spec_of(column("curve", T.ArrayType(T.DoubleType(), containsNull=False), "curve"))
    assert find_growth(found, wanted, is_ours=True) == Growth()


def test_nothing_is_added_to_a_table_of_somebody_else() -> None:
    assert find_growth(T.StructType([]), spec_of(column("id", LONG, "")), is_ours=False).faults


def test_what_was_carried_once_and_what_is_wider_already_stay() -> None:
    found = T.StructType([column("id", LONG, "key"), column("team", TEXT, CARRIED)])
    growth = find_growth(found, spec_of(column("id", T.IntegerType(), "key")), is_ours=True)
    assert (bool(growth), growth.faults) == (False, ())


@pytest.mark.parametrize(
    ("wide", "narrow", "is_so"),
    [
        (T.LongType(), T.IntegerType(), True),
        (T.IntegerType(), T.LongType(), False),
        (T.DoubleType(), T.IntegerType(), True),
        (T.DoubleType(), T.LongType(), False),
        (T.DoubleType(), T.FloatType(), True),
        (T.DecimalType(20, 0), T.LongType(), True),
        (T.DecimalType(19, 0), T.LongType(), False),
        (T.DecimalType(12, 2), T.DecimalType(10, 2), True),
        (T.DecimalType(12, 4), T.DecimalType(12, 2), False),
        (T.TimestampNTZType(), T.DateType(), True),
        (T.TimestampType(), T.DateType(), False),
        (T.StringType(), T.IntegerType(), False),
    ],
)
def test_a_wider_type_holds_each_value(wide: T.DataType, narrow: T.DataType, is_so: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert is_wider(wide, narrow) is is_so
