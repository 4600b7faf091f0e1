"""The same job from a client of a Spark Connect server, which has neither our code nor our folders."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.conftest import Flights
from tests.cluster.processes import ROOT, running_connect

pytestmark = pytest.mark.slow


def test_a_connect_client_scores_and_diagnoses_as_a_local_run_does(
    flights: Flights, bare_python: str, tmp_path: Path
) -> None:
    pytest.importorskip("grpc", reason="needs the extra connect")
    with running_connect(tmp_path, python=bare_python) as uri:
        places = ("--set", "lakehouse.gold=connected", "--set", f"session.remote={uri}")
        scored = run(flights, "score", *places)
        assert (scored["status"], scored["rows_in"], scored["rows_with_issue"]) == ("published", 240, 0)
        flights.assert_same_as_local("connected")
        assert run(flights, "diagnose", *places)["status"] == "unchanged"
        assert run(flights, "diagnose", "--force", *places)["diagnostics"]["windows"] == 4
        noted = run_in_notebook(flights, "score", "--set", "lakehouse.gold=noted", uri=uri)
        assert (noted["status"], noted["rows_in"], noted["rows_with_issue"]) == ("published", 240, 0)
    flights.assert_same_as_local("noted")
    flights.assert_same_as_local("connected")


_NOTEBOOK = """
import sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.remote(sys.argv[1]).getOrCreate()
try:
    spark.sparkContext
except Exception:
    print("no context, as on serverless")
from brierlake.cli import main
main(sys.argv[2:])
"""


def run_in_notebook(flights: Flights, command: str, *arguments: str, uri: str) -> dict[str, dict[str, int]]:
    """The session is there already, has no context, and the config doesn't speak of it."""
    return answer_of(flights, "-c", _NOTEBOOK, uri, command, *arguments)


def run(flights: Flights, command: str, *arguments: str) -> dict[str, dict[str, int]]:
    return answer_of(flights, "-m", "brierlake", command, *arguments)


def answer_of(flights: Flights, *arguments: str) -> dict[str, dict[str, int]]:
    done = subprocess.run(
        [sys.executable, *arguments, "--config", "conf/cluster.yml", "--json"],
        cwd=ROOT,
        env=flights.environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-6000:]
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))
