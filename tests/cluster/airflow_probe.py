"""Run by the Python of a real Airflow: parses the DAG, and calls its tasks with a stand-in for the command."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pendulum
from airflow.dag_processing.dagbag import DagBag
from airflow.exceptions import AirflowException
from airflow.sdk.exceptions import AirflowFailException
from airflow.serialization.serialized_objects import DagSerialization

folder, calls = Path(sys.argv[1]), Path(sys.argv[2])
bag = DagBag(str(folder))
assert not bag.import_errors, bag.import_errors
dag = bag.dags["brierlake"]
# as the scheduler sees it
timetable = DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable
interval = timetable.infer_manual_data_interval(run_after=pendulum.datetime(2024, 2, 1, 5, 0))
score = dag.get_task("score").python_callable
outcomes = {}
for code in (0, 1, 2, 3, 4, 5, 6):
    (calls / "code").write_text(str(code))
    try:
        outcomes[code] = score(
            dag_run=SimpleNamespace(conf={}, logical_date=None),
            data_interval_start=interval.start,
            data_interval_end=interval.end,
        )["status"]
    except AirflowFailException as error:
        outcomes[code] = f"final: {error}"
    except AirflowException as error:
        outcomes[code] = f"again: {error}"
answer = {
    "downstream": {each.task_id: sorted(each.downstream_task_ids) for each in dag.tasks},
    "retries": dag.get_task("score").retries,
    "outcomes": outcomes,
}
print(json.dumps(answer))
