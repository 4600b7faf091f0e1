"""Three-part names in a Hive metastore (embedded Derby), and one that is down."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import KEYS, Flights
from tests.cluster.processes import ROOT, clean_environment, submit_command, summary_in

_MAKE = """
import sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.enableHiveSupport().getOrCreate()
for layer in ("silver", "gold"):
    spark.sql(f"CREATE SCHEMA {layer}")
for name in ("flights", "arrivals"):
    spark.read.format("delta").load(f"{sys.argv[1]}/silver/{name}").write.format("delta").saveAsTable(f"silver.{name}")
"""
_TAKE = """
import sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.enableHiveSupport().getOrCreate()
for name in sys.argv[2:]:
    spark.table(f"gold.{name}").write.format("delta").save(f"{sys.argv[1]}/{name}")
"""


class Metastore:
    """A catalog in a folder, and how spark-submit gets there."""

    def __init__(self, folder: Path, flights: Flights, python: str) -> None:
        self.folder, self.flights, self.python = folder, flights, python
        self.conf: Mapping[str, str] = {
            "spark.sql.catalogImplementation": "hive",
            "spark.hadoop.javax.jdo.option.ConnectionURL": f"jdbc:derby:;databaseName={folder}/metastore;create=true",
            "spark.sql.warehouse.dir": f"{folder}/warehouse",
        }

    def submit(self, *arguments: str, **conf: str) -> subprocess.CompletedProcess[str]:
        command = submit_command(*arguments, master="local[2]", python=self.python, conf={**self.conf, **conf})
        return subprocess.run(
            command,
            cwd=ROOT,
            env=clean_environment(**self.flights.variables),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def run_script(self, text: str, *arguments: str) -> None:
        script = self.folder / "script.py"
        script.write_text(text, encoding="utf-8")
        done = self.submit(str(script), *arguments)
        assert done.returncode == 0, done.stderr[-4000:]

    def call(self, job: str, *arguments: str, **conf: str) -> tuple[int, dict[str, Any]]:
        catalog = ("--set", "lakehouse.root=null", "--set", "lakehouse.catalog=spark_catalog")
        done = self.submit(
            "jobs/run.py", job, "--config", "conf/cluster.yml", "--json", "--quiet", *catalog, *arguments, **conf
        )
        return done.returncode, summary_in(done.stdout)


@pytest.fixture(scope="module")
def metastore(tmp_path_factory: pytest.TempPathFactory, flights: Flights, bare_python: str) -> Metastore:
    made = Metastore(tmp_path_factory.mktemp("hive"), flights, bare_python)
    made.run_script(_MAKE, str(flights.folder / "lake"))
    return made


def test_tables_of_a_catalog_are_scored_and_then_nothing_changes(metastore: Metastore) -> None:
    code, summary = metastore.call("score")
    assert (code, summary["status"], summary["rows_in"]) == (0, "published", 240)
    assert summary["predictions_table"] == "spark_catalog.gold.predictions"
    code, summary = metastore.call("score")
    assert (code, summary["status"]) == (0, "unchanged")
    metastore.run_script(_TAKE, str(metastore.flights.folder / "lake" / "hive"), *KEYS)
    metastore.flights.assert_same_as_local("hive", is_copied=True)


def test_a_schema_that_is_not_there_is_named(metastore: Metastore) -> None:
    code, summary = metastore.call("score", "--set", "lakehouse.gold=absent")
    assert (code, summary["exit_code"]) == (6, 6)
    assert "SCHEMA_NOT_FOUND" in summary["error"]


@pytest.mark.parametrize("job", ["score", "diagnose", "report"])
def test_a_metastore_that_is_down_is_a_fault_of_storage(metastore: Metastore, job: str) -> None:
    down = {"spark.hadoop.javax.jdo.option.ConnectionURL": "jdbc:derby:;databaseName=/nowhere/metastore"}
    code, summary = metastore.call(job, **down)
    assert (code, summary["exit_code"]) == (6, 6), summary
    assert "Unexpected" not in summary["error"]
