"""`python -m tests.matrix 4.0`: the whole default suite on an older Spark, Delta and MLflow; `--small` the road only.

The environment, `.venv-4.0`, is made as a platform's is: first its packages, exactly those of `tests/matrix/4.0.txt`; then
brierlake from a wheel, which may change none of them; then pytest. `--server` runs the registry's tests of today's
environment against that row's MLflow server. What else is given goes to pytest.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
ROWS = sorted(file.stem for file in Path(__file__).parent.glob("*.txt"))
PLATFORM = ("pyspark", "delta-spark", "mlflow", "scikit-learn", "packaging")  # and what these need
_REGISTRY = [f"tests/registry/test_{name}.py" for name in ("values", "resolution")]
SMALL = ["tests/matrix", "tests/test_session.py", *_REGISTRY]
TOOLS = ("pytest", "pytest-randomly", "pytest-xdist")
_SETTINGS = {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}


def make_environment(row: str, *, is_small: bool) -> Path:
    """Returns the environment's Python; raises where the wheel changes what was there before it."""
    folder, pins = ROOT / f".venv-{row}", Path(__file__).with_name(f"{row}.txt")
    python = folder / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "-q", "--no-compile"]
    pinned = [*install, "-c", str(pins)]
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([*pinned, *PLATFORM], check=True)
        before = _installed(python)
        subprocess.run(
            [*install, _wheel()], check=True
        )  # without the pins: the platform's packages are to stay by themselves
        after = _installed(python)
        changed = {name: (kind, after.get(name)) for name, kind in before.items() if after.get(name) != kind}
        assert not changed, f"the wheel has changed the platform's packages: {changed}"
        print(f"{row}: the wheel adds {sorted(set(after) - set(before))} and leaves {len(before)} packages as they are")
    else:
        subprocess.run([*install, "--no-deps", "--force-reinstall", _wheel()], check=True)
    wheel = _wheel()
    extras = [f"{wheel}[demo]", *TOOLS] if is_small else [f"{wheel}[demo,test]"]
    subprocess.run([*pinned, *extras], check=True)
    return python


def run_tests(python: Path, *arguments: str, settings: dict[str, str] | None = None) -> int:
    command = [str(python), "-m", "pytest", "-q", *arguments]
    outside = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(command, cwd=ROOT, env={**outside, **_SETTINGS, **(settings or {})}, check=False).returncode


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.matrix", description=__doc__)
    parser.add_argument("row", choices=ROWS)
    parser.add_argument("--small", action="store_true", help="only the road: what each row must be able to do")
    parser.add_argument("--server", action="store_true", help="today's client, this row's MLflow server")
    given, rest = parser.parse_known_args()
    python = make_environment(given.row, is_small=given.small or given.server)
    if given.server:
        server = {"BRIERLAKE_TESTS_SERVER_PYTHON": str(python)}
        return run_tests(
            Path(sys.executable), *(_REGISTRY if given.small else ["tests/registry"]), *rest, settings=server
        )
    # Spark before 4.2 leaves sockets open
    return run_tests(
        python, "-W", "ignore:unclosed <socket:ResourceWarning", *(["-m", "", *SMALL] if given.small else []), *rest
    )


def _installed(python: Path) -> dict[str, str]:
    lines = subprocess.run([str(python), "-m", "pip", "freeze"], check=True, capture_output=True, text=True).stdout
    return dict(line.split("==") for line in lines.splitlines() if "==" in line)


_MADE: list[str] = []
_FOLDER = TemporaryDirectory(prefix="brierlake-wheel-")


def _wheel() -> str:
    if not _MADE:
        build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", _FOLDER.name, str(ROOT)]
        subprocess.run(build, check=True)
        _MADE.append(str(next(Path(_FOLDER.name).glob("*.whl"))))
    return _MADE[0]


if __name__ == "__main__":
    sys.exit(main())
