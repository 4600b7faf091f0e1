"""Bad rows on each row of the matrix: what a model raises for costs itself, and is named."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.world import call, lay_out, log_picky_version

pytestmark = pytest.mark.slow  # it is what `python -m tests.matrix` is for


def test_a_bad_row_costs_one_row_and_is_named(spark: SparkSession, tmp_path: Path) -> None:
    log_picky_version(tmp_path, "first", brier=0.2)
    (tmp_path / "job").mkdir()
    world = lay_out(spark, tmp_path, tmp_path / "job")
    world.sql(f"UPDATE {world.silver('games').sql} SET x1 = 99 WHERE id IN (7, 11, 19, 23)")
    summary = call(world, "score", "--set", "model.names=[first]")
    rows = world.read("predictions").set_index("id")
    assert list(rows.index[rows["probability"].isna()].sort_values()) == [7, 11, 19, 23]
    assert list(summary["issues"].values()) == [4]
    assert list(summary["issue_examples"].values()) == [["id=7", "id=11", "id=19"]]
