"""spark-submit of a checkout to a real standalone cluster: neither driver nor workers have brierlake installed."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.conftest import Flights
from tests.cluster.processes import (
    ROOT,
    Cluster,
    alive_workers,
    clean_environment,
    running_cluster,
    submitted,
    wait_until,
)

pytestmark = pytest.mark.slow

SCORE = ("jobs/score.py", "--config", "conf/cluster.yml", "--json")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with running_cluster(tmp_path, worker_count=2) as started:
        yield started


def test_a_cluster_scores_publishes_and_diagnoses_as_a_local_run_does(
    flights: Flights, cluster: Cluster, bare_python: str, tmp_path: Path
) -> None:

    with submitted(
        *SCORE,
        master=cluster.master,
        python=bare_python,
        environment=clean_environment(**flights.variables),
        folder=tmp_path,
    ) as job:
        summary = job.finish()
    assert (summary["status"], summary["rows_in"], summary["rows_with_issue"]) == ("published", 240, 0)
    assert summary["diagnostics"]["windows"] == 4
    flights.assert_same_as_local("gold")


@pytest.mark.long
def test_a_worker_killed_while_it_publishes_changes_nothing(
    flights: Flights, cluster: Cluster, bare_python: str, tmp_path: Path
) -> None:
    arguments = (*SCORE, "--set", "lakehouse.gold=survived")
    with submitted(
        *arguments,
        master=cluster.master,
        python=bare_python,
        environment=clean_environment(**flights.variables),
        folder=tmp_path,
    ) as job:
        job.wait_for("Scoring 240 rows", job.out)
        victim, executor, before = cluster.workers[0].pid, cluster.executor_of(0), job.log_length
        os.killpg(victim, signal.SIGSTOP)  # what it is given from here on, it holds and never finishes
        job.wait_for(rf"Starting task .*executor {executor},", job.err, after=before)
        os.killpg(victim, signal.SIGKILL)
        wait_until(lambda: alive_workers(cluster.web_port) == 1, "the master misses the worker")
        assert job.finish()["status"] == "published"
        job.wait_for("failed because while it was being computed, its executor exited", job.err, after=before)
    flights.assert_same_as_local("survived")


def packed_environment(folder: Path) -> Path:
    """Does what jobs/README.md says, in its own words."""
    told = (ROOT / "jobs" / "README.md").read_text(encoding="utf-8")
    words = re.search(r"<!-- archive -->\n```bash\n(.*?)```\n<!-- end -->", told, re.DOTALL)
    assert words is not None
    script = words.group(1)
    (folder / "conf").symlink_to(ROOT / "conf")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(["bash", "-euxc", script], cwd=folder, env=clean_environment(PATH=path), check=True)
    return folder / "env.tar.gz"


@pytest.mark.long
def test_executors_take_their_packages_from_an_archive(
    flights: Flights, cluster: Cluster, bare_python: str, tmp_path: Path
) -> None:
    archive = packed_environment(tmp_path)
    with submitted(
        "--archives",
        f"{archive}#env",
        *SCORE,
        "--set",
        "lakehouse.gold=archived",
        master=cluster.master,
        python="./env/bin/python",  # in the executor's own folder: nothing but the archive can have put it there
        conf={"spark.pyspark.driver.python": bare_python},
        environment=clean_environment(**flights.variables),
        folder=tmp_path,
    ) as job:
        assert job.finish()["status"] == "published"
    flights.assert_same_as_local("archived")
