"""What a run wrote without a probability: rows by issue, with keys to look at."""

from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import types as T

from brierlake.config import LakehouseConfig
from brierlake.lakehouse.creating import create_table
from brierlake.lakehouse.predictions import Commit, Issue, read_issues
from brierlake.lakehouse.tables import locate_table, read_version
from brierlake.schemas import column, predictions_spec


def test_rows_by_issue_with_the_keys_of_the_first_few(spark: SparkSession, tmp_path: Path) -> None:
    key = T.StructType([column("flight", T.LongType(), "key"), column("ori`gin", T.StringType(), "key")])
    spec = predictions_spec(key=key, event_at=T.TimestampType(), carried=T.StructType([]))
    table = locate_table(spark, LakehouseConfig(root=str(tmp_path)), layer="gold", name="predictions")
    create_table(table, spec)
    issue = "CASE WHEN id < 7 THEN 'rare' WHEN id < 107 THEN 'often' END"
    spark.sql(
        f"INSERT INTO {table.sql} SELECT id, CASE WHEN id <> 10 THEN 'JFK' END, NULL, NULL, "
        f"CASE WHEN id >= 107 THEN 0.5D END, {issue}, 'm', 1, 'r', 'run', 0L, current_timestamp() FROM range(4, 120)"
    )
    commit = Commit(version=read_version(table), rows=116)
    found = read_issues(table, commit=commit, windows=[None], key=("flight", "ori`gin"))
    assert found == {
        "often": Issue(100, ("flight=7, ori`gin=JFK", "flight=8, ori`gin=JFK", "flight=9, ori`gin=JFK")),
        "rare": Issue(3, ("flight=4, ori`gin=JFK", "flight=5, ori`gin=JFK", "flight=6, ori`gin=JFK")),
    }
    assert list(found) == ["often", "rare"]
    nameless = read_issues(table, commit=commit, windows=[None], key=("ori`gin",))["often"]
    assert nameless.examples[0] == "ori`gin=null"
