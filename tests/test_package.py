"""The wheel and the sdist: each file is in them, and the wheel works where no checkout is in sight."""

import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

import brierlake

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
_READ = """
from importlib.resources import files

def walk(folder):
    for each in folder.iterdir():
        if each.is_dir():
            yield from walk(each)
        elif not each.name.endswith((".py", ".pyc")):
            each.read_text(encoding="utf-8")
            yield each

print(*walk(files("brierlake")), sep="\\n")
"""


@dataclass(frozen=True)
class Package:
    wheel: Path
    sdist: Path

    def list_wheel(self) -> set[str]:
        """Names of the package's own files, from lib/ on."""
        with zipfile.ZipFile(self.wheel) as archive:
            return {f"lib/{name}" for name in archive.namelist() if ".dist-info/" not in name}

    def list_sdist(self) -> set[str]:
        """Names of all files but the metadata, from the project's folder on."""
        with tarfile.open(self.sdist) as archive:
            names = {each.name.partition("/")[2] for each in archive.getmembers() if each.isfile()}
        return names - {"PKG-INFO"}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """Built as for a release: the sdist from the checkout, the wheel from the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT))
    return Package(next(folder.glob("*.whl")), next(folder.glob("*.tar.gz")))


@pytest.fixture(scope="module")
def elsewhere(package: Package, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment that has the wheel, and sees the packages of this one without its brierlake."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    there = next(folder.glob("lib/python*/site-packages"))
    here = [each for each in sys.path if each.endswith("site-packages")]
    python = str(folder / "bin" / "python")
    run(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", str(package.wheel))
    there.joinpath("shared.pth").write_text("\n".join(here), encoding="utf-8")
    return folder


def test_the_sdist_is_the_checkout(package: Package) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("this is no checkout")
    tracked = set(run("git", "ls-files").splitlines())
    untracked = set(run("git", "ls-files", "--others", "--exclude-standard").splitlines())
    found = package.list_sdist()
    assert tracked - found == {each for each in tracked if not (ROOT / each).exists()}
    assert found - tracked <= untracked


def test_the_wheel_holds_each_file_of_the_package_and_nothing_else(package: Package) -> None:
    assert package.list_wheel() == {each for each in package.list_sdist() if each.startswith("lib/brierlake/")}


def test_an_installed_wheel_has_the_command(elsewhere: Path) -> None:
    command = str(elsewhere / "bin" / "brierlake")
    assert run(command, "--version", folder=elsewhere).split()[-1] == brierlake.__version__
    assert re.search(r"^  score +Score ", run(command, "--help", folder=elsewhere), flags=re.MULTILINE)


def test_an_installed_wheel_knows_its_version(elsewhere: Path) -> None:
    code = "import importlib.metadata as told; print(told.version('brierlake'))"
    assert run(str(elsewhere / "bin" / "python"), "-c", code, folder=elsewhere).strip() == brierlake.__version__


def test_templates_styles_and_configs_are_read_from_where_the_wheel_is(package: Package, elsewhere: Path) -> None:
    found = run(str(elsewhere / "bin" / "python"), "-c", _READ, folder=elsewhere).split()
    assert all(Path(each).is_relative_to(elsewhere) for each in found)
    assert len(found) == len({each for each in package.list_wheel() if not each.endswith(".py")})
    assert {".css", ".j2", ".typed", ".yml"} <= {Path(each).suffix for each in found}


def run(*command: str, folder: Path = ROOT) -> str:
    """Returns what it prints; PYTHONPATH, which may name the checkout's lib, stays outside."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout
