"""The DAG in conf/schedules under a real scheduler, calling the real command on a small world of the four latest days.

Nothing is stood in for: a script of two lines notes what it is called with before it becomes the command. The
executor is Airflow's own on this machine, its database SQLite. Each test takes some ten minutes on two cores, so they
are for a person.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from pyspark.sql import SparkSession

from tests.cluster.processes import LOOPBACK, ROOT, clean_environment, free_port, has_listener, running, wait_until
from tests.cluster.test_airflow import airflow
from tests.world import PER_DAY, World, lay_out, make_rows

__all__ = ["airflow"]

pytestmark = pytest.mark.slow

_CALL = """#!/bin/sh
echo "$@" >> {folder}/calls
exec env PYTHONPATH={root}/lib OMP_NUM_THREADS=1 {python} -m brierlake "$@"
"""


@dataclass(frozen=True)
class Scheduler:
    """A running `airflow standalone`, and its own command to ask it."""

    program: str
    environment: dict[str, str]

    def ask(self, *arguments: str) -> str:
        done = subprocess.run(
            [self.program, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        return done.stdout if done.returncode == 0 else ""

    def runs(self) -> list[dict[str, Any]]:
        lines = self.ask("dags", "list-runs", "brierlake", "--output", "json").splitlines()
        told = next((line for line in reversed(lines) if line.startswith("[")), "[]")
        return list(json.loads(told))

    def wait_for_runs(self, count: int, *, seconds: float) -> dict[str, str]:
        """Waits until so many runs are through; returns the state of each by its id."""
        seen: dict[str, str] = {}

        def are_through() -> bool:
            seen.update({each["run_id"]: each["state"] for each in self.runs()})
            return len(seen) >= count and not {"queued", "running"} & set(seen.values())

        wait_until(are_through, f"{count} runs", seconds=seconds)
        return seen


def latest_day() -> pd.Timestamp:
    """The interval that the schedule, five hours after midnight UTC, has last completed."""
    return (pd.Timestamp.now(tz="UTC") - pd.Timedelta(hours=5)).normalize() - pd.Timedelta(days=1)


def day(place: int) -> str:
    """One of the world's four days; the last one is the latest."""
    return f"{latest_day() - pd.Timedelta(days=3 - place):%Y-%m-%d}"


@pytest.fixture
def days(spark: SparkSession, store: Path, tmp_path: Path) -> World:
    """The four latest days; on the second one all is so likely that a gate is breached."""
    rows = make_rows()
    rows["at"] += latest_day() - rows["at"].max().normalize()
    rows.loc[PER_DAY : 2 * PER_DAY - 1, "x1"] += 6.0
    made = lay_out(spark, store, tmp_path, rows=rows)
    config = yaml.safe_load(Path(made.path).read_text(encoding="utf-8"))
    config["gates"] = [{"metric": "mean_probability", "max": 0.9}]
    Path(made.path).write_text(yaml.safe_dump(config), encoding="utf-8")
    return made


@pytest.fixture
def scheduler(airflow: str, days: World, tmp_path: Path) -> Iterator[Scheduler]:
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "brierlake.py").symlink_to(ROOT / "conf" / "schedules" / "airflow_dag.py")
    command, port = tmp_path / "call", free_port()
    command.write_text(_CALL.format(folder=tmp_path, root=ROOT, python=sys.executable), encoding="utf-8")
    command.chmod(0o755)
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
        BRIERLAKE_CONFIG=days.path,
    )
    made = Scheduler(str(Path(airflow).with_name("airflow")), environment)
    with running([made.program, "standalone"], log=tmp_path / "airflow.log", environment=environment, folder=tmp_path):
        # a task that comes before the API server listens is lost until its retry, ten minutes later
        wait_until(lambda: has_listener(port), "Airflow's API server", seconds=240)
        # a DAG that Airflow has only just seen can't be switched on yet
        switch_on = ("dags", "unpause", "brierlake", "--yes")
        wait_until(lambda: "brierlake | " in made.ask(*switch_on), "the DAG", seconds=240)
        yield made


def scored_days(folder: Path) -> list[str]:
    lines = (folder / "calls").read_text(encoding="utf-8").splitlines()
    return [line.partition("--from ")[2] for line in lines if line.startswith("score ")]


def diagnose_count(folder: Path) -> int:
    return sum(line.startswith("diagnose ") for line in (folder / "calls").read_text(encoding="utf-8").splitlines())


def test_days_are_scored_in_turn_and_a_breached_gate_is_a_failed_run_that_isnt_tried_again(
    scheduler: Scheduler, days: World, tmp_path: Path
) -> None:
    # catchup is off: the latest day starts by itself
    assert list(scheduler.wait_for_runs(1, seconds=600).values()) == ["success"]
    # as the DAG's docstring says: Airflow's own default runs ten days at once
    earlier = ("--max-active-runs", "1", "--from-date", day(0), "--to-date", f"{day(2)}T23:00:00")
    scheduler.ask("backfill", "create", "--dag-id", "brierlake", *earlier)
    states = scheduler.wait_for_runs(4, seconds=1200)
    backfilled = [state for name, state in sorted(states.items()) if name.startswith("backfill")]
    assert backfilled == ["success", "failed", "success"]
    assert scored_days(tmp_path) == [f"{day(place)} --to {day(place + 1)}" for place in (3, 0, 1, 2)]
    assert diagnose_count(tmp_path) == 4  # late labels are judged all the same
    assert days.read("predictions").groupby("window_start").size().to_list() == [PER_DAY] * 4
    runs = days.read("runs").sort_values("run_id")
    published = runs[(runs["action"] == "score") & (runs["status"] == "published")]
    assert published["exit_code"].to_list() == [0, 0, 5, 0]


def test_a_person_gets_the_days_that_were_asked_for_and_no_rows_are_a_failed_run(
    scheduler: Scheduler, days: World, tmp_path: Path
) -> None:
    scheduler.wait_for_runs(1, seconds=600)
    triggered = ("dags", "trigger", "brierlake", "--run-id")
    scheduler.ask(*triggered, "a-day", "--logical-date", f"{day(0)}T00:00:00+00:00")
    assert scheduler.wait_for_runs(2, seconds=600)["a-day"] == "success"
    scheduler.ask(*triggered, "a-span", "--conf", json.dumps({"from": day(2), "to": day(4)}))
    assert scheduler.wait_for_runs(3, seconds=600)["a-span"] == "success"
    # labels are judged all the same, and that doesn't make the run a success
    scheduler.ask(*triggered, "nothing", "--conf", json.dumps({"from": "2020-01-01", "to": "2020-01-02"}))
    assert scheduler.wait_for_runs(4, seconds=600)["nothing"] == "failed"
    assert scored_days(tmp_path)[1:] == [
        f"{day(0)} --to {day(1)}",
        f"{day(2)} --to {day(4)}",
        "2020-01-01 --to 2020-01-02",
    ]
    assert diagnose_count(tmp_path) == 4
    assert days.read("predictions").groupby("window_start").size().to_list() == [PER_DAY] * 3
