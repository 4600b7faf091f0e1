"""The packages that a model asks for, against those on the driver and on an executor."""

import platform
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import pandas as pd
import yaml
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version
from pyspark.sql import SparkSession

from brierlake.errors import ContractError

_BUILD = re.compile(r"\+[\w.-]+")
_IGNORED = ("-c", "--constraint", "-i", "--index-url", "--extra-index-url", "--find-links", "--trusted-host")


@dataclass(frozen=True)
class Requirements:
    """What a model's own files ask for."""

    requirements: tuple[Requirement, ...]
    python: str | None
    unparsed: tuple[str, ...]
    """Lines that name no version to compare (URLs, wheels, options)."""


@dataclass(frozen=True)
class Difference:
    package: str
    required: str
    driver: str | None
    """Version on the driver; None: not installed."""
    executors: str | None


@dataclass(frozen=True)
class Differences:
    """What doesn't fit, and what can't be said."""

    packages: tuple[Difference, ...]
    unparsed: tuple[str, ...]


def read_environment(model_path: Path) -> Requirements:
    lines = _requirement_lines(model_path)
    parsed, unparsed = [], []
    for line in lines:
        try:
            requirement = Requirement(line.partition(" #")[0].partition(" --hash")[0])
        except InvalidRequirement:
            unparsed.append(line)
            continue
        if requirement.url is not None:
            unparsed.append(line)
        elif requirement.marker is None or requirement.marker.evaluate():
            parsed.append(requirement)
    return Requirements(tuple(parsed), _python(model_path), tuple(unparsed))


def compare_environment(required: Requirements, *, spark: SparkSession) -> Differences:
    """Compare with the driver, and with an executor by one small task."""
    names = tuple(requirement.name for requirement in required.requirements)
    driver = {name: _installed(name) for name in names}
    driver_python, executor_python = platform.python_version(), None
    executors: dict[str, str | None] = {}
    for row in spark.range(0, 1, 1, 1).mapInPandas(_versions_of(names), "package string, version string").collect():
        executors[row.package] = row.version
    executor_python = executors.pop("python", None)
    differences = [
        Difference(each.name, str(each.specifier), driver[each.name], executors.get(each.name))
        for each in required.requirements
        if not (meets(each, driver[each.name]) and meets(each, executors.get(each.name)))
    ]
    if required.python and not all(
        _minor(each) == _minor(required.python) for each in (driver_python, executor_python)
    ):
        differences.insert(0, Difference("python", f"=={_minor(required.python)}.*", driver_python, executor_python))
    return Differences(tuple(differences), required.unparsed)


def validate_environment(differences: Differences, *, mode: Literal["warn", "strict", "ignore"]) -> None:
    """Raise where `mode` is strict and a package differs.

    Raises:
        ContractError: Lists the packages.
    """
    if mode == "strict" and differences.packages:
        raise ContractError.other_environment(
            [
                f"{each.package}: the model asks for {each.required or 'any'}, the driver has {each.driver or 'none'}, "
                f"executors {each.executors or 'none'}"
                for each in differences.packages
            ]
        )


def describe_differences(differences: Differences) -> list[str]:
    """Return a table of what differs, and the requirements that can't be compared; nothing where all fits."""
    rows = [
        (each.package, each.required or "any", each.driver or "none", each.executors or "none")
        for each in differences.packages
    ]
    table = [("package", "the model asks for", "driver", "executors"), *rows] if rows else []
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in table]
    if differences.unparsed:
        lines.append(f"Can't be compared: {', '.join(differences.unparsed)}")
    return lines


def _requirement_lines(model_path: Path) -> list[str]:
    file = model_path / "requirements.txt"
    if file.is_file():
        lines = file.read_text(encoding="utf-8").splitlines()
    elif (conda := model_path / "conda.yaml").is_file():
        entries = (yaml.safe_load(conda.read_text(encoding="utf-8")) or {}).get("dependencies", [])
        lines = [line for entry in entries if isinstance(entry, dict) for line in entry.get("pip", [])]
    else:
        lines = []
    stripped = [line.strip() for line in lines]
    return [line for line in stripped if line and not line.startswith(("#", *_IGNORED))]


def _python(model_path: Path) -> str | None:
    file = model_path / "python_env.yaml"
    found = (yaml.safe_load(file.read_text(encoding="utf-8")) or {}).get("python") if file.is_file() else None
    return str(found) if found else None


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _versions_of(names: Sequence[str]):  # type: ignore[no-untyped-def]
    # a closure with its own imports is shipped by value: executors need no brierlake for it
    def versions(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        import platform  # noqa: PLC0415
        from importlib import metadata  # noqa: PLC0415

        import pandas as pd  # noqa: PLC0415

        found: dict[str, str | None] = {"python": platform.python_version()}
        for name in names:
            try:
                found[name] = metadata.version(name)
            except metadata.PackageNotFoundError:
                found[name] = None
        for _ in batches:
            yield pd.DataFrame({"package": list(found), "version": list(found.values())})

    return versions


def meets(requirement: Requirement, version: str | None) -> bool:
    if version is None:
        return False
    try:
        wanted = SpecifierSet(_BUILD.sub("", str(requirement.specifier)))
        return wanted.contains(Version(version).public, prereleases=True)
    except InvalidVersion:
        return False


def _minor(version: str | None) -> str:
    return ".".join((version or "").split(".")[:2])
