"""What goes wrong in a registry: one sentence each, in bounded time."""

import re
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import mlflow
import pytest
from mlflow_server import free_port, hanging
from registries import Registry

from brierlake.config import MlflowConfig, ModelConfig
from brierlake.errors import ModelError
from brierlake.registry import connect, fetch_model, resolve_model


def test_unknown_name_with_the_nearest(registry: Registry, name: str) -> None:
    registry.log_version(name, (0.1, 0, 1000))
    with pytest.raises(ModelError, match=rf"There is no registered model '{name}s'\. Did you mean '{name}'"):
        resolve_model(registry.client, ModelConfig(names=(f"{name}s",)))


def test_unknown_name_beside_a_known_one(registry: Registry, name: str) -> None:
    registry.log_version(name, (0.1, 0, 1000))
    with pytest.raises(ModelError, match="There is no registered model 'nowhere'"):
        resolve_model(registry.client, ModelConfig(names=(name, "nowhere")))


def test_model_without_versions(registry: Registry, name: str) -> None:
    registry.client.create_registered_model(name)
    with pytest.raises(ModelError, match=f"No version is registered under {name}. Register one"):
        resolve_model(registry.client, ModelConfig(names=(name,)))


def test_model_without_versions_beside_one_with(quick: Registry, names) -> None:
    empty, full = names(2)
    quick.client.create_registered_model(empty)
    quick.log_version(full, (0.1, 0, 1000))
    assert resolve_model(quick.client, ModelConfig(names=(empty, full))).uri == f"models:/{full}/1"


@pytest.mark.parametrize("number", ["7", "0", "99999999999999999999"])
def test_unknown_version(registry: Registry, name: str, number: str) -> None:
    registry.log_version(name, (0.1, 0, 1000))
    with pytest.raises(ModelError, match=rf"There is no version {number} of model '{name}' \(deleted\?\).* are: 1\."):
        resolve_model(registry.client, ModelConfig(pin=f"{name}/{number}"))


@pytest.mark.parametrize("pin", ["nowhere/1", "nowhere@champion"])
def test_pin_of_an_unknown_model(registry: Registry, pin: str) -> None:
    with pytest.raises(ModelError, match="There is no registered model 'nowhere'"):
        resolve_model(registry.client, ModelConfig(pin=pin))


def test_unknown_alias_with_the_nearest(registry: Registry, name: str) -> None:
    registry.log_version(name, (0.1, 0, 1000))
    registry.client.set_registered_model_alias(name, "champion", "1")
    with pytest.raises(ModelError, match=r"has no alias 'champions'\. Did you mean 'champion'"):
        resolve_model(registry.client, ModelConfig(pin=f"{name}@champions"))


def test_misspelt_metric_with_the_nearest(registry: Registry, name: str) -> None:
    registry.log_version(name, (0.1, 0, 1000))
    with pytest.raises(
        ModelError, match=r"1 x metric breir is missing\. Did you mean 'brier'\? Their runs hold: brier\."
    ):
        resolve_model(registry.client, ModelConfig(names=(name,), metric="breir"))


def test_no_eligible_version_lists_the_reasons_with_counts(registry: Registry, name: str) -> None:
    registry.log_version(name)
    registry.log_version(name)
    registry.log_version(name, (0.2, 0, 1000), signature=False)
    registry.client.delete_run(registry.log_version(name, (0.1, 0, 1000))[0])
    registry.client.update_run(registry.log_version(name, (0.1, 0, 1000))[0], "FAILED")
    expected = (
        f"None of the 5 versions of {name} can be chosen by brier: 2 x metric brier is missing; "
        "1 x it has no signature; 1 x its run is FAILED; 1 x its run is deleted."
    )
    with pytest.raises(ModelError, match=f"^{re.escape(expected)}$"):
        resolve_model(registry.client, ModelConfig(names=(name,)))


def test_best_without_signature_gives_way_to_the_next(registry: Registry, name: str) -> None:
    registry.log_version(name, (0.1, 0, 1000), signature=False)
    registry.log_version(name, (0.2, 0, 1000))
    resolution = resolve_model(registry.client, ModelConfig(names=(name,)))
    assert resolution.uri == f"models:/{name}/2"
    assert [(each.rank, each.reason) for each in resolution.candidates] == [(1, None), (None, "it has no signature")]


def test_server_that_is_down_fails_soon() -> None:
    start = time.monotonic()
    with pytest.raises(ModelError, match=r"MLflow at http://127.0.0.1:\d+ can't be reached \(Connection refused\)"):
        connect(MlflowConfig(tracking_uri=f"http://127.0.0.1:{free_port()}"))
    assert time.monotonic() - start < 20


def test_host_that_isnt_there_fails_soon() -> None:
    with pytest.raises(ModelError, match=r"MLflow at http://no-such-host\.invalid can't be reached"):
        connect(MlflowConfig(tracking_uri="http://no-such-host.invalid", timeout_seconds=2))


@pytest.mark.slow
def test_server_that_hangs_fails_within_a_few_time_outs() -> None:
    with closing(socket.socket()) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        start = time.monotonic()
        with pytest.raises(ModelError, match=rf"MLflow at {uri} didn't answer within 1 s"):
            connect(MlflowConfig(tracking_uri=uri, timeout_seconds=1))
        assert time.monotonic() - start < 15


@pytest.mark.slow
def test_server_that_hangs_after_connecting(remote: Registry, name: str) -> None:
    remote.log_version(name, (0.1, 0, 1000))
    client = connect(MlflowConfig(tracking_uri=remote.server.uri, timeout_seconds=1))
    with hanging(remote.server):
        start = time.monotonic()
        with pytest.raises(ModelError, match="didn't answer within 1 s"):
            resolve_model(client, ModelConfig(names=(name,)))
        assert time.monotonic() - start < 25


@pytest.mark.slow
def test_registry_that_hangs_behind_a_server_that_answers(remote: Registry) -> None:
    with closing(socket.socket()) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ModelError, match=rf"MLflow at {uri} didn't answer"):
            connect(MlflowConfig(tracking_uri=remote.server.uri, registry_uri=uri, timeout_seconds=1))


def test_registry_is_the_tracking_servers_whatever_the_process_says(store, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", elsewhere)
    mlflow.set_registry_uri(elsewhere)
    client = connect(MlflowConfig(tracking_uri=store.uri, timeout_seconds=1))
    assert client.search_registered_models(max_results=1) is not None
    assert mlflow.get_registry_uri() == store.uri


def test_password_in_an_address_isnt_shown() -> None:
    with pytest.raises(ModelError, match=r"MLflow at http://\*\*\*@127\.0\.0\.1") as caught:
        connect(MlflowConfig(tracking_uri=f"http://me:secret@127.0.0.1:{free_port()}", timeout_seconds=1))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "no such file"),
        (b"", "it has no table experiments"),
        (b"not a database, but long enough to have a header" * 30, "file is not a database"),
    ],
)
def test_file_that_is_no_mlflow_database_stays_as_it_is(tmp_path: Path, content: bytes | None, reason: str) -> None:
    file = tmp_path / "mlflow.db"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ModelError, match=rf"There is no MLflow database in {file} \({reason}\)"):
        connect(MlflowConfig(tracking_uri=f"sqlite:///{file}"))
    assert (file.read_bytes() if file.exists() else None) == content


@contextmanager
def answering(content: bytes, kind: str, status: int = 200) -> Iterator[str]:
    """Runs a server that answers everything with the same."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815 - the name that http.server looks for

        def log_message(self, *_: object) -> None:
            """Nothing on the test's output."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


SIGN_IN = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>" + b"<p>Who are you?</p>" * 500


@pytest.mark.parametrize("page", [SIGN_IN, b"\n  <HTML lang=en>" + SIGN_IN[15:]])
def test_sign_in_page_in_place_of_the_api(page: bytes) -> None:
    with answering(page, "text/html") as uri, pytest.raises(ModelError) as caught:
        connect(MlflowConfig(tracking_uri=uri))
    assert str(caught.value) == (
        f"MLflow at {uri} answered with a web page (a sign-in page?) instead of its API. Check mlflow.tracking_uri, and "
        "sign in with MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."
    )
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("answer", [b"OK", b"[1, 2]", b'"text"'])
def test_answer_of_something_that_is_no_mlflow(answer: bytes) -> None:
    with answering(answer, "text/plain") as uri, pytest.raises(ModelError, match="its answer isn't MLflow's$"):
        connect(MlflowConfig(tracking_uri=uri))


def test_sign_in_page_in_place_of_a_models_files(quick: Registry, name: str) -> None:
    _, model_id = quick.log_run((0.1, 0, 1000))
    quick.register(name, model_id)
    (files,) = (quick.server.folder / "artifacts").rglob(f"{model_id}/artifacts")
    (files / "MLmodel").write_bytes(SIGN_IN)
    with pytest.raises(ModelError, match="answered with a web page"):
        resolve_model(quick.client, ModelConfig(names=(name,)))


def test_model_whose_name_begins_and_ends_with_a_space(registry: Registry, name: str) -> None:
    registry.log_version(f" {name} ", (0.1, 0, 1000))
    assert resolve_model(registry.client, ModelConfig(names=(f" {name} ",))).uri == f"models:/ {name} /1"
    assert resolve_model(registry.client, ModelConfig(pin=f" {name} /1")).model_name == f" {name} "
    with pytest.raises(ModelError, match=f"There is no registered model '{name}'. Did you mean ' {name} '"):
        resolve_model(registry.client, ModelConfig(names=(name,)))


def test_folder_as_tracking_address_says_what_mlflow_says(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"could not be opened: The filesystem tracking backend .* is in maintenance mode"
    ):
        connect(MlflowConfig(tracking_uri=str(tmp_path / "mlruns")))
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_made_in_the_current_folder(registry: Registry, name: str, tmp_path: Path) -> None:
    registry.log_version(name, (0.1, 0, 1000))
    client = connect(MlflowConfig(tracking_uri=registry.server.uri))
    config = ModelConfig(names=(name,))
    fetch_model(client, resolve_model(client, config), config, folder=tmp_path / "models")
    assert [each.name for each in tmp_path.iterdir()] == ["models"]


def test_connecting_says_nothing(store, capfd: pytest.CaptureFixture[str]) -> None:
    connect(MlflowConfig(tracking_uri=store.uri))
    assert capfd.readouterr() == ("", "")


def test_client_is_used_whatever_was_connected_to_last(remote: Registry, store, name: str, tmp_path: Path) -> None:
    remote.log_version(name, (0.1, 0, 1000))
    connect(MlflowConfig(tracking_uri=store.uri))
    config = ModelConfig(names=(name,))
    assert fetch_model(remote.client, resolve_model(remote.client, config), config, folder=tmp_path).file_count > 4
    assert mlflow.get_tracking_uri() == remote.server.uri
