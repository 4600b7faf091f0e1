"""From a YAML file, environment variables and --set to a `Config`, and back to what may be told of it."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from brierlake.config import Config
from brierlake.errors import ConfigError, nearest
from brierlake.redaction import HIDDEN, is_credential, note_secret, note_secrets, redacted

_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
_SQLITE = "sqlite:///"
_PUBLIC = (
    *("job", "folder", "lakehouse", "features", "labels", "scoring", "publish", "gates", "diagnostics", "challenger"),
    *("promotion", "mlflow", "report", "model"),
)
_NOT_PUBLIC = {("features", "where"), ("model", "digest")}
"""In public sections that say names and places, which the outputs need."""


def read_config(path: str | Path, *, overrides: Sequence[str] = ()) -> Config:
    """Read a job's config.

    Args:
        path: YAML file. `${NAME}` and `${NAME:-default}` in it are environment variables.
        overrides: `section.key=value`, values in YAML; they win over the file.

    Raises:
        ConfigError: The file is missing or no YAML, a variable isn't set, or the result isn't a valid config.
    """
    file = Path(path)
    if not file.is_file():
        raise ConfigError.missing_file(str(path))
    content = _parsed(file)
    for override in overrides:
        content = _with_override(content, override)
    note_secrets(content)
    references: dict[tuple[str, ...], str] = {}
    filled = _with_variables(content, path=(), references=references)
    note_secrets(filled)
    try:
        config = Config.model_validate(filled).with_references(references)
    except ValidationError as error:
        raise ConfigError.invalid(str(path), [_described(each) for each in error.errors()]) from error
    return _with_absolute_paths(config, base=file.resolve().parent)


def _parsed(file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError.unreadable(str(file), _place_of(error)) from error
    if not isinstance(content, dict):
        raise ConfigError.unreadable(str(file), "it isn't a mapping of sections")
    return content


def _place_of(error: yaml.YAMLError | UnicodeDecodeError) -> str:
    """Say where the fault is; YAML's own words quote the lines around it, which may hold a credential."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return type(error).__name__
    problem = re.sub(r"(['\"]).{2,}\1", "…", str(error.problem))
    return f"{problem} in line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}"


def _with_override(content: Mapping[str, Any], override: str) -> dict[str, Any]:
    path, equals, text = override.partition("=")
    first, dot, rest = path.strip().partition(".")
    if not equals or not first:
        raise ConfigError.bad_override(override)
    if not dot:
        return {**content, first: _yaml_value(text, override)}
    inner = content.get(first) or {}
    if not isinstance(inner, dict):
        raise ConfigError.bad_override(override)
    # a setting of Spark's has dots of its own: session.conf.spark.sql.shuffle.partitions
    deeper = (
        {**inner, rest: _yaml_value(text, override)} if first == "conf" else _with_override(inner, f"{rest}={text}")
    )
    return {**content, first: deeper}


def _yaml_value(text: str, override: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError.bad_override(override) from error


def _with_variables(value: Any, *, path: tuple[str, ...], references: dict[tuple[str, ...], str]) -> Any:
    """Fill variables in, and notes in `references` where that made a value that isn't told."""
    if isinstance(value, dict):
        return {
            name: _with_variables(each, path=(*path, str(name)), references=references) for name, each in value.items()
        }
    if isinstance(value, list):
        return [
            _with_variables(each, path=(*path, str(place)), references=references) for place, each in enumerate(value)
        ]
    if not isinstance(value, str):
        return value

    def replaced(match: re.Match[str]) -> str:
        name, default = match.groups()
        found = os.environ.get(name, default)
        if found is None:
            raise ConfigError.unset_variable(name, ".".join(path))
        if not _is_public(path) or is_credential(name):
            note_secret(found)
        return found

    filled = _VARIABLE.sub(replaced, value)
    if filled != value and (not _is_public(path) or redacted(filled) != filled):
        references[path] = redacted(_VARIABLE.sub(r"${\1}", value))
    return filled


def _is_public(path: tuple[str, ...]) -> bool:
    return path[0] in _PUBLIC and path[:2] not in _NOT_PUBLIC


def told_config(config: Config) -> str:
    """Return the config as JSON for others to read: `${NAME}` for what isn't theirs to know, or ***."""
    told = _told(config.model_dump(mode="json"), path=(), references=config.references)
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def _told(value: Any, *, path: tuple[str, ...], references: Mapping[tuple[str, ...], str]) -> Any:
    if path in references:
        return references[path]
    if isinstance(value, dict):
        return {name: _told(each, path=(*path, name), references=references) for name, each in value.items()}
    if isinstance(value, list):
        return [_told(each, path=(*path, str(place)), references=references) for place, each in enumerate(value)]
    if not isinstance(value, str):
        return value
    return HIDDEN if is_credential(path[-1]) else redacted(value)


def _described(error: Any) -> str:
    path = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        *section, key = [str(part) for part in error["loc"]]
        known = _known_keys(section)
        return f"unknown key `{path}`.{nearest(key, known) or ' Known: ' + ', '.join(known)}"
    if error["type"] == "missing":
        return f"`{path}` is missing"
    message = error["msg"].removeprefix("Value error, ")
    return f"`{path}`: {message}" if path else message


def _known_keys(section: Sequence[str]) -> list[str]:
    model: type[BaseModel] = Config
    for part in section:
        field = model.model_fields.get(part)
        arguments = [field.annotation, *getattr(field.annotation, "__args__", ())] if field else []
        models = [each for each in arguments if isinstance(each, type) and issubclass(each, BaseModel)]
        if not models:
            return []
        model = models[0]
    return list(model.model_fields)


def _with_absolute_paths(config: Config, *, base: Path) -> Config:
    folder = (base / Path(config.folder).expanduser()).resolve()
    lakehouse, mlflow, report = config.lakehouse, config.mlflow, config.report
    return config.model_copy(
        update={
            "folder": str(folder),
            "lakehouse": lakehouse.model_copy(update={"root": _absolute_uri(lakehouse.root, folder)}),
            "mlflow": mlflow.model_copy(
                update={
                    "tracking_uri": _absolute_uri(mlflow.tracking_uri, folder),
                    "registry_uri": _absolute_uri(mlflow.registry_uri, folder),
                }
            ),
            "report": report.model_copy(update={"path": _absolute_uri(report.path, folder)}),
        }
    )


def _absolute_uri(uri: str | None, folder: Path) -> str | None:
    if uri is None:
        return None
    if uri.startswith(_SQLITE):
        return _SQLITE + str(folder / uri.removeprefix(_SQLITE))
    if "://" in uri or uri.startswith(("databricks", "uc:")):
        return uri
    return str(folder / Path(uri).expanduser())
