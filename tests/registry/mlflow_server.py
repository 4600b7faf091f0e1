"""A real MLflow server on loopback, and quick ways to fill a registry."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import requests
from mlflow import MlflowClient

DEADLINE_SECONDS = 180
_PYTHON = os.environ.get("BRIERLAKE_TESTS_SERVER_PYTHON", sys.executable)
"""`python -m tests.matrix` lets another MLflow serve."""


@dataclass(frozen=True)
class Server:
    """Where a server is, and where it keeps things."""

    uri: str
    folder: Path
    process_group: int | None = None

    @property
    def database(self) -> Path:
        return self.folder / "mlflow.db"

    @property
    def artifacts(self) -> Path:
        return self.folder / "artifacts"


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_server(
    folder: Path,
    *,
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    python: str = _PYTHON,
    store: str | None = None,
) -> Iterator[Server]:
    """Starts `mlflow server` with local artifacts, and waits until it answers.

    Its runners of background jobs, seven processes that evaluate traces, are left out.

    Args:
        store: Address of its database; null: SQLite in the folder.
    """
    port = free_port()
    where = Server(f"http://127.0.0.1:{port}", folder)
    command = [
        *(python, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", "1", "--backend-store-uri", store or f"sqlite:///{where.database}"),
        *("--artifacts-destination", str(where.artifacts), *arguments),
    ]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "OMP_NUM_THREADS": "1"}
    settings = {**clean, **quiet, **(environment or {})}
    log = folder / "server.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, cwd=folder, env=settings, stdout=stream, stderr=stream, start_new_session=True
        )
    try:
        _wait(where, process, log)
        yield replace(where, process_group=process.pid)
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # asked politely it waits for our idle connections
        process.wait()


def _wait(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"mlflow server ended with {process.returncode}:\n{log.read_text()[-3000:]}")
        try:
            with urllib.request.urlopen(f"{server.uri}/health", timeout=5) as answer:  # noqa: S310 - loopback
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.3)
    raise RuntimeError(f"mlflow server didn't answer in {DEADLINE_SECONDS} s:\n{log.read_text()[-3000:]}")


def fill_names(client: MlflowClient, database: Path, names: Sequence[str], *, versions: int, files: Path) -> None:
    """Registers so many versions under each name; only the best, version 1 of the first name, has files.

    One run logged through MLflow takes a tenth of a second, and a thousand are wanted: so rows are copied, each with
    a `brier` of its own.
    """
    for place, name in enumerate(names):
        run = client.create_run("0")
        client.log_metric(run.info.run_id, "brier", 0.05 if place == 0 else 0.06, 1000, 0)
        if place == 0:
            client.log_artifacts(run.info.run_id, str(files), "model")
        client.set_terminated(run.info.run_id)
        client.create_registered_model(name)
        client.create_model_version(name, f"runs:/{run.info.run_id}/model", run.info.run_id, await_creation_for=0)
        with closing(sqlite3.connect(database, timeout=30)) as connection, connection:
            for number in range(2, versions + 1):
                _copy_version(connection, name, run.info.run_id, number, value=0.1 + number / 1000 + place / 10_000)


def _copy_version(connection: sqlite3.Connection, name: str, template: str, number: int, *, value: float) -> None:
    run_id = uuid.uuid4().hex
    for table in ("runs", "metrics", "latest_metrics", "tags", "params"):
        _copy(connection, table, {"run_uuid": template}, {"run_uuid": run_id, "value": value})
    source = f"runs:/{run_id}/model"
    changes = {"version": number, "run_id": run_id, "source": source, "storage_location": source}
    _copy(connection, "model_versions", {"name": name, "version": 1}, changes)


@contextmanager
def hanging(server: Server) -> Iterator[None]:
    """Lets the server take calls and answer none of them."""
    assert server.process_group is not None
    os.killpg(server.process_group, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(server.process_group, signal.SIGCONT)


@contextmanager
def counted_requests() -> Iterator[list[str]]:
    """Collects method and path of every HTTP request of this process while it lasts."""
    seen: list[str] = []
    send = requests.Session.send

    def counting(session: requests.Session, request: requests.PreparedRequest, **settings: Any) -> requests.Response:
        seen.append(f"{request.method} {request.path_url.partition('?')[0]}")
        return send(session, request, **settings)

    with patch.object(requests.Session, "send", counting):
        yield seen


def _copy(
    connection: sqlite3.Connection, table: str, which: Mapping[str, object], changes: Mapping[str, object]
) -> None:
    # `value` is replaced in the metric tables only: tags and params have a column of that name too
    kept = {key: value for key, value in changes.items() if key != "value" or "metrics" in table}
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    chosen = [f":{column}" if column in kept else column for column in columns]
    where = " AND ".join(f"{column} = :old_{column}" for column in which)
    connection.execute(
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(chosen)} FROM {table} WHERE {where}",
        {**kept, **{f"old_{column}": value for column, value in which.items()}},
    )
