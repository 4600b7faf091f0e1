"""Whole histories of a metric: many runs a call where the server has that, else one."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.service_pb2 import GetMetricHistoryBulkInterval
from mlflow.utils.proto_json_utils import parse_dict
from mlflow.utils.rest_utils import http_request, verify_rest_response

from brierlake.registry.connection import asking, map_at_once
from brierlake.registry.runs import Point, Run

_ENDPOINT = "/api/2.0/mlflow/metrics/get-history-bulk-interval"
_RUNS_A_CALL = 50
"""MLflow takes 100; the servers before 3.5 take no longer address than 4,094 letters."""
_MOST = 2500
"""From so many steps, or so many values of a run, on, MLflow hands out a sample."""
_FIRST_STEP, _LAST_STEP = -(2**63), 2**63 - 1

History = tuple[Point, ...]


def read_histories(client: MlflowClient, runs: Sequence[Run], metric: str) -> dict[str, History]:
    """Return all values of a metric by run id, in no order.

    Args:
        runs: None of them twice.
    """
    found = _read_in_batches(client, [run.run_id for run in runs], metric)
    left = [run for run in runs if run.run_id not in found]
    return found | dict(
        zip((run.run_id for run in left), map_at_once(partial(_read_history, client, metric), left), strict=True)
    )


def _read_in_batches(client: MlflowClient, run_ids: Sequence[str], metric: str) -> dict[str, History]:
    """Leave out what a batch can't tell: histories that are sampled, and all runs where one may not be read."""
    credentials = getattr(client._tracking_client.store, "get_host_creds", None)  # noqa: SLF001 - MLflow's client has no such call
    if credentials is None or len(run_ids) < 2 or client.tracking_uri.startswith("databricks"):
        return {}
    batches = [run_ids[start : start + _RUNS_A_CALL] for start in range(0, len(run_ids), _RUNS_A_CALL)]
    found: dict[str, History] = {}
    with asking(client.tracking_uri, f"read the histories of {metric}"):
        for each in map_at_once(partial(_ask, credentials, metric), batches):
            found.update(each)
    return found


def _ask(credentials: Any, metric: str, run_ids: Sequence[str]) -> Mapping[str, History]:
    wanted = {"run_ids": list(run_ids), "metric_key": metric, "max_results": _MOST}
    steps = {"start_step": _FIRST_STEP, "end_step": _LAST_STEP}
    answer = GetMetricHistoryBulkInterval.Response()
    with suppress(MlflowException):  # no such call there, or a run that isn't there or may not be read: one by one
        response = http_request(credentials(), _ENDPOINT, "GET", params={**wanted, **steps})  # type: ignore[no-untyped-call]
        parse_dict(verify_rest_response(response, _ENDPOINT).json(), answer)  # type: ignore[no-untyped-call]
        return dict(_whole(answer.metrics))
    return {}


def _whole(metrics: Sequence[Any]) -> Iterator[tuple[str, History]]:
    points: dict[str, list[Point]] = {}
    for each in metrics:
        points.setdefault(each.run_id, []).append(Point(each.value, each.step, each.timestamp))
    if len({each.step for history in points.values() for each in history}) < _MOST:
        yield from ((run_id, tuple(history)) for run_id, history in points.items() if len(history) < _MOST)


def _read_history(client: MlflowClient, metric: str, run: Run) -> History:
    with asking(client.tracking_uri, f"read the history of {metric} of run {run.run_id}"):
        history = client.get_metric_history(run.run_id, metric)
    return tuple(Point(each.value, each.step, each.timestamp) for each in history)
