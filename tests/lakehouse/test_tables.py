"""Tables: created from their spec, compared ever after; what is in the way is refused."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import types as T

from brierlake.config import LakehouseConfig
from brierlake.errors import StorageError
from brierlake.lakehouse.creating import create_table
from brierlake.lakehouse.tables import Table, is_there, locate_table, pin_table, read_table
from brierlake.run.ledger import append_records
from brierlake.schemas import CANDIDATES, CELLS, METRICS, RELIABILITY, RUNS, TableSpec, column, predictions_spec

KEY = T.StructType([column("id", T.LongType(), "key")])
SPEC = predictions_spec(key=KEY, event_at=T.TimestampType(), carried=T.StructType([]))


@pytest.fixture
def table(spark: SparkSession, tmp_path: Path) -> Table:
    return locate_table(spark, LakehouseConfig(root=str(tmp_path)), layer="gold", name="predictions")


def test_names_in_a_catalog_are_quoted(spark: SparkSession) -> None:
    table = locate_table(spark, LakehouseConfig(catalog="main"), layer="gold", name="p")
    assert (table.name, table.sql, table.path) == ("main.gold.p", "`main`.`gold`.`p`", None)


def test_a_table_is_created_with_comments_layout_and_owner(spark: SparkSession, table: Table) -> None:
    create_table(table, SPEC, job="j")
    create_table(table, SPEC, job="j")
    schema = read_table(table).schema
    assert schema["probability"].metadata["comment"].startswith("P(positive class)")
    detail = spark.sql(f"DESCRIBE DETAIL {table.sql}").collect()[0]
    assert detail["partitionColumns"] == ["window_start"]
    assert (detail["properties"]["brierlake.job"], detail["properties"]["brierlake.format"]) == ("j", "2")


def test_records_of_one_run_share_a_file(spark: SparkSession, table: Table) -> None:
    same = {"run_id": "r", "job": "j", "looked_at": datetime(2024, 1, 1, tzinfo=UTC), "model_name": "m"}
    flags = {"is_eligible": True, "is_selected": False, "is_tied": False}
    records = [{**same, **flags, "rank": each, "model_version": each} for each in range(1, 9)]
    append_records(table, CANDIDATES, records)
    written = read_table(table)
    assert sorted(row["rank"] for row in written.collect()) == list(range(1, 9))
    assert len(written.inputFiles()) == 1


@pytest.mark.parametrize("left", [[], [".00000000000000000000.json.0a1b.tmp"]], ids=["empty log", "unfinished commit"])
def test_a_table_whose_maker_was_killed_is_made_all_the_same(
    spark: SparkSession, table: Table, left: list[str]
) -> None:
    log = Path(table.name) / "_delta_log"
    log.mkdir(parents=True)
    for name in left:
        (log / name).write_text("{", encoding="utf-8")
    assert not is_there(table)
    create_table(table, SPEC, job="j")
    detail = spark.sql(f"DESCRIBE DETAIL {table.sql}").collect()[0]
    assert (detail["partitionColumns"], detail["properties"]["brierlake.job"]) == (["window_start"], "j")
    assert read_table(table).schema["probability"].metadata["comment"].startswith("P(positive class)")
    with pytest.raises(Exception, match="DELTA_VIOLATE_CONSTRAINT_WITH_VALUES"):
        spark.sql(
            f"INSERT INTO {table.sql} SELECT 1L, NULL, NULL, 1.5D, NULL, 'm', 1, 'r', 'run', 0L, current_timestamp()"
        )


@pytest.mark.parametrize(
    ("probability", "issue"),
    [("1.5D", "NULL"), ("CAST('NaN' AS DOUBLE)", "NULL"), ("-0.1D", "NULL"), ("NULL", "NULL"), ("0.5D", "'bad'")],
)
def test_the_predictions_refuse_what_is_no_probability(
    spark: SparkSession, table: Table, probability: str, issue: str
) -> None:
    create_table(table, SPEC, job="j")
    values = f"1L, NULL, NULL, {probability}, {issue}, 'm', 1, 'r', 'run', 0L, current_timestamp()"
    with pytest.raises(Exception, match="DELTA_VIOLATE_CONSTRAINT_WITH_VALUES"):
        spark.sql(f"INSERT INTO {table.sql} SELECT {values}")


def test_another_shape_is_told_column_by_column(spark: SparkSession, table: Table) -> None:
    spec = TableSpec(T.StructType([column("id", T.StringType(), ""), column("more", T.LongType(), "")]), key=("id",))
    create_table(table, spec)
    with pytest.raises(
        StorageError,
        match=r"column probability \(double\) is missing.*more \(bigint\) is not ours.*id is string, not bigint",
    ):
        create_table(table, SPEC)


def test_a_newer_format_is_refused(spark: SparkSession, table: Table) -> None:
    create_table(table, SPEC)
    spark.sql(f"ALTER TABLE {table.sql} SET TBLPROPERTIES ('brierlake.format' = '99')")
    with pytest.raises(StorageError, match="is of format 99, and this brierlake knows formats up to 2"):
        create_table(table, SPEC)


def test_files_in_the_way_are_left_alone(spark: SparkSession, table: Table) -> None:
    spark.range(1).write.parquet(str(table.path))
    with pytest.raises(StorageError, match="aren't a Delta table; nothing was written"):
        create_table(table, SPEC)
    with pytest.raises(StorageError, match="isn't a Delta table. Check features.table"):
        pin_table(table, setting="features.table")


def test_a_table_that_is_not_there_is_named(spark: SparkSession, table: Table) -> None:
    with pytest.raises(StorageError, match="There is no table at .*/gold/predictions. Check labels.table"):
        pin_table(table, setting="labels.table")


@pytest.mark.parametrize("spec", [CANDIDATES, CELLS, METRICS, RELIABILITY, RUNS, SPEC])
def test_every_column_has_a_comment_and_every_key_is_a_column(spec: TableSpec) -> None:
    assert [each.name for each in spec.schema if not each.metadata.get("comment")] == []
    assert set(spec.key) <= set(spec.schema.names)


def test_a_place_that_cannot_be_looked_at_is_no_absent_table(spark: SparkSession) -> None:
    with pytest.raises(StorageError, match=r"nowhere://lake/t"):
        is_there(Table("nowhere://lake/t", "delta.`nowhere://lake/t`", "nowhere://lake/t", spark))
