"""Google storage: Google's own connector against fake-gcs-server."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.conftest import Flights
from tests.cluster.processes import LOOPBACK, clean_environment, free_port, has_listener, running, wait_until
from tests.platforms.lakes import Lake, assert_exclusive, assert_refused, race, score_as_in_a_folder
from tests.platforms.parts import go_program, maven_jar


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory, bare_python: str) -> Iterator[Lake]:
    folder, port = tmp_path_factory.mktemp("gcs"), free_port()
    program = go_program("github.com/fsouza/fake-gcs-server@latest")
    connector = maven_jar("com.google.cloud.bigdataoss:gcs-connector:4.0.0:jar:shaded")
    url = f"http://{LOOPBACK}:{port}"
    command = [
        *(str(program), "-scheme", "http", "-host", LOOPBACK, "-port", str(port), "-backend", "memory"),
        *("-external-url", url, "-public-host", f"{LOOPBACK}:{port}"),
    ]
    options = {
        "storage.root.url": f"{url}/",
        "auth.type": "UNAUTHENTICATED",
        "project.id": "p",
        "client.type": "HTTP_API_CLIENT",
        "operation.move.enable": "false",  # the emulator can't
    }
    conf = {f"spark.hadoop.fs.gs.{name}": value for name, value in options.items()} | {"spark.jars": str(connector)}
    with running(command, log=folder / "gcs.log", environment=clean_environment()):
        wait_until(lambda: has_listener(port), "the emulator's port")
        made = urllib.request.Request(  # noqa: S310 - loopback
            f"{url}/storage/v1/b?project=p",
            data=json.dumps({"name": "brierlake"}).encode(),
            headers={"Content-Type": "application/json"},
        )
        urllib.request.urlopen(made, timeout=30).close()  # noqa: S310
        yield Lake("gs://brierlake/lake", "conf/spark-gcs.conf", conf, bare_python)


def test_a_lake_on_google_storage_gets_the_same_tables_and_the_job_ends(lake: Lake, flights: Flights) -> None:
    score_as_in_a_folder(lake, flights, layer="google")


def test_of_three_drivers_one_makes_each_commit(lake: Lake, flights: Flights, tmp_path: Path) -> None:
    assert_exclusive(race(lake, flights, tmp_path, log_store="io.delta.storage.GCSLogStore"))


def test_a_bucket_that_is_not_there_is_named(lake: Lake, flights: Flights) -> None:
    answer = lake.score("--set", "lakehouse.root=gs://absent/lake", flights=flights)
    assert_refused(answer, code=6, words="gs://absent")
