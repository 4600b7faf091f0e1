"""spark-submit of a checkout to a real standalone cluster: neither driver nor workers have brierlake installed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.conftest import Flights
from tests.cluster.processes import (
    Cluster,
    clean_environment,
    running_cluster,
    submitted,
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
