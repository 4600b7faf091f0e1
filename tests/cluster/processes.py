"""Real Spark processes on loopback, and a Python for them that has none of ours."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import venv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyspark

from brierlake.installed import Store, find_packages
from tests.quick import QUICK_JVM

ROOT = Path(__file__).parents[2]
SPARK_HOME = Path(pyspark.__file__).parent
LOOPBACK = "127.0.0.1"
PROPERTIES = "conf/spark-defaults.conf"
_DEADLINE_SECONDS = 90


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def wait_until(is_ready: Callable[[], bool], what: str, *, seconds: float = _DEADLINE_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not is_ready():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(0.2)


def has_listener(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


def clean_environment(**extra: str) -> dict[str, str]:
    """What the machine has, without what would lead a process of Spark's to our sources."""
    ours = ("PYTHON", "PYSPARK", "SPARK", "MLFLOW", "BRIERLAKE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "SPARK_HOME": str(SPARK_HOME), "SPARK_LOCAL_IP": LOOPBACK, "SPARK_NO_DAEMONIZE": "1", **extra}


@contextmanager
def running(
    command: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str],
    out: Path | None = None,
    folder: Path | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Starts a process in a group of its own and kills the group at the end, with all that it started."""
    with log.open("ab") as errors, (out or log).open("ab") as output:
        process = subprocess.Popen(
            list(command),
            stdout=output,
            stderr=errors,
            env=dict(environment),
            start_new_session=True,
            cwd=folder or log.parent,
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@dataclass(frozen=True)
class Cluster:
    """A standalone cluster: where it is, and the processes of its workers (each the head of its group)."""

    master: str
    web_port: int
    workers: tuple[subprocess.Popen[bytes], ...]
    folder: Path

    def executor_of(self, worker: int) -> str:
        """Returns the number that the one application that runs gave its executor there."""
        return max(self.folder.glob(f"work-{worker}/app-*/*")).name


def alive_workers(port: int) -> int:
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/json/", timeout=5) as answer:
            return int(json.load(answer)["aliveworkers"])
    except (OSError, json.JSONDecodeError):  # while it starts, or another master asked for the same port first
        return 0


@contextmanager
def running_cluster(folder: Path, *, worker_count: int) -> Iterator[Cluster]:
    port, web_port = free_port(), free_port()
    environment = clean_environment(SPARK_DAEMON_MEMORY="256m")
    start = str(SPARK_HOME / "bin" / "spark-class")
    master = f"spark://{LOOPBACK}:{port}"
    head = [start, "org.apache.spark.deploy.master.Master", "--host", LOOPBACK, "--port", str(port)]
    hand = [start, "org.apache.spark.deploy.worker.Worker", "--host", LOOPBACK, "--cores", "1", "--memory", "1g"]
    with ExitStack() as stack:
        stack.enter_context(
            running([*head, "--webui-port", str(web_port)], log=folder / "master.log", environment=environment)
        )
        wait_until(lambda: has_listener(port), "the master's port")
        workers = tuple(
            stack.enter_context(
                running(
                    [*hand, "--webui-port", "0", "--work-dir", str(folder / f"work-{k}"), master],
                    log=folder / f"worker-{k}.log",
                    environment=environment,
                )
            )
            for k in range(worker_count)
        )
        wait_until(lambda: alive_workers(web_port) == worker_count, f"{worker_count} workers at the master")
        yield Cluster(master, web_port, workers, folder)


def make_bare_python(folder: Path) -> str:
    """A Python with the third-party packages of this one, and without brierlake, however that is installed here."""
    venv.create(folder, with_pip=False, symlinks=True)
    here = next(Path(each) for each in sys.path if each.endswith("site-packages"))
    # the .pth files of a folder that comes by a .pth file aren't read: an editable install doesn't come along
    next(folder.glob("lib/python*/site-packages")).joinpath("shared.pth").write_text(f"{here}\n", encoding="utf-8")
    python = str(folder / "bin" / "python")
    has_ours = subprocess.run(
        [python, "-c", "import pyspark, mlflow, brierlake"],
        capture_output=True,
        text=True,
        env=clean_environment(),
        check=False,
    )
    assert "No module named 'brierlake'" in has_ours.stderr, has_ours.stderr
    return python


def summary_in(output: str) -> dict[str, Any]:
    """Returns the summary of --json: spark-submit may put what Python says on stderr behind it."""
    lines = [line for line in output.splitlines() if line.startswith("{")]
    assert lines, output[-2000:]
    return dict(json.loads(lines[-1]))


@dataclass(frozen=True)
class Submission:
    """A spark-submit that runs, or ran: `out` has all that Python prints, `err` is Spark's log."""

    process: subprocess.Popen[bytes]
    out: Path
    err: Path

    def wait_for(self, pattern: str, file: Path, *, after: int = 0) -> None:
        """Waits until a file says it, behind its first `after` characters."""

        def is_said() -> bool:
            return re.search(pattern, file.read_text(encoding="utf-8")[after:]) is not None

        wait_until(lambda: is_said() or self.process.poll() is not None, pattern, seconds=180)
        assert is_said(), f"{pattern} isn't in {file.read_text(encoding='utf-8')[after:][-6000:]}"

    @property
    def log_length(self) -> int:
        return len(self.err.read_text(encoding="utf-8"))

    def finish(self) -> dict[str, Any]:
        """Returns the summary of --json."""
        code = self.process.wait(timeout=300)
        assert code == 0, self.out.read_text(encoding="utf-8")[-2000:] + self.err.read_text(encoding="utf-8")[-6000:]
        return dict(json.loads(self.out.read_text(encoding="utf-8").strip().splitlines()[-1]))


def submit_command(
    *arguments: str,
    master: str,
    python: str,
    conf: Mapping[str, str] | None = None,
    properties: str = PROPERTIES,
    store: Store | None = None,
) -> list[str]:
    """The README's spark-submit with the places of this test."""
    settings = {
        "spark.pyspark.python": python,
        "spark.driver.host": LOOPBACK,
        "spark.driver.memory": "1g",
        "spark.driver.extraJavaOptions": QUICK_JVM,
        "spark.executor.extraJavaOptions": QUICK_JVM,
        "spark.executor.memory": "768m",
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.databricks.delta.snapshotPartitions": "2",
        **(conf or {}),
    }
    given = [part for name, value in settings.items() for part in ("--conf", f"{name}={value}")]
    submit = str(SPARK_HOME / "bin" / "spark-submit")
    packages = ("--packages", ",".join(find_packages(store)))
    return [submit, "--master", master, *packages, "--properties-file", properties, *given, *arguments]


@contextmanager
def submitted(
    *arguments: str,
    master: str,
    python: str,
    environment: Mapping[str, str],
    folder: Path,
    conf: Mapping[str, str] | None = None,
    properties: str = PROPERTIES,
    store: Store | None = None,
) -> Iterator[Submission]:
    """Starts spark-submit from the project's folder; what it started is gone at the end."""
    out, err = folder / "submit.out", folder / "submit.err"
    command = submit_command(*arguments, master=master, python=python, conf=conf, properties=properties, store=store)
    with running(command, log=err, out=out, environment=environment, folder=ROOT) as process:
        yield Submission(process, out, err)


@contextmanager
def running_connect(folder: Path, *, python: str) -> Iterator[str]:
    """Starts a Spark Connect server of its own with Delta, whose Python has none of ours; yields its address."""
    port = free_port()
    server = ("--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "spark-internal")
    conf = {"spark.connect.grpc.binding.address": LOOPBACK, "spark.connect.grpc.binding.port": str(port)}
    command = submit_command(*server, master="local[2]", python=python, conf=conf)
    environment = clean_environment(PYSPARK_PYTHON=python)
    with running(command, log=folder / "connect.log", environment=environment, folder=ROOT):
        wait_until(lambda: has_listener(port), "the Connect server's port")
        yield f"sc://{LOOPBACK}:{port}"
