"""Registered versions and their aliases as the registry lists them, and what each version was made from."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from brierlake.errors import ModelError
from brierlake.registry.connection import asking, has_code, map_at_once, read_pages, registry_uri
from brierlake.registry.runs import Run, from_millis, read_runs

VERSIONS_PAGE = 10_000
_LARGEST_VERSION = 2**31 - 1
_LOGGED_MODEL = re.compile(r"\b(m-[0-9a-f]{32})\b")
_RUN_ARTIFACT = re.compile(r"(?:^runs:/|/)([0-9a-f]{32})/(?:artifacts/)?(.+?)/?$")
_COPY = re.compile(r"^models:/([^/]+)/(\d+)$")


@dataclass(frozen=True)
class Version:
    """A registered version."""

    name: str
    number: int
    run_id: str | None
    source: str
    status: str
    tags: Mapping[str, str] | None
    """None: Unity Catalog's search leaves them out; see `read_tags`."""
    origin: str
    """The same for all versions of the same files: a logged model's id, a run's artifact, else the source."""
    registered_at: datetime | None = None
    """UTC."""

    @property
    def model_id(self) -> str | None:
        return self.origin if self.origin.startswith("m-") else None

    @property
    def label(self) -> str:
        return f"{self.name}/{self.number}"


def list_models(client: MlflowClient) -> list[str]:
    """Return the names of the first thousand registered models that may be seen."""
    with asking(registry_uri(client), "list its models"):
        return [str(each.name) for each in client.search_registered_models(max_results=1000)]


def read_versions(client: MlflowClient, names: Sequence[str]) -> tuple[Version, ...]:
    """List all versions of the named models, a page of one name a call.

    Raises:
        ModelError: A name isn't registered, or may not be seen: the search would only say "nothing".
    """
    found = search_versions(client, names)
    for name in sorted(set(names) - {version.name for version in found}):
        _validate_name(client, name)
    if not found:
        raise ModelError.no_versions(names)
    return _with_origins(client, found)


def read_pinned(client: MlflowClient, pin: str) -> Version:
    """Read the one version that `name/3` or `name@alias` names at this moment.

    Raises:
        ModelError: The name, the version or the alias isn't there.
    """
    name, _, last = pin.removeprefix("models:/").rpartition("/")
    if name and last.isdecimal():
        return read_version(client, name, int(last))
    name, _, alias = pin.removeprefix("models:/").rpartition("@")
    uri = registry_uri(client)
    with asking(uri, f"look up {pin}"):
        try:
            found = client.get_model_version_by_alias(name, alias)
        except MlflowException as error:
            if not has_code(error, "INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST"):
                raise
            known = _validate_name(client, name)
            raise ModelError.no_alias(name, alias, known) from error
    return _with_origins(client, [_version(found)])[0]


def read_version(client: MlflowClient, name: str, number: int) -> Version:
    """Read one version.

    Raises:
        ModelError: The name or the version isn't there.
    """
    with asking(registry_uri(client), f"look up models:/{name}/{number}"):
        try:
            found = client.get_model_version(name, str(min(number, _LARGEST_VERSION)))
        except MlflowException as error:
            if not has_code(error, "RESOURCE_DOES_NOT_EXIST"):
                raise
            _validate_name(client, name)
            known = [version.number for version in search_versions(client, [name])]
            raise ModelError.no_version(name, str(number), known) from error
    return _with_origins(client, [_version(found)])[0]


def origin_of(source: str) -> str:
    """Return what a source stands for: a logged model's id, `runs:/<id>/<path>`, else the source itself."""
    if logged := _LOGGED_MODEL.search(source):
        return logged.group(1)
    if artifact := _RUN_ARTIFACT.search(source):
        return f"runs:/{artifact.group(1)}/{artifact.group(2)}"
    return source


def quoted(text: str) -> str:
    """Return the text as a string of MLflow's filter language."""
    return f'"{text}"' if "'" in text else f"'{text}'"


def search_versions(client: MlflowClient, names: Sequence[str]) -> list[Version]:
    """List what may be seen: nothing for an unknown or a forbidden name; copies aren't followed."""
    # servers before 3.17 don't understand `name IN (…)`
    return [version for found in map_at_once(partial(_search_versions, client), names) for version in found]


def read_version_runs(client: MlflowClient, versions: Sequence[Version]) -> dict[str, Run]:
    """Read the runs that the versions were made in."""
    return read_runs(
        client,
        (version.run_id for version in versions if version.run_id),
        with_models=(version.run_id for version in versions if version.run_id and version.model_id),
    )


def read_tags(client: MlflowClient, version: Version) -> Mapping[str, str]:
    """Return a version's tags; ask the registry only where the list left them out."""
    if version.tags is not None:
        return version.tags
    found = _looked_up(client, version.name, version.number)
    return (found.tags if found else None) or {}


def _search_versions(client: MlflowClient, name: str) -> list[Version]:
    def ask(token: str | None) -> Any:
        return client.search_model_versions(f"name = {quoted(name)}", max_results=VERSIONS_PAGE, page_token=token)

    with asking(registry_uri(client), "list its versions"):
        return [_version(each) for each in read_pages(ask)]


def _version(entity: Any) -> Version:
    # the number is a str over REST and an int from a database; an empty run is '' or None
    source = str(entity.source or "")
    return Version(
        name=str(entity.name),
        number=int(entity.version),
        run_id=entity.run_id or None,
        source=source,
        status=str(entity.status),
        tags=dict(entity.tags or {}) if not callable(entity.tags) else None,
        origin=origin_of(source),
        registered_at=from_millis(entity.creation_timestamp),
    )


def _validate_name(client: MlflowClient, name: str) -> list[str]:
    """Raise if there is no such model, or it may not be seen; else returns its aliases."""
    uri = registry_uri(client)
    with asking(uri, f"look up model {name}"):
        try:
            return list(client.get_registered_model(name).aliases)
        except MlflowException as error:
            if has_code(error, "PERMISSION_DENIED"):
                raise ModelError.forbidden(f"see the registered model {name!r}", uri) from error
            if not has_code(error, "RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
            raise ModelError.no_model(name, list_models(client)) from error


def _with_origins(client: MlflowClient, versions: Iterable[Version]) -> tuple[Version, ...]:
    """Follow copies (`models:/name/3`) to what they are copies of."""
    known = {(version.name, version.number): version for version in versions}

    def followed(version: Version) -> str:
        origin = version.origin
        while copy := _COPY.match(origin):
            key = (copy.group(1), int(copy.group(2)))
            if key not in known:
                original = _looked_up(client, *key)
                if original is None:
                    break
                known[key] = original
            origin = known[key].origin
        return origin

    return tuple(replace(version, origin=followed(version)) for version in list(known.values()))


def _looked_up(client: MlflowClient, name: str, number: int) -> Version | None:
    with asking(registry_uri(client), f"look up models:/{name}/{number}"):
        try:
            return _version(client.get_model_version(name, str(number)))
        except MlflowException as error:
            if has_code(error, "RESOURCE_DOES_NOT_EXIST", "PERMISSION_DENIED"):
                return None
            raise


def read_alias(client: MlflowClient, name: str, alias: str) -> int | None:
    """Return the version that has the alias; None: none has.

    Raises:
        ModelError: There is no such model, or the registry fails.
    """
    with asking(registry_uri(client), f"look up {name}@{alias}"):
        try:
            return int(client.get_model_version_by_alias(name, alias).version)
        except MlflowException as error:
            if has_code(error, "INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST"):
                return None
            raise


def set_alias(client: MlflowClient, name: str, alias: str, *, version: int) -> None:
    with asking(registry_uri(client), f"set the alias {alias} of {name}", needs="EDIT"):
        client.set_registered_model_alias(name, alias, str(version))
