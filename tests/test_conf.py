"""The files in conf/ and conf/schedules: whole, consistent with the code, and of the documented shape."""

import configparser
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pyspark
import pytest
import yaml
from click.testing import CliRunner
from pyspark.sql import SparkSession

from brierlake.cli import main
from brierlake.configfile import read_config

CONF = Path(__file__).parents[1] / "conf"
SCHEDULES = CONF / "schedules"


def properties(file: Path) -> dict[str, str]:
    lines = file.read_text(encoding="utf-8").splitlines()
    pairs = [line.split(None, 1) for line in lines if line and not line.startswith("#")]
    return {name: value.strip() for name, value in pairs}


def packages(*arguments: str) -> list[str]:
    found = CliRunner().invoke(main, ["packages", *arguments])
    assert found.exit_code == 0, found.output
    return found.output.strip().split(",")


def test_spark_submit_gets_what_a_session_of_ours_does(spark: SparkSession) -> None:
    found = properties(CONF / "spark-defaults.conf")
    assert found.pop("spark.yarn.maxAppAttempts") == "1"
    assert {name: spark.conf.get(name) for name in found} == found
    assert packages() == str(spark.conf.get("spark.jars.packages")).split(",")


@pytest.mark.parametrize("store", ["s3", "abfs", "gcs"])
def test_the_settings_for_object_stores_are_whole(store: str) -> None:
    found, default = properties(CONF / f"spark-{store}.conf"), properties(CONF / "spark-defaults.conf")
    alike = set(default) - {"spark.jars.excludes"}
    assert {name: found[name] for name in alike} == {name: default[name] for name in alike}


def test_nothing_says_which_delta_it_is() -> None:
    for file in CONF.glob("spark-*.conf"):
        assert re.findall(r"delta-spark\S*:\d", file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("store", ["s3", "abfs"])
def test_a_hadoop_connector_is_of_the_hadoop_that_spark_ships(store: str) -> None:
    client = next((Path(pyspark.__file__).parent / "jars").glob("hadoop-client-api-*.jar"))
    delta, connector = packages("--store", store)
    assert delta.startswith("io.delta:delta-spark_")
    assert connector.rpartition(":")[2] == client.stem.rpartition("-")[2]
    # an exclude of the whole group would leave the connector itself out
    assert "org.apache.hadoop:*" not in properties(CONF / f"spark-{store}.conf")["spark.jars.excludes"]


def test_cluster_config_needs_its_two_variables_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIERLAKE_LAKE", "s3a://bucket/lake")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example")
    assert read_config(CONF / "cluster.yml").lakehouse.root == "s3a://bucket/lake"


def test_the_databricks_bundle_runs_files_that_are_there_one_run_at_a_time() -> None:
    bundle = yaml.safe_load((SCHEDULES / "databricks.yml").read_text(encoding="utf-8"))
    assert set(bundle) <= {"artifacts", "bundle", "sync", "variables", "resources"}
    job = bundle["resources"]["jobs"]["brierlake"]
    assert job["max_concurrent_runs"] == 1
    clusters = {each["job_cluster_key"] for each in job["job_clusters"]}
    for task in job["tasks"]:
        script = SCHEDULES / task["spark_python_task"]["python_file"]
        assert script.resolve().is_file()
        assert task["job_cluster_key"] in clusters
        assert_arguments(script.stem, task["spark_python_task"]["parameters"])
    used = set(re.findall(r"\$\{var\.(\w+)\}", json.dumps(bundle)))
    assert used == set(bundle["variables"])


def test_the_fabric_definition_has_the_documented_keys() -> None:
    found = json.loads((SCHEDULES / "fabric.json").read_text(encoding="utf-8"))
    assert set(found) == {
        *("executableFile", "defaultLakehouseArtifactId", "mainClass", "additionalLakehouseIds", "retryPolicy"),
        *("commandLineArguments", "additionalLibraryUris", "language", "environmentArtifactId"),
    }
    assert found["language"] == "Python"
    assert_arguments("score", shlex.split(found["commandLineArguments"]))


def test_cron_lines_have_five_fields_and_commands_that_we_have() -> None:
    lines = (SCHEDULES / "crontab").read_text(encoding="utf-8").splitlines()
    jobs = [line for line in lines if line and not line.startswith(("#", "CRON_TZ"))]
    assert len(jobs) == 3
    for line in jobs:
        minute, hour, *days = line.split()[:5]
        assert (int(minute) < 60, int(hour) < 24, days[:2], days[2] in ("*", "0")) == (True, True, ["*", "*"], True)
        command = line.partition(".venv/bin/brierlake ")[2].partition(" >>")[0].split()
        assert_arguments(command[0], command[1:])


def test_the_service_stops_where_a_retry_would_change_nothing() -> None:
    service = read_unit("brierlake.service")["Service"]
    assert service["RestartPreventExitStatus"].split() == ["2", "4", "5"]
    command = shlex.split(service["ExecStart"])
    assert_arguments(command[1], command[2:])
    assert read_unit("brierlake.timer")["Timer"]["OnCalendar"].endswith("UTC")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd isn't installed")
def test_systemd_accepts_service_and_timer(tmp_path: Path) -> None:
    service = (SCHEDULES / "brierlake.service").read_text(encoding="utf-8")
    here = service.replace("/opt/brierlake/.venv/bin/brierlake", "/bin/true")  # it looks for the command
    (tmp_path / "brierlake.service").write_text(here, encoding="utf-8")
    shutil.copy(SCHEDULES / "brierlake.timer", tmp_path)
    units = [str(tmp_path / name) for name in ("brierlake.service", "brierlake.timer")]
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def read_unit(name: str) -> configparser.ConfigParser:
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign] # keys keep their case
    unit.read_string((SCHEDULES / name).read_text(encoding="utf-8"))
    return unit


def assert_arguments(command: str, arguments: list[str]) -> None:
    """Raises where our command line doesn't know one."""
    main.commands[command].make_context(command, list(arguments), resilient_parsing=False)
