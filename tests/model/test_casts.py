from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from brierlake.model.casts import arriving_column

INT_MAX = 2**31 - 1
JULY = 1_372_636_800_000_000  # 2013-07-01 00:00 UTC in microseconds


@pytest.mark.parametrize(
    ("sql", "to", "expected"),
    [
        ("CAST(3 AS TINYINT)", "float64", 3.0),
        ("CAST(0.1 AS DECIMAL(9,3))", "float64", 0.1),
        ("CAST(0.1 AS DOUBLE)", "float32", 0.10000000149011612),
        ("CAST(1e300 AS DOUBLE)", "float32", float("inf")),
        ("CAST(7 AS DECIMAL(20,0))", "int64", 7),
        (f"CAST({INT_MAX} AS BIGINT)", "int32", INT_MAX),
        pytest.param(f"CAST({INT_MAX + 1} AS BIGINT)", "int32", None, id="too big for an int becomes null"),
        pytest.param("CAST(99999999999999999999 AS DECIMAL(20,0))", "int64", None, id="too big for a bigint"),
        ("CAST(null AS BIGINT)", "int32", None),
        ("'x'", "str", "x"),
        ("true", "bool", True),
        ("TIMESTAMP'2013-07-01 00:00:00 UTC'", "datetime64[ns]", JULY),
        ("TIMESTAMP_NTZ'2013-07-01 00:00:00.000001'", "datetime64[ns]", JULY + 1),
        ("DATE'2013-07-01'", "datetime64[ns]", JULY),
        ("DATE'1969-12-31'", "datetime64[ns]", -86_400_000_000),
        ("CAST(null AS TIMESTAMP)", "datetime64[ns]", None),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_columns_arrive_as_the_model_takes_them(
    spark: SparkSession, sql: str, to: str, expected: Any, zone: str
) -> None:
    before = spark.conf.get("spark.sql.session.timeZone")
    spark.conf.set("spark.sql.session.timeZone", zone)
    try:
        # read back from rows, so that casts run as they would on a table
        rows = spark.range(1).select(F.expr(sql).alias("odd `name` of.column"))
        column = arriving_column("odd `name` of.column", rows.schema[0].dataType, to=to)
        assert rows.select(column.alias("value")).collect()[0].value == expected
    finally:
        spark.conf.set("spark.sql.session.timeZone", str(before))
