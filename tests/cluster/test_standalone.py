"""spark-submit of a checkout to a real standalone cluster: neither driver nor workers have brierlake installed."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.conftest import Flights
from tests.cluster.processes import (
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
