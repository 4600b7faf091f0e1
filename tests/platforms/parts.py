"""Fetches what a platform test needs, once for this machine; what can't be had is a reason to skip."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "brierlake-tests"
_PATIENCE_SECONDS = 900


def npm_package(name: str, *, holding: str) -> Path:
    """Returns a file of a package."""
    folder = CACHE / name
    file = folder / "node_modules" / holding
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text("{}")  # without one npm looks for it in the folders above
        _fetch(["npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", str(folder), name], name)
    return file


def go_program(module: str) -> Path:
    """Returns the program that a Go module builds."""
    program = CACHE / "go" / module.partition("@")[0].rpartition("/")[2]
    if not program.exists():
        _fetch(["go", "install", module], module, GOBIN=str(program.parent))
    return program


def maven_jar(coordinate: str) -> Path:
    """Returns one jar, `group:name:version` or `group:name:version:jar:classifier`, without what it needs."""
    group, name, version, *rest = coordinate.split(":")
    classifier = f"-{rest[1]}" if rest else ""
    file = (
        Path.home()
        / ".m2"
        / "repository"
        / group.replace(".", "/")
        / name
        / version
        / f"{name}-{version}{classifier}.jar"
    )
    if not file.exists():
        _fetch(["mvn", "-q", "dependency:get", "-Dtransitive=false", f"-Dartifact={coordinate}"], coordinate)
    return file


def python_with(folder: str, packages: Sequence[str]) -> str:
    """Returns a Python of its own that has these packages."""
    python = CACHE / folder / "bin" / "python"
    done = CACHE / folder / "-".join(packages).replace("/", "_")[:200]
    if not done.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(CACHE / folder)], check=True)
        _fetch([str(python), "-m", "pip", "install", "-q", "--no-compile", *packages], ", ".join(packages))
        done.touch()
    return str(python)


def postgres_programs() -> Path:
    """Returns the folder of PostgreSQL's programs; as root on Debian they are installed where they are missing."""
    if not _postgres() and os.geteuid() == 0 and shutil.which("apt-get"):
        _fetch(["apt-get", "install", "-yq", "--no-install-recommends", "postgresql"], "PostgreSQL")
    found = _postgres()
    if not found:
        pytest.skip("PostgreSQL's server isn't installed here")
    return found[-1]


def _postgres() -> list[Path]:
    return sorted(Path("/usr/lib/postgresql").glob("*/bin"))


def _fetch(command: Sequence[str], what: str, **settings: str) -> None:
    if not shutil.which(command[0]):
        pytest.skip(f"{what} can't be fetched: there is no {command[0]} here")
    environment: Mapping[str, str] = {**os.environ, **settings}
    done = subprocess.run(
        list(command), capture_output=True, text=True, check=False, env=environment, timeout=_PATIENCE_SECONDS
    )
    if done.returncode:
        pytest.skip(f"{what} can't be fetched here: {(done.stderr or done.stdout).strip()[-300:]}")
