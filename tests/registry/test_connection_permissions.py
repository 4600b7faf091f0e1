"""A server that asks who one is: wrong credentials, and models that may not be seen."""

from collections.abc import Iterator

import mlflow
import pytest
import requests
from mlflow_server import Server, running_server
from registries import Registry, open_registry

from brierlake.config import MlflowConfig, ModelConfig
from brierlake.errors import ModelError
from brierlake.registry import connect, resolve_model

pytest.importorskip("flask_wtf", reason="mlflow's basic-auth app needs Flask-WTF")
pytestmark = pytest.mark.slow
PASSWORD = "a-long-enough-password"  # noqa: S105 - of a server that lives for one test run


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("guarded")
    settings = folder / "auth.ini"
    settings.write_text(
        f"[mlflow]\ndefault_permission = NO_PERMISSIONS\ndatabase_uri = sqlite:///{folder}/auth.db\n"
        f"admin_username = admin\nadmin_password = {PASSWORD}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
        "auth_cache_ttl_seconds = 600\n"  # checking a password is slow on purpose
    )
    environment = {"MLFLOW_AUTH_CONFIG_PATH": str(settings), "MLFLOW_FLASK_SERVER_SECRET_KEY": "secret"}
    with running_server(folder, arguments=["--app-name", "basic-auth"], environment=environment) as server:
        answer = requests.post(
            f"{server.uri}/api/2.0/mlflow/users/create",
            json={"username": "reader", "password": PASSWORD},
            auth=("admin", PASSWORD),
            timeout=30,
        )
        assert answer.ok, answer.text
        yield server


def log_in(monkeypatch: pytest.MonkeyPatch, user: str, password: str = PASSWORD) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", user)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)


@pytest.fixture
def owned(guarded: Server, monkeypatch: pytest.MonkeyPatch, trained, signature) -> Registry:
    log_in(monkeypatch, "admin")
    return open_registry(guarded, trained, signature)


def allow(owned: Registry, kind: str, which: str) -> None:
    answer = requests.post(
        f"{owned.server.uri}/api/3.0/mlflow/users/permissions/grant",
        json={"username": "reader", "permission": "READ", "resource_type": kind, "resource_id": which},
        auth=("admin", PASSWORD),
        timeout=30,
    )
    assert answer.ok, answer.text


@pytest.mark.parametrize(("user", "password"), [("nobody", PASSWORD), ("admin", "wrong"), (None, None)])
def test_wrong_credentials(
    guarded: Server, monkeypatch: pytest.MonkeyPatch, user: str | None, password: str | None
) -> None:
    if user is not None:
        log_in(monkeypatch, user, str(password))
    with pytest.raises(ModelError, match=r"doesn't accept the credentials \(401\)\. Set MLFLOW_TRACKING_USERNAME"):
        connect(MlflowConfig(tracking_uri=guarded.uri))


def test_model_that_may_not_be_seen_isnt_an_empty_one(
    owned: Registry, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owned.log_version(name, (0.1, 0, 1000))
    log_in(monkeypatch, "reader")
    client = connect(MlflowConfig(tracking_uri=owned.server.uri))
    assert client.search_model_versions(f"name = '{name}'") == []
    with pytest.raises(ModelError, match=rf"doesn't let this user see the registered model '{name}' \(403\)"):
        resolve_model(client, ModelConfig(names=(name,)))
    with pytest.raises(ModelError, match=r"doesn't let this user .* \(403\). Ask for READ"):
        resolve_model(client, ModelConfig(pin=f"{name}/1"))


def test_run_that_may_not_be_read_isnt_a_missing_one(
    owned: Registry, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owned.log_version(name, (0.1, 0, 1000))
    allow(owned, "registered_model", name)
    log_in(monkeypatch, "reader")
    client = connect(MlflowConfig(tracking_uri=owned.server.uri))
    with pytest.raises(ModelError, match=r"1 x its run may not be read by this user \(403\)"):
        resolve_model(client, ModelConfig(names=(name,)))
    allow(owned, "experiment", owned.experiment_id)
    assert resolve_model(client, ModelConfig(names=(name,))).metric_value == 0.1
    assert mlflow.get_tracking_uri() == owned.server.uri
