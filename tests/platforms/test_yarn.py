"""YARN with HDFS, client and cluster mode: what a scheduler gets of a run whose driver is elsewhere."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from brierlake.installed import find_packages
from tests.cluster.conftest import Flights
from tests.cluster.processes import ROOT, SPARK_HOME, clean_environment, submit_command, summary_in, wait_until
from tests.platforms.parts import maven_jar

_JARS = (
    f"org.apache.hadoop:hadoop-client-minicluster:{find_packages('s3')[1].rpartition(':')[2]}",
    *("org.junit.jupiter:junit-jupiter-api:5.11.4", "org.junit.platform:junit-platform-commons:1.11.4"),
    "org.opentest4j:opentest4j:1.3.0",
    *(
        f"org.bouncycastle:{name}-jdk18on:1.80{'' if name == 'bcpkix' else '.2'}"
        for name in ("bcprov", "bcutil", "bcpkix")
    ),
)
_CLUSTER = ("--deploy-mode", "cluster")


@dataclass(frozen=True)
class Yarn:
    """A cluster, and how spark-submit gets there."""

    folder: Path
    hdfs: str
    python: str
    flights: Flights

    def submit(self, *arguments: str, deploy: tuple[str, ...] = (), **conf: str) -> subprocess.CompletedProcess[str]:
        variables = {**self.flights.variables, "BRIERLAKE_LAKE": f"{self.hdfs}/lake"}
        settings = {
            "spark.yarn.jars": f"local:{SPARK_HOME}/jars/*",  # on a real cluster they are uploaded, or lie there
            "spark.executor.memory": "600m",
            "spark.driver.memory": "800m",
            "spark.executor.instances": "1",
            **({f"spark.yarn.appMasterEnv.{name}": value for name, value in variables.items()} if deploy else {}),
            **({"spark.yarn.appMasterEnv.PYSPARK_PYTHON": self.python} if deploy else {}),
            **conf,
        }
        command = submit_command(*deploy, *arguments, master="yarn", python=self.python, conf=settings)
        environment = clean_environment(**variables, HADOOP_CONF_DIR=str(self.folder / "conf"))
        return subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=400
        )

    def files(self, *arguments: str) -> str:
        """Runs `hadoop fs`."""
        done = subprocess.run(
            [str(SPARK_HOME / "bin" / "spark-class"), "org.apache.hadoop.fs.FsShell", *arguments],
            env=clean_environment(HADOOP_CONF_DIR=str(self.folder / "conf")),
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def started_drivers(self) -> list[str]:
        """One entry for each time that YARN started the driver of a run, or what stands for it in client mode."""
        return sorted(each.name for each in self.folder.rglob("container_*_000001") if "logDir" in str(each))


@pytest.fixture(scope="module")
def yarn(tmp_path_factory: pytest.TempPathFactory, flights: Flights, bare_python: str) -> Iterator[Yarn]:
    if shutil.which("javac") is None:
        pytest.skip("the mini cluster is compiled, and there is no javac here")
    folder = tmp_path_factory.mktemp("yarn")
    path = ":".join([*(str(maven_jar(each)) for each in _JARS), f"{SPARK_HOME}/jars/*"])
    for name in ("conf", "classes"):
        (folder / name).mkdir()
    source = Path(__file__).with_name("MiniYarn.java")
    subprocess.run(["javac", "-nowarn", "-cp", path, "-d", str(folder / "classes"), str(source)], check=True)
    java = ("java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{folder}/classes:{path}")
    with (
        (folder / "out").open("wb") as out,
        (folder / "err").open("wb") as errors,
        subprocess.Popen(
            [*java, "MiniYarn", "conf"], cwd=folder, stdin=subprocess.PIPE, stdout=out, stderr=errors
        ) as process,
    ):
        try:
            said = lambda: "ready" in (folder / "out").read_text()  # noqa: E731
            wait_until(lambda: said() or process.poll() is not None, "the mini cluster", seconds=120)
            assert said(), (folder / "err").read_text()[-3000:]
            hdfs = (folder / "out").read_text().split()[-1]
            made = Yarn(folder, hdfs, bare_python, flights)
            made.files("-mkdir", "-p", f"{hdfs}/lake")
            made.files("-put", f"{flights.folder}/lake/silver", f"{hdfs}/lake/silver")
            yield made
        finally:
            process.kill()


def zipped(folder: Path) -> str:
    return shutil.make_archive(str(folder / "brierlake"), "zip", ROOT / "lib", "brierlake")


def test_client_mode_gets_the_same_tables_and_then_nothing_changes(yarn: Yarn) -> None:
    command = ("jobs/score.py", "--config", "conf/cluster.yml", "--json", "--quiet")
    first = yarn.submit(*command)
    assert first.returncode == 0, first.stderr[-4000:]
    assert summary_in(first.stdout)["status"] == "published"
    again = yarn.submit(*command)
    assert summary_in(again.stdout)["status"] == "unchanged"
    yarn.files("-get", f"{yarn.hdfs}/lake/gold", f"{yarn.flights.folder}/lake/yarn")
    yarn.flights.assert_same_as_local("yarn", is_copied=True)  # the recipe names the place of the tables


def in_cluster_mode(yarn: Yarn, folder: Path, name: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Returns spark-submit's exit code, and the summary that it can't show."""
    where = f"{yarn.hdfs}/summaries/{name}.json"
    deploy = (*_CLUSTER, "--py-files", zipped(folder), "--files", "conf/cluster.yml")
    job = ("jobs/score.py", "--config", "cluster.yml", "--summary-to", where)
    done = yarn.submit(*job, "--set", f"lakehouse.gold={name}", *arguments, deploy=deploy)
    return done.returncode, json.loads(yarn.files("-cat", where))


def test_cluster_mode_leaves_its_summary_where_a_scheduler_looks(yarn: Yarn, tmp_path: Path) -> None:
    code, summary = in_cluster_mode(yarn, tmp_path, "clustered")
    assert (code, summary["status"], summary["exit_code"], summary["rows_in"]) == (0, "published", 0, 240)


def test_in_cluster_mode_a_breached_gate_is_known_from_its_summary_and_isnt_tried_again(
    yarn: Yarn, tmp_path: Path
) -> None:
    before = len(yarn.started_drivers())
    gates = '[{"metric": "brier", "max": 0.01, "grain": "all"}]'
    code, summary = in_cluster_mode(yarn, tmp_path, "gated", "--set", f"gates={gates}")
    assert code == 1  # all that spark-submit says of a driver elsewhere
    assert (summary["exit_code"], len(summary["breaches"])) == (5, 1)
    assert len(yarn.started_drivers()) == before + 1


def test_in_cluster_mode_a_failure_is_known_from_its_summary_and_isnt_tried_again(yarn: Yarn, tmp_path: Path) -> None:
    before = len(yarn.started_drivers())
    code, summary = in_cluster_mode(yarn, tmp_path, "failed", "--set", "model.names=[absent]")
    assert code == 1
    assert (summary["exit_code"], summary["status"]) == (3, "failed")
    assert "absent" in summary["error"]
    assert len(yarn.started_drivers()) == before + 1


def test_the_environment_travels_as_an_archive(yarn: Yarn, tmp_path: Path) -> None:
    """A Python that is nowhere on the nodes: a packed folder, with links to the interpreter of the machine."""
    packed = tmp_path / "env.tar.gz"
    environment = Path(yarn.python).parents[1]
    subprocess.run(["tar", "-czf", str(packed), "-C", str(environment), "."], check=True)
    done = yarn.submit(
        *("--archives", f"{packed}#env", "jobs/score.py", "--config", "conf/cluster.yml", "--json", "--quiet"),
        *("--set", "lakehouse.gold=archived"),
        **{
            "spark.pyspark.python": "./env/bin/python",
            "spark.pyspark.driver.python": yarn.python,
            "spark.executorEnv.PYTHONNOUSERSITE": "1",
        },
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert summary_in(done.stdout)["rows_scored"] == 240
