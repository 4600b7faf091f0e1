"""One MLflow client whose calls end in bounded time, and whose errors are ours."""

import json
import os
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from requests.exceptions import RequestException
from sqlalchemy.exc import SQLAlchemyError

from brierlake.config import MlflowConfig
from brierlake.errors import ModelError
from brierlake.redaction import redacted

Permission = Literal["READ", "EDIT"]
"""What MLflow's own server calls it."""

Item = TypeVar("Item")
Result = TypeVar("Result")

_AT_ONCE = 4
_LONGEST_PROLOGUE = 2000
_RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
_TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT"
_CAUSE = re.compile(r"(Connection refused|Name or service not known|[Nn]ame resolution|No route to host)")
_PAGE = re.compile(r"<(!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_SQLITE = "sqlite:///"
_TABLES = {"experiments", "runs", "registered_models", "model_versions"}


def connect(config: MlflowConfig) -> MlflowClient:
    """Return a client for the tracking server and the registry, after one call to each that shows it is there.

    For the whole process it sets MLflow's tracking and registry address (downloads go by them, whatever the client)
    and its time-outs: `timeout_seconds` a call, two retries (one for this first call). It creates no database and no
    folder. Credentials come from MLflow's own environment variables.

    Raises:
        ModelError: No server answers, it doesn't accept the credentials, or there is no database.
    """
    for uri in (config.tracking_uri, config.registry_uri):
        _validate_database(uri)
    os.environ[_TIMEOUT] = str(config.timeout_seconds)
    os.environ["MLFLOW_DATABRICKS_ENDPOINT_HTTP_RETRY_TIMEOUT"] = str(config.timeout_seconds)  # else eight minutes
    os.environ["MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR"] = "1"
    os.environ[_RETRIES] = "1"
    os.environ["MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER"] = "false"  # a server may ask for an hour
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"  # stdout is the summary's
    with asking(config.tracking_uri, "be opened"):
        client = MlflowClient(config.tracking_uri, registry_uri=_registry_of(config))
        client.search_experiments(max_results=1)
    with asking(registry_uri(client), "list its models"):
        client.search_registered_models(max_results=1)
    os.environ[_RETRIES] = "2"
    point_mlflow_at(client)
    return client


def _registry_of(config: MlflowConfig) -> str | None:
    # left to itself MLflow would go by MLFLOW_REGISTRY_URI, or by what was set before in this process
    if config.registry_uri or config.tracking_uri.startswith("databricks"):
        return config.registry_uri
    return config.tracking_uri


def point_mlflow_at(client: MlflowClient) -> None:
    """Make MLflow's downloads, which go by process-wide addresses, use this client's."""
    mlflow.set_tracking_uri(client.tracking_uri)
    mlflow.set_registry_uri(registry_uri(client))


def registry_uri(client: MlflowClient) -> str:
    return str(client._registry_uri)  # noqa: SLF001 - MLflow shows the tracking address only


def map_at_once(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Call a few at a time and return the results in order; after a failure nothing more is begun."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(function, items))  # `map` cancels what waits when one fails


@contextmanager
def without_retries() -> Iterator[None]:
    """For calls that would do twice what must be done once, where a server did it and its answer was lost."""
    before = os.environ.get(_RETRIES)
    os.environ[_RETRIES] = "0"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_RETRIES]
        else:
            os.environ[_RETRIES] = before


@contextmanager
def asking(uri: str, action: str, *, needs: Permission = "READ") -> Iterator[None]:
    """Turn MLflow's errors into a ModelError that says what failed where.

    Args:
        uri: The server, as the user wrote it.
        action: What MLflow was asked for, as in "could not ...".
        needs: Permission that a user must have for it.
    """
    try:
        yield
    except MlflowException as error:
        raise _translated(error, uri, action, needs) from error
    except (RequestException, SQLAlchemyError, OSError, ImportError, json.JSONDecodeError) as error:
        raise ModelError.failed(action, uri, _one_line(error)) from error


def has_code(error: MlflowException, *codes: str) -> bool:
    return error.error_code in codes


def _translated(error: MlflowException, uri: str, action: str, needs: Permission) -> ModelError:
    text = str(error.message)
    if "successful but the response body" in text:
        is_html = is_page(text)
        return ModelError.web_page(uri) if is_html else ModelError.failed(action, uri, "its answer isn't MLflow's")
    if has_code(error, "UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED") or "error code 401" in text:
        return ModelError.no_login(uri)
    if has_code(error, "PERMISSION_DENIED") or "error code 403" in text:
        return ModelError.forbidden(action, uri, needs=needs)
    if "timed out" in text:
        return ModelError.unreachable(uri, f"didn't answer within {os.environ.get(_TIMEOUT, '120')} s")
    if "Max retries exceeded" in text and "error responses" not in text:
        cause = _CAUSE.search(text)
        return ModelError.unreachable(uri, f"can't be reached ({cause.group(1) if cause else redacted(text)[-200:]})")
    return ModelError.failed(action, uri, _one_line(error))


def is_page(text: str) -> bool:
    """Whether it is HTML: what a proxy in front of MLflow answers with, in place of anything that was asked for."""
    return _PAGE.search(text[:_LONGEST_PROLOGUE]) is not None


def _one_line(error: Exception) -> str:
    text = error.message if isinstance(error, MlflowException) else str(error)
    line = redacted(" ".join(str(text).split())) or type(error).__name__  # before it is cut: half a secret is one too
    return line if len(line) <= 400 else f"{line[:400]}…"


def _validate_database(uri: str | None) -> None:
    """Raise where a SQLite file isn't an MLflow database: MLflow would make one of it without a word."""
    if uri is None or not uri.startswith(_SQLITE):
        return
    path = Path(uri.removeprefix(_SQLITE).partition("?")[0])
    if not path.is_file():
        raise ModelError.no_database(str(path), "no such file")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            rows = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    except sqlite3.Error as error:
        raise ModelError.no_database(str(path), _one_line(error)) from error
    if missing := _TABLES - {str(name) for (name,) in rows}:
        raise ModelError.no_database(str(path), f"it has no table {min(missing)}")


def read_pages(ask: Callable[[str | None], Any]) -> Iterator[Any]:
    """Yield the entries of all pages of one of MLflow's searches.

    Args:
        ask: Takes the token of a page, None for the first, and returns the page.
    """
    token: str | None = None
    while True:
        page = ask(token)
        yield from page
        token = page.token
        if not token:
            return
