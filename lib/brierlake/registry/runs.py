"""MLflow's runs: their parameters, tags, last metrics and models, and the order of the features that they tell."""

import ast
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException

from brierlake.registry.connection import asking, has_code, map_at_once, read_pages

RUNS_BATCH = 500
EXPERIMENTS_PAGE = 1000


@dataclass(frozen=True)
class Point:
    """One logged value."""

    value: float
    step: int
    timestamp: int
    """Milliseconds since 1970, UTC."""


@dataclass(frozen=True)
class Run:
    """What decides whether a run's metric counts."""

    run_id: str
    experiment_id: str
    fault: str | None
    """Why its metric can't count."""
    metrics: Mapping[str, Point]
    """Name to value at the highest step."""
    model_steps: Mapping[str, int]
    """Logged model's id to the step it was logged at."""
    tags: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    ended_at: datetime | None = None
    """UTC; None: it hasn't ended."""


def read_runs(client: MlflowClient, run_ids: Iterable[str], *, with_models: Iterable[str] = ()) -> dict[str, Run]:
    """Read runs in batches; those that the search leaves out one by one, so that each has its reason.

    Args:
        with_models: Ids of runs that are known to have logged a model: their `model_steps` are complete.
    """
    wanted = sorted(set(run_ids))
    if not wanted:
        return {}
    experiments = list_experiments(client)
    found: dict[str, Run] = {}
    for start in range(0, len(wanted), RUNS_BATCH):
        batch = wanted[start : start + RUNS_BATCH]
        listed = ", ".join(f"'{run_id}'" for run_id in batch)
        with asking(client.tracking_uri, "read the versions' runs"):
            page = client.search_runs(
                experiments,
                f"attributes.run_id IN ({listed})",
                run_view_type=ViewType.ALL,
                max_results=len(batch),
            )
        found.update({run.run_id: run for run in map(as_run, page)})
    found = add_models(client, found, of=with_models)
    left = [run_id for run_id in wanted if run_id not in found]
    return found | dict(zip(left, map_at_once(partial(_read_run, client), left), strict=True))


def add_models(client: MlflowClient, runs: Mapping[str, Run], *, of: Iterable[str]) -> dict[str, Run]:
    """Read those runs again that have logged a model and are without one here: MLflow before 3.6 leaves models out."""
    bare = [run_id for run_id in sorted(set(of)) if run_id in runs and not runs[run_id].model_steps]
    return {**runs, **dict(zip(bare, map_at_once(partial(_read_run, client), bare), strict=True))}


def list_experiments(client: MlflowClient) -> list[str]:
    """Return the ids of all experiments that may be seen, the deleted too: MLflow searches no run without them."""

    def ask(token: str | None) -> Any:
        return client.search_experiments(ViewType.ALL, max_results=EXPERIMENTS_PAGE, page_token=token)

    with asking(client.tracking_uri, "list its experiments"):
        return [str(each.experiment_id) for each in read_pages(ask)]


def as_run(entity: Any) -> Run:
    status, stage = str(entity.info.status), str(entity.info.lifecycle_stage)
    fault = "its run is deleted" if stage != "active" else None if status == "FINISHED" else f"its run is {status}"
    outputs = entity.outputs.model_outputs if entity.outputs else []
    return Run(
        run_id=str(entity.info.run_id),
        experiment_id=str(entity.info.experiment_id),
        fault=fault,
        # `data.metrics` has the values only; the message has step and time too
        metrics={each.key: Point(each.value, each.step, each.timestamp) for each in entity.data.to_proto().metrics},
        model_steps={each.model_id: each.step for each in outputs},
        tags=dict(entity.data.tags),
        params=dict(entity.data.params),
        ended_at=from_millis(entity.info.end_time),
    )


def from_millis(since_1970: int | None) -> datetime | None:
    return datetime.fromtimestamp(since_1970 / 1000, tz=UTC) if since_1970 else None


def _read_run(client: MlflowClient, run_id: str) -> Run:
    with asking(client.tracking_uri, f"read run {run_id}"):
        try:
            return as_run(client.get_run(run_id))
        except MlflowException as error:
            if has_code(error, "RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                fault = "its run is missing"
            elif has_code(error, "PERMISSION_DENIED"):
                fault = "its run may not be read by this user (403)"
            else:
                raise
    return Run(run_id=run_id, experiment_id="", fault=fault, metrics={}, model_steps={})


NAMES = ("brierlake.features", "features")


def read_features(*places: Mapping[str, str]) -> tuple[str, ...]:
    """Return the first feature list found in the places, or nothing.

    A list is JSON, or what `str` makes of a Python list, or names between commas. What begins like a list and isn't
    one (cut off, for example) is passed over.
    """
    for name in NAMES:
        for place in places:
            if features := _parsed(place.get(name, "")):
                return features
    return ()


def _parsed(text: str) -> tuple[str, ...]:
    stripped = text.strip()
    if not stripped.startswith(("[", "(", "{")):
        return tuple(part.strip() for part in stripped.split(",") if part.strip())
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(stripped)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        if isinstance(found, list | tuple) and all(isinstance(each, str) and each for each in found):
            return tuple(found)
    return ()
