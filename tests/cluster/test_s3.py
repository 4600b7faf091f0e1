"""The job with its lake in an S3-compatible server: moto's, on loopback.

The first start fetches Amazon's SDK, 690 MB, which Ivy keeps; with that there it took seven minutes on two busy cores.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.conftest import Flights
from tests.cluster.processes import (
    LOOPBACK,
    clean_environment,
    free_port,
    has_listener,
    running,
    submitted,
    wait_until,
)
from tests.platforms.parts import python_with

pytestmark = pytest.mark.slow

COPY = """
import sys, boto3
from pathlib import Path
endpoint, direction, prefix, folder = sys.argv[1:]
s3, folder = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1"), Path(folder)
if direction == "up":
    s3.create_bucket(Bucket="brierlake")
    for file in (each for each in folder.rglob("*") if each.is_file()):
        s3.upload_file(str(file), "brierlake", f"{prefix}/{file.relative_to(folder)}")
else:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket="brierlake", Prefix=prefix + "/"):
        for key in (each["Key"] for each in page["Contents"] if not each["Key"].endswith("/")):
            target = folder / key.removeprefix(prefix + "/")
            target.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file("brierlake", key, str(target))
"""


def keys(**variables: str) -> dict[str, str]:
    return clean_environment(**dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "testing"), **variables)


@pytest.fixture(scope="module")
def moto() -> str:
    return python_with("moto", ("moto[s3,server]==5.2.5",))


@pytest.fixture
def endpoint(moto: str, tmp_path: Path) -> Iterator[str]:
    port = free_port()
    command = [moto, "-m", "moto.server", "-H", LOOPBACK, "-p", str(port)]
    with running(command, log=tmp_path / "moto.log", environment=keys()):
        wait_until(lambda: has_listener(port), "moto's port")
        yield f"http://{LOOPBACK}:{port}"


def test_a_lake_in_s3_gets_the_same_tables(
    flights: Flights, endpoint: str, moto: str, bare_python: str, tmp_path: Path
) -> None:
    lake = flights.folder / "lake"
    subprocess.run([moto, "-c", COPY, endpoint, "up", "lake/silver", str(lake / "silver")], check=True, env=keys())
    environment = keys(**{**flights.variables, "BRIERLAKE_LAKE": "s3a://brierlake/lake"})
    conf = {
        "spark.hadoop.fs.s3a.endpoint": endpoint,
        "spark.hadoop.fs.s3a.endpoint.region": "us-east-1",
        "spark.hadoop.fs.s3a.path.style.access": "true",
    }
    with submitted(
        *("jobs/score.py", "--config", "conf/cluster.yml", "--json"),
        master="local[2]",
        python=bare_python,
        environment=environment,
        folder=tmp_path,
        conf=conf,
        properties="conf/spark-s3.conf",
        store="s3",
    ) as job:
        summary = job.finish()
    assert (summary["status"], summary["rows_in"]) == ("published", 240)
    assert "only one Spark driver may write" in job.out.read_text(encoding="utf-8")
    subprocess.run([moto, "-c", COPY, endpoint, "down", "lake/gold", str(lake / "stored")], check=True, env=keys())
    flights.assert_same_as_local("stored")
