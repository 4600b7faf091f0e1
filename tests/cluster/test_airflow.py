"""The DAG in conf/schedules, read by a real Airflow in a Python of its own."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.cluster.processes import ROOT, clean_environment
from tests.platforms.parts import python_with

pytestmark = pytest.mark.slow

PROBE = Path(__file__).parent / "airflow_probe.py"
STAND_IN = """#!/bin/sh
echo "$@" >> {folder}/calls
code=$(cat {folder}/code)
echo '· Starting Spark'
if [ "$code" = 0 ]; then echo '{{"status": "published"}}'; else echo '{{"status": "failed", "error": "why"}}'; fi
exit "$code"
"""


@pytest.fixture(scope="module")
def airflow() -> str:
    return python_with("airflow", ("apache-airflow-core==3.3.2", "apache-airflow-providers-standard==1.21.0"))


def test_an_interval_becomes_a_window_and_exit_codes_decide_on_retries(airflow: str, tmp_path: Path) -> None:
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / "brierlake.py").symlink_to(ROOT / "conf" / "schedules" / "airflow_dag.py")
    command = tmp_path / "stand-in"
    command.write_text(STAND_IN.format(folder=tmp_path), encoding="utf-8")
    command.chmod(0o755)
    environment = clean_environment(
        AIRFLOW_HOME=str(tmp_path / "home"), BRIERLAKE_COMMAND=f"{command} {{command}}", BRIERLAKE_CONFIG="my.yml"
    )
    done = subprocess.run(
        [airflow, str(PROBE), str(dags), str(tmp_path)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    answer = json.loads(done.stdout.strip().splitlines()[-1])
    assert answer["downstream"] == {
        "score": ["fail_the_run", "judge_late_labels"],
        "judge_late_labels": ["fail_the_run"],
        "fail_the_run": [],
    }
    assert answer["retries"] == 3
    assert answer["outcomes"] == {
        "0": "published",
        "1": "again: exit code 1, to be tried again: why",
        "2": "final: the config or the machine: why",
        "3": "again: exit code 3, to be tried again: why",
        "4": "final: the features or labels: why",
        "5": "final: a gate was breached: why",
        "6": "again: exit code 6, to be tried again: why",
    }
    calls = (tmp_path / "calls").read_text(encoding="utf-8").splitlines()
    assert set(calls) == {"score --config my.yml --json --quiet --from 2024-01-31 --to 2024-02-01"}
