"""The models that an experiment's runs have logged, whether MLflow keeps them as logged models or as run artifacts."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import ViewType

from brierlake.errors import ModelError
from brierlake.registry.connection import asking, map_at_once, read_pages
from brierlake.registry.files import MLMODEL
from brierlake.registry.runs import Run, add_models, as_run

MODELS_PAGE = 1000
_RUN_NAME = "mlflow.runName"


@dataclass(frozen=True)
class TrainedModel:
    """A model that a run has logged; where a run has none, one row without a source says so."""

    run: Run
    model: str | None
    """The name it was logged under."""
    source: str | None
    """`models:/m-…` or `runs:/<id>/<path>`."""
    origin: str
    fault: str | None
    """Why it can't be registered."""

    @property
    def run_name(self) -> str:
        return self.run.tags.get(_RUN_NAME, "")


def read_trained_models(client: MlflowClient, experiment: str, *, filter_string: str) -> tuple[TrainedModel, ...]:
    """List the models of the runs of an experiment that an MLflow filter string leaves.

    Raises:
        ModelError: There is no such experiment, or MLflow doesn't understand the filter.
    """
    with asking(client.tracking_uri, f"look up experiment {experiment}"):
        found = client.get_experiment_by_name(experiment)
        if found is None or found.lifecycle_stage != "active":
            known = [each.name for each in client.search_experiments(max_results=MODELS_PAGE)]
            raise ModelError.no_experiment(experiment, known)
    runs = _search_runs(client, found.experiment_id, filter_string)
    logged = _search_logged_models(client, found.experiment_id)
    whole = add_models(client, {run.run_id: run for run in runs}, of=(each.source_run_id for each in logged.values()))
    each_run = map_at_once(partial(_of_run, client, logged=logged), whole.values())
    return tuple(model for models in each_run for model in models)


def _search_runs(client: MlflowClient, experiment_id: str, filter_string: str) -> list[Run]:
    def ask(token: str | None) -> Any:
        return client.search_runs(
            [experiment_id], filter_string, ViewType.ACTIVE_ONLY, max_results=MODELS_PAGE, page_token=token
        )

    with asking(client.tracking_uri, f"search runs by {filter_string!r}"):
        return [as_run(each) for each in read_pages(ask)]


def _search_logged_models(client: MlflowClient, experiment_id: str) -> dict[str, Any]:
    def ask(token: str | None) -> Any:
        return client.search_logged_models([experiment_id], page_token=token)

    with asking(client.tracking_uri, "list the experiment's logged models"):
        return {model.model_id: model for model in read_pages(ask)}


def _of_run(client: MlflowClient, run: Run, *, logged: Mapping[str, Any]) -> list[TrainedModel]:
    if run.fault:
        return [TrainedModel(run, None, None, run.run_id, run.fault)]
    models = [_as_logged(run, logged[model_id]) for model_id in run.model_steps if model_id in logged]
    if models := models or _as_artifacts(client, run):
        return sorted(models, key=lambda model: (model.model or "", model.origin))
    return [TrainedModel(run, None, None, run.run_id, "it logged no model")]


def _as_logged(run: Run, model: Any) -> TrainedModel:
    status = str(getattr(model.status, "value", model.status))
    fault = None if status == "READY" else f"its model is {status}"
    return TrainedModel(run, model.name, f"models:/{model.model_id}", model.model_id, fault)


def _as_artifacts(client: MlflowClient, run: Run) -> list[TrainedModel]:
    """Find folders right below the run's artifacts that hold an MLmodel file."""
    with asking(client.tracking_uri, f"list the artifacts of run {run.run_id}"):
        folders = [each.path for each in client.list_artifacts(run.run_id) if each.is_dir]
        held = [path for path in folders if _holds_mlmodel(client, run, path)]
    sources = [(path, f"runs:/{run.run_id}/{path}") for path in held]
    return [TrainedModel(run, path, source, source, None) for path, source in sources]


def _holds_mlmodel(client: MlflowClient, run: Run, path: str) -> bool:
    return any(each.path == f"{path}/{MLMODEL}" for each in client.list_artifacts(run.run_id, path))
