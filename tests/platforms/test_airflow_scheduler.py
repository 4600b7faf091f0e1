"""The DAG in conf/schedules under a real scheduler, with a stand-in for the command."""

import json
import os
import subprocess
from pathlib import Path

from tests.cluster.processes import LOOPBACK, ROOT, clean_environment, free_port, running, wait_until
from tests.cluster.test_airflow import airflow

__all__ = ["airflow"]

GATED = """#!/bin/sh
echo "$@" >> {folder}/calls
case "$*" in
  *"score"*"--from 2026-02-02"*) echo '{{"status": "held", "breaches": ["brier"]}}'; exit 5;;
  *) echo '{{"status": "published"}}';;
esac
"""


def test_a_scheduler_runs_three_days_one_with_a_breached_gate_and_the_day_that_is_asked_for(
    airflow: str, tmp_path: Path
) -> None:
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "brierlake.py").symlink_to(ROOT / "conf" / "schedules" / "airflow_dag.py")
    command, calls, port = tmp_path / "stand-in", tmp_path / "calls", free_port()
    command.write_text(GATED.format(folder=tmp_path), encoding="utf-8")
    command.chmod(0o755)
    calls.touch()
    environment = clean_environment(
        PATH=f"{Path(airflow).parent}:{os.environ['PATH']}",
        AIRFLOW_HOME=str(tmp_path / "home"),
        AIRFLOW__CORE__DAGS_FOLDER=str(tmp_path / "dags"),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS="True",
        AIRFLOW__CORE__EXECUTION_API_SERVER_URL=f"http://{LOOPBACK}:{port}/execution/",
        AIRFLOW__API__HOST=LOOPBACK,
        AIRFLOW__API__PORT=str(port),
        AIRFLOW__API__WORKERS="1",
        AIRFLOW__API__BASE_URL=f"http://{LOOPBACK}:{port}",
        BRIERLAKE_COMMAND=f"{command} {{command}}",
        BRIERLAKE_CONFIG="my.yml",
    )

    def ask(*arguments: str) -> str:
        line = [str(Path(airflow).parent / "airflow"), *arguments]
        done = subprocess.run(line, env=environment, capture_output=True, text=True, check=False, timeout=120)
        return done.stdout + done.stderr if done.returncode else done.stdout

    def called(*expected: str) -> bool:
        return set(expected) <= set(calls.read_text(encoding="utf-8").splitlines())

    def score_of(day: str, end: str) -> str:
        return f"score --config my.yml --json --quiet --from {day} --to {end}"

    start = [str(Path(airflow).parent / "airflow"), "standalone"]
    with running(start, log=tmp_path / "airflow.log", environment=environment, folder=tmp_path):
        wait_until(lambda: "brierlake" in ask("dags", "list"), "the DAG", seconds=180)
        ask("dags", "unpause", "brierlake", "--yes")
        ask(
            "backfill",
            "create",
            "--dag-id",
            "brierlake",
            "--from-date",
            "2026-02-01",
            "--to-date",
            "2026-02-03T23:00:00",
        )
        days = [("2026-02-01", "2026-02-02"), ("2026-02-02", "2026-02-03"), ("2026-02-03", "2026-02-04")]
        wait_until(lambda: called(*(score_of(*day) for day in days)), "three days", seconds=240)
        ask("dags", "trigger", "brierlake", "--logical-date", "2026-03-01T00:00:00+00:00")
        wait_until(lambda: called(score_of("2026-03-01", "2026-03-02")), "the day asked for", seconds=120)
        ask("dags", "trigger", "brierlake", "--conf", '{"from": "2026-04-01", "to": "2026-04-08"}')
        wait_until(lambda: called(score_of("2026-04-01", "2026-04-08")), "the week asked for", seconds=120)
        told = lambda: json.loads(ask("dags", "list-runs", "brierlake", "--output", "json") or "[]")  # noqa: E731
        wait_until(
            lambda: not [run for run in told() if run["state"] in ("running", "queued")], "all runs", seconds=120
        )
        states = {run["logical_date"][:10]: run["state"] for run in told() if run["logical_date"]}
    assert (states["2026-02-01"], states["2026-02-03"], states["2026-03-01"]) == ("success", "success", "success")
    lines = calls.read_text(encoding="utf-8").splitlines()
    assert lines.count(score_of("2026-02-02", "2026-02-03")) == 1  # a breached gate isn't tried again
    assert sum(line.startswith("diagnose") for line in lines) >= 5  # late labels are judged all the same
