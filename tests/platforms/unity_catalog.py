"""A stand-in for Databricks' Unity Catalog registry, which runs nowhere but there, in front of a real MLflow server.

Stood in for: the calls below /mlflow/unity-catalog for registered models, versions, tags and aliases, in the form in which
MLflow's own client sends and reads them; that a search takes one condition, and leaves tags and aliases out; that stages
are unknown; the bearer token; a version's files by the Files API. Not stood in for: permissions, temporary credentials of
storage.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

from tests.registry.mlflow_server import Server

TOKEN = "dapi-of-the-tests"  # noqa: S105 - nobody's
_FILES = "/api/2.0/fs/"
_API = "/api/2.0/mlflow/"
_KEPT = (
    "name",
    "version",
    "creation_timestamp",
    "last_updated_timestamp",
    "description",
    "source",
    "run_id",
    "model_id",
)


class _Catalog(ThreadingHTTPServer):
    """Listens on a free port; notes the calls that it gets."""

    def __init__(self, mlflow: Server) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.mlflow = mlflow
        self.calls: list[str] = []


@contextmanager
def unity_catalog(server: Server) -> Iterator[tuple[str, list[str]]]:
    """Yields its address, and the calls that it gets."""
    listening = _Catalog(server)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.server_port}", listening.calls
    finally:
        listening.shutdown()
        listening.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: _Catalog

    def do_GET(self) -> None:
        self._answer("GET")

    def do_HEAD(self) -> None:
        self._answer("HEAD")

    def do_POST(self) -> None:
        self._answer("POST")

    def log_message(self, *arguments: Any) -> None:
        pass

    def _answer(self, method: str) -> None:
        where = urlsplit(self.path)
        sent = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "{}")
        asked = {**parse_qs(where.query), **sent}
        self.server.calls.append(f"{method} {where.path}")
        path = where.path.removeprefix(_API)
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._send(401, {"error_code": "UNAUTHENTICATED", "message": "no token"})
        elif where.path.startswith(_FILES):
            self._send_file(where.path.removeprefix(_FILES))
        elif path == "unity-catalog/model-versions/emit-lineage":
            self._send(200, {})
        elif path.startswith("unity-catalog/"):
            self._send(*_in_catalog(self.server.mlflow.uri, method, path.removeprefix("unity-catalog/"), asked))
        elif path.startswith(("registered-models", "model-versions")):
            self._send(404, {"error_code": "FEATURE_DISABLED", "message": "the workspace registry is off"})
        else:
            self._send(*_forwarded(self.server.mlflow.uri, method, path, asked))

    def _send_file(self, path: str) -> None:
        kind, _, rest = path.partition("/")
        found = self._find(rest) if kind in ("files", "directories") else None  # no addresses that are signed
        if kind == "files" and found and found.is_file():
            self._send_bytes(200, found.read_bytes(), "application/octet-stream")
        elif kind == "directories" and found and found.is_dir():
            listed = [
                {
                    "path": f"/{rest.rstrip('/')}/{each.name}",
                    "is_directory": each.is_dir(),
                    "file_size": each.stat().st_size,
                }
                for each in found.iterdir()
            ]
            self._send(200, {"contents": listed})
        else:
            self._send(404, {"error_code": "NOT_FOUND", "message": path})

    def _find(self, path: str) -> Path:
        """What `Models/catalog/schema/model/version/…` stands for."""
        _, catalog, schema, model, version, *rest = path.split("/")
        which = {"name": f"{catalog}.{schema}.{model}", "version": version}
        _, answer = _forwarded(self.server.mlflow.uri, "GET", "model-versions/get", which)
        model_id = answer["model_version"]["source"].rpartition("/")[2]
        return next(self.server.mlflow.artifacts.rglob(f"{model_id}/artifacts")).joinpath(*rest)

    def _send(self, status: int, answer: Mapping[str, Any]) -> None:
        self._send_bytes(status, json.dumps(answer).encode(), "application/json")

    def _send_bytes(self, status: int, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _forwarded(server: str, method: str, path: str, asked: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    by_address = method == "GET"
    answer = requests.request(
        method, f"{server}{_API}{path}", timeout=60, **({"params": asked} if by_address else {"json": asked})
    )
    return answer.status_code, answer.json()


def _in_catalog(server: str, method: str, path: str, asked: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    asked = {name: value[0] if isinstance(value, list) and len(value) == 1 else value for name, value in asked.items()}
    if path == "model-versions/search" and not _is_one_condition(str(asked.get("filter", ""))):
        return 400, {"error_code": "INVALID_PARAMETER_VALUE", "message": f"filter {asked.get('filter')}"}
    if str(asked.get("name", "a.b.c")).count(".") != 2:
        return 400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "not catalog.schema.model"}
    status, answer = _forwarded(server, "GET" if path.endswith(("search", "get")) else method, path, asked)
    if path == "model-versions/search":
        versions = [{name: each[name] for name in _KEPT if name in each} for each in answer.get("model_versions", [])]
        answer = {**answer, "model_versions": [{**each, "status": "READY"} for each in versions]}
    elif path == "registered-models/search":
        models = [{"name": each["name"]} for each in answer.get("registered_models", [])]
        answer = {**answer, "registered_models": models}
    elif "model_version" in answer:
        version = answer["model_version"]
        told = {name: version[name] for name in (*_KEPT, "tags") if name in version}
        answer = {"model_version": {**told, "status": "READY"}}
    return status, answer


def _is_one_condition(text: str) -> bool:
    return text.startswith(("name =", "name=", "run_id =")) and " and " not in text.lower()
