"""Airflow 3: each data interval becomes --from and --to. Tried with 3.3 (tests/cluster/test_airflow*.py).

Retries are safe: a run that is repeated finds its windows current, or finishes what a crash left. Exit codes that a
retry wouldn't change fail at once; code 5, a breached gate, does too, and what is downstream doesn't start.
Earlier days: `airflow backfill create --dag-id brierlake --from-date … --to-date … --max-active-runs 1`. Without the
last option Airflow runs ten days at once, in any order, whatever the DAG says: where two drivers may not write at once
(S3), one can lose a commit.
Put the file into the DAGs folder and set BRIERLAKE_CONFIG; BRIERLAKE_COMMAND may be a spark-submit instead, such as
`/opt/venv/bin/spark-submit --master spark://head:7077 --properties-file /opt/brierlake/spark.conf jobs/{command}.py`.
"""

import json
import os
import shlex
import subprocess
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.exceptions import AirflowException
from airflow.sdk import DAG, CronDataIntervalTimetable, task
from airflow.sdk.exceptions import AirflowFailException

COMMAND = os.environ.get("BRIERLAKE_COMMAND", "brierlake {command}")
CONFIG = os.environ.get("BRIERLAKE_CONFIG", "/opt/brierlake/my-job.yml")
FINAL = {2: "the config or the machine", 4: "the features or labels", 5: "a gate was breached"}


def run(command: str, *arguments: str) -> dict[str, Any]:
    """Returns the JSON summary, which is the last line of the output (spark-submit mixes progress into it)."""
    line = [*shlex.split(COMMAND.format(command=command)), "--config", CONFIG, "--json", "--quiet", *arguments]
    done = subprocess.run(line, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603 - the deployment says it
    lines = done.stdout.strip().splitlines()
    summary = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
    if done.returncode in FINAL:
        raise AirflowFailException(f"{FINAL[done.returncode]}: {summary.get('error') or summary.get('breaches')}")
    if done.returncode:
        raise AirflowException(f"exit code {done.returncode}, to be tried again: {summary.get('error')}")
    return summary


def interval(dag_run: Any, start: datetime, end: datetime) -> tuple[str, str]:
    """Returns the days to score: those that a person asks for, else the run's data interval.

    `airflow dags trigger --conf '{"from": "2026-03-01", "to": "2026-03-08"}'` asks for a week, and
    `--logical-date 2026-03-01` for that day: Airflow gives a triggered run the latest interval, whatever is asked.
    """
    asked = dag_run.conf or {}
    if "from" in asked and "to" in asked:
        return str(asked["from"]), str(asked["to"])
    day = dag_run.logical_date
    if day is not None and not start <= day < end + timedelta(days=1):
        start, end = day, day + timedelta(days=1)
    return f"{start:%Y-%m-%d}", f"{end:%Y-%m-%d}"


with DAG(
    "brierlake",
    # five hours after midnight UTC, so that the day's features are there; the interval is the day before
    schedule=CronDataIntervalTimetable("0 5 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=10)},
) as dag:

    @task
    def score(dag_run: Any = None, data_interval_start: Any = None, data_interval_end: Any = None) -> dict[str, Any]:
        start, end = interval(dag_run, data_interval_start, data_interval_end)
        return run("score", "--from", start, "--to", end)

    @task(trigger_rule="all_done")
    def judge_late_labels() -> dict[str, Any]:
        """Labels of earlier days that landed since; needs no new predictions."""
        return run("diagnose")

    @task(trigger_rule="one_failed", retries=0)
    def fail_the_run() -> None:
        """Only its last tasks say whether a run has failed, and labels are judged whatever came of the scores."""
        raise AirflowFailException("see the task that failed")

    scored = score()  # whatever uses the predictions goes behind this: `scored >> …`
    judged = judge_late_labels()
    scored >> judged
    [scored, judged] >> fail_the_run()
