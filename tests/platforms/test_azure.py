"""Azure storage: hadoop-azure against Azurite's Blob endpoint, with a shared key."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.conftest import Flights
from tests.cluster.processes import LOOPBACK, clean_environment, free_port, has_listener, running, wait_until
from tests.platforms.lakes import Lake, assert_exclusive, assert_refused, race, score_as_in_a_folder
from tests.platforms.parts import npm_package

_HOST = "devstoreaccount1.dfs.core.windows.net"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Published by Microsoft: every emulator's."""


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory, bare_python: str) -> Iterator[Lake]:
    folder, port = tmp_path_factory.mktemp("azurite"), free_port()
    program = npm_package("azurite", holding="azurite/dist/src/blob/main.js")
    command = [
        *("node", str(program), "--blobHost", LOOPBACK, "--blobPort", str(port), "--inMemoryPersistence"),
        *("--skipApiVersionCheck", "--loose", "--disableProductStyleUrl", "--disableTelemetry", "--silent"),
    ]
    options = {
        "abfs.endpoint": f"{LOOPBACK}:{port}",
        "always.use.https": "false",  # so abfs://, for abfss:// always speaks TLS
        "account.auth.type": "SharedKey",
        f"account.key.{_HOST}": _KEY,
        "account.hns.enabled": "false",  # Azurite has no endpoint for hierarchical namespaces
        "fns.account.service.type": "BLOB",
        "createRemoteFileSystemDuringInitialization": "true",
        "networking.library": "JDK_HTTP_URL_CONNECTION",
        "io.retry.max.retries": "2",
    }
    conf = {f"spark.hadoop.fs.azure.{name}": value for name, value in options.items()}
    with running(command, log=folder / "azurite.log", environment=clean_environment()):
        wait_until(lambda: has_listener(port), "Azurite's port")
        yield Lake(f"abfs://brierlake@{_HOST}/lake", "conf/spark-abfs.conf", conf, bare_python, store="abfs")


def test_a_lake_on_azure_gets_the_same_tables_and_the_job_ends(lake: Lake, flights: Flights) -> None:
    score_as_in_a_folder(lake, flights, layer="azure")


def test_of_three_drivers_one_makes_each_commit(lake: Lake, flights: Flights, tmp_path: Path) -> None:
    racers = race(lake, flights, tmp_path, log_store="io.delta.storage.AzureLogStore")
    assert_exclusive(racers)


def test_a_wrong_key_is_one_sentence_and_the_job_ends(lake: Lake, flights: Flights) -> None:
    wrong = lake.with_conf(**{f"spark.hadoop.fs.azure.account.key.{_HOST}": "d3Jvbmc="})
    assert_refused(wrong.score(flights=flights), code=6, words=r"(?i)403|forbidden|authenticat")


def test_a_container_that_is_not_there_is_named(lake: Lake, flights: Flights) -> None:
    gone = lake.with_conf(**{"spark.hadoop.fs.azure.createRemoteFileSystemDuringInitialization": "false"})
    answer = gone.score("--set", f"lakehouse.root=abfs://absent@{_HOST}/lake", flights=flights)
    assert_refused(answer, code=6, words="absent@")
