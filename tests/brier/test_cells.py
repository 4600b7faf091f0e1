import datetime as dt

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from brierlake.brier import compute_cells, compute_values, merge_cells
from brierlake.brier.grid import cell_of
from brierlake.schemas import CELL_FIELDS

SCHEMA = "day date, probability double, outcome int"
MONDAY = dt.date(2024, 1, 1)


@pytest.fixture(scope="module")
def rows(spark: SparkSession) -> DataFrame:
    data = [
        (MONDAY, 0.3, 1),
        (MONDAY, 0.3, 1),
        (MONDAY, 0.2995, 0),
        (MONDAY, 0.3, None),
        (MONDAY, None, 1),
        (None, None, None),
        (None, 0.0, 0),
        (None, -0.0, 0),
        (None, 1.0, 1),
    ]
    return spark.createDataFrame(data, SCHEMA)


def test_cells_by_hand(rows: DataFrame) -> None:
    cells = {(row.day, row.cell_id, row.outcome): row for row in compute_cells(rows, by=["day"]).collect()}
    assert {key: row.n for key, row in cells.items()} == {
        (MONDAY, 3_000_000_000, 1): 2,
        (MONDAY, 3_000_000_000, 0): 1,
        (MONDAY, 3_000_000_000, None): 1,
        (MONDAY, None, 1): 1,
        (None, None, None): 1,
        (None, 0, 0): 2,
        (None, 10_000_000_001, 1): 1,
    }
    # the cell (.299, .3] has its centre at .2995
    twice = cells[MONDAY, 3_000_000_000, 1]
    assert [twice.sum_d, twice.sum_d2, twice.sum_d3, twice.sum_d4] == pytest.approx(
        [2 * 5e-4, 2 * 25e-8, 2 * 125e-12, 2 * 625e-16], rel=1e-12
    )
    for key in ((MONDAY, 3_000_000_000, 0), (MONDAY, None, 1), (None, 0, 0), (None, 10_000_000_001, 1)):
        assert [cells[key][name] for name in ("sum_d", "sum_d2", "sum_d3", "sum_d4")] == [0.0] * 4


def test_columns_are_those_declared(rows: DataFrame) -> None:
    cells = compute_cells(rows, by=["day"])
    for frame in (cells, merge_cells(cells, by=["day"])):
        assert [(field.name, field.dataType) for field in frame.schema][1:] == [
            (field.name, field.dataType) for field in CELL_FIELDS
        ]


def test_a_probability_out_of_range_is_not_scored(spark: SparkSession) -> None:
    strange = spark.createDataFrame([(MONDAY, p, 0) for p in (float("nan"), -1e-12, 1.0000001, float("inf"))], SCHEMA)
    (cell,) = compute_cells(strange, by=["day"]).collect()
    assert (cell.cell_id, cell.n, cell.sum_d) == (None, 4, 0.0)


def test_float_probabilities_are_widened_first(spark: SparkSession) -> None:
    single = spark.createDataFrame([(0.3, 1)], "probability float, outcome int")
    (cell,) = compute_cells(single, by=[]).collect()
    assert cell.cell_id == cell_of(np.array([np.float64(np.float32(0.3))]))[0][0]


def test_no_python_touches_the_rows(rows: DataFrame, capsys: pytest.CaptureFixture[str]) -> None:
    compute_cells(rows, by=["day"]).explain(extended=True)
    plan = capsys.readouterr().out
    assert "Aggregate" in plan
    assert "Python" not in plan
    assert "Pandas" not in plan


def test_thirty_parts_add_up_to_the_whole(spark: SparkSession) -> None:
    p = (F.rand(1) * F.rand(2)).alias("probability")
    rows = spark.range(0, 20_000, 1, 2).select("id", p, (F.rand(3) * 30).cast("int").alias("part"))
    rows = rows.withColumn("outcome", (F.rand(4) < F.col("probability")).cast("int")).cache()
    whole = compute_cells(rows, by=[])
    merged = merge_cells(compute_cells(rows, by=["part"]), by=[])
    sums = ("sum_d", "sum_d2", "sum_d3", "sum_d4")
    both = whole.join(
        merged.select("cell_id", "outcome", *(F.col(name).alias(f"merged_{name}") for name in ("n", *sums))),
        on=["cell_id", "outcome"],
        how="full",
    ).toPandas()
    assert (both["n"] == both["merged_n"]).all()
    for power, name in enumerate(sums, start=1):
        # relative to the sum of |d|^power, at most n times (half a cell)^power
        scale = both["n"] * 0.0005**power
        assert ((both[name] - both[f"merged_{name}"]).abs() <= 1e-12 * scale).all()


def test_values_for_the_exact_road(rows: DataFrame) -> None:
    values = compute_values(rows, by=["day"]).collect()
    assert sorted(map(tuple, values), key=str) == sorted(
        [(MONDAY, 0.3, 2, 2), (MONDAY, 0.2995, 1, 0), (None, 0.0, 2, 0), (None, 1.0, 1, 1)], key=str
    )
