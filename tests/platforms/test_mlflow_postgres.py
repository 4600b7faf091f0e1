"""MLflow's server on PostgreSQL, with basic auth and artifacts that go through it."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mlflow
import pytest
import requests
import yaml
from click.testing import CliRunner
from mlflow import MlflowClient
from mlflow.models import infer_signature
from pyspark.sql import SparkSession
from sklearn.linear_model import LogisticRegression

from brierlake.cli import main
from brierlake.config import MlflowConfig, ModelConfig
from brierlake.registry import connect, resolve_model
from tests.cluster.processes import LOOPBACK, free_port
from tests.platforms.parts import postgres_programs, python_with
from tests.registry.mlflow_server import Server, counted_requests, running_server
from tests.world import SAMPLE, World, lay_out, log_versions

_PASSWORD = "a-long-enough-password"  # noqa: S105 - of a server that lives for one test run
_VERSIONS = 1000


def as_postgres(*command: str) -> None:
    """PostgreSQL won't run as root."""
    first = ("runuser", "-u", "postgres", "--") if os.geteuid() == 0 else ()
    subprocess.run([*first, *command], check=True, capture_output=True)


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """Address of a database server, without a database's name."""
    programs, folder, port = postgres_programs(), Path(f"/tmp/brierlake-pg-{os.getpid()}"), free_port()  # noqa: S108 - a short path
    folder.mkdir()
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    as_postgres(str(programs / "initdb"), "-D", f"{folder}/data", "-A", "trust", "-U", "postgres")
    options = f"-p {port} -c listen_addresses={LOOPBACK} -k {folder} -c fsync=off"
    control = (str(programs / "pg_ctl"), "-D", f"{folder}/data", "-w")
    as_postgres(*control, "-l", f"{folder}/log", "-o", options, "start")
    try:
        for name in ("mlflow", "auth"):
            as_postgres(str(programs / "createdb"), "-h", LOOPBACK, "-p", str(port), "-U", "postgres", name)
        yield f"postgresql+psycopg2://postgres@{LOOPBACK}:{port}"
    finally:
        as_postgres(*control, "-m", "fast", "stop")
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def server(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("guarded")
    python = python_with("mlflow-server", [f"mlflow=={mlflow.__version__}", "flask-wtf<2", "psycopg2-binary"])
    settings = folder / "auth.ini"
    settings.write_text(
        f"[mlflow]\ndefault_permission = NO_PERMISSIONS\ndatabase_uri = {database}/auth\n"
        f"admin_username = admin\nadmin_password = {_PASSWORD}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    environment = {"MLFLOW_AUTH_CONFIG_PATH": str(settings), "MLFLOW_FLASK_SERVER_SECRET_KEY": "secret"}
    with running_server(
        folder,
        python=python,
        store=f"{database}/mlflow",
        arguments=["--app-name", "basic-auth"],
        environment=environment,
    ) as running:
        ask(running, "2.0", "users/create", username="reader", password=_PASSWORD)
        yield running


def ask(server: Server, version: str, path: str, **sent: Any) -> None:
    answer = requests.post(
        f"{server.uri}/api/{version}/mlflow/{path}", json=sent, auth=("admin", _PASSWORD), timeout=30
    )
    assert answer.ok, answer.text


def log_in(monkeypatch: pytest.MonkeyPatch, user: str, password: str = _PASSWORD) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", user)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)


@pytest.fixture(scope="module")
def filled(server: Server) -> Server:
    """Two registered models, which `reader` may read."""
    with pytest.MonkeyPatch.context() as patch:
        log_in(patch, "admin")
        log_versions(server.folder, uri=server.uri)
        number = MlflowClient(server.uri).get_experiment_by_name("world").experiment_id
    for kind, which in (("registered_model", "first"), ("registered_model", "second"), ("experiment", number)):
        grant = {"username": "reader", "permission": "READ", "resource_type": kind, "resource_id": which}
        ask(server, "3.0", "users/permissions/grant", **grant)
    return server


@pytest.fixture
def job(filled: Server, spark: SparkSession, tmp_path: Path) -> World:
    shutil.copy(
        filled.folder / "auth.ini", tmp_path / "mlflow.db"
    )  # lay_out copies a store's file; this job has a server
    (tmp_path / "job").mkdir()
    made = lay_out(spark, tmp_path, tmp_path / "job")
    settings = yaml.safe_load(Path(made.path).read_text(encoding="utf-8"))
    settings["mlflow"] = {"tracking_uri": filled.uri, "log_runs": True, "experiment": "scored"}
    Path(made.path).write_text(yaml.safe_dump(settings), encoding="utf-8")
    return made


def call(world: World, command: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(main, [command, "--config", world.path, "--json", "--quiet", *arguments])
    return done.exit_code, json.loads(done.stdout.strip().splitlines()[-1])


def test_a_job_scores_by_files_that_come_through_the_server(job: World, monkeypatch: pytest.MonkeyPatch) -> None:
    log_in(monkeypatch, "admin")
    code, summary = call(job, "score")
    assert (code, summary["status"], summary["model"]["name"]) == (0, "published", "second")
    assert summary["mlflow_run_id"]
    assert call(job, "score")[1]["status"] == "unchanged"


@pytest.mark.parametrize(("user", "password"), [("", ""), ("admin", "wrong"), ("nobody", _PASSWORD)])
def test_bad_credentials_are_one_sentence(
    job: World, monkeypatch: pytest.MonkeyPatch, user: str, password: str
) -> None:
    if user:
        log_in(monkeypatch, user, password)
    begun = time.monotonic()
    code, summary = call(job, "score")
    assert code == 3
    assert "credentials (401)" in summary["error"]
    assert password not in summary["error"] or not password
    assert time.monotonic() - begun < 60


def test_who_may_only_read_scores_and_is_told_which_permission_is_missing(
    job: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(monkeypatch, "reader")
    code, summary = call(job, "score")
    assert (code, summary["status"]) == (0, "published")
    (note,) = summary["notes"]
    assert "Ask for EDIT permission" in note


def fill_name(server: Server, database: str, name: str) -> None:
    """Registers so many versions under one name, each with a run and a `brier` of its own: rows of the database, copied."""
    client = MlflowClient(server.uri)
    run_id = client.create_run(client.get_experiment_by_name("world").experiment_id).info.run_id
    client.log_metric(run_id, "brier", 0.05, 1000, 0)
    with TemporaryDirectory() as folder:
        model = LogisticRegression().fit(SAMPLE, [0, 1])
        signature = infer_signature(SAMPLE, model.predict_proba(SAMPLE)[:, 1])
        settings = {"signature": signature, "pip_requirements": ["scikit-learn"]}
        mlflow.sklearn.save_model(model, f"{folder}/model", **settings)
        client.log_artifacts(run_id, f"{folder}/model", "model")
    client.set_terminated(run_id)
    client.create_registered_model(name)
    client.create_model_version(name, f"runs:/{run_id}/model", run_id, await_creation_for=0)
    key = f"md5('{name}' || i)"
    run = f"jsonb_build_object('run_uuid', {key}, 'value', 0.1 + i / 10000.0)"
    source = f"'runs:/' || {key} || '/model'"
    version = f"jsonb_build_object('version', i, 'run_id', {key}, 'source', {source}, 'storage_location', {source})"
    rows = [("runs", f"run_uuid = '{run_id}'", run)]
    rows += [(table, f"run_uuid = '{run_id}'", run) for table in ("metrics", "latest_metrics")]
    rows += [("model_versions", f"name = '{name}'", version)]
    statements = [
        f"INSERT INTO {table} SELECT made.* FROM generate_series(2, {_VERSIONS}) AS i, (SELECT * FROM {table} WHERE {which}) "
        f"AS t, jsonb_populate_record(NULL::{table}, to_jsonb(t) || {changes}) AS made"
        for table, which, changes in rows
    ]
    where = database.replace("postgresql+psycopg2", "postgresql")
    arguments = [part for statement in statements for part in ("-c", statement)]
    subprocess.run(
        [str(postgres_programs() / "psql"), "-q", "-v", "ON_ERROR_STOP=1", f"{where}/mlflow", *arguments], check=True
    )


def test_a_thousand_versions_take_seconds(filled: Server, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    log_in(monkeypatch, "admin")
    fill_name(filled, database, "many")
    client = connect(MlflowConfig(tracking_uri=filled.uri))
    begun = time.monotonic()
    with counted_requests() as asked:
        found = resolve_model(client, ModelConfig(names=("many",)))
    print(f"{_VERSIONS} versions behind basic auth: {time.monotonic() - begun:.1f} s, {len(asked)} calls")
    assert len(found.candidates) == _VERSIONS
    assert found.metric_value == pytest.approx(0.05)
    assert len(asked) < _VERSIONS / 10
