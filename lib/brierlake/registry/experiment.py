"""Our own runs in MLflow: one run for each published result, and tags on the versions that made it."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException

from brierlake.config import MlflowConfig
from brierlake.redaction import redacted
from brierlake.registry.connection import asking, has_code, without_retries

PAGE = "report.html"
_SQLITE = "sqlite:///"
_LONGEST_PARAM, _LONGEST_DIGEST = 6000, 36


@dataclass(frozen=True)
class Source:
    """The table that was read, at one version."""

    name: str
    table_id: str
    version: int


@dataclass(frozen=True)
class Result:
    """What MLflow is told of one run. Metrics belong to this run alone, never to the model that was scored with."""

    name: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str] = field(default_factory=dict)
    source: Source | None = None
    page: str | None = None
    """HTML, kept as an artifact that MLflow shows."""


def log_result(client: MlflowClient, config: MlflowConfig, result: Result) -> str:
    """Log one finished run to the configured experiment, which is made where it is absent; return its id.

    Raises:
        ModelError: MLflow refuses or can't be reached. What was logged until then is marked as failed.
    """
    with asking(config.tracking_uri, f"log a run to the experiment {config.experiment!r}", needs="EDIT"):
        run_id = str(begin_run(client, config, name=result.name, tags=result.tags).info.run_id)
        try:
            _fill(client, run_id, result)
        except Exception:
            client.set_terminated(run_id, status="FAILED")
            raise
        client.set_terminated(run_id, status="FINISHED")
    return run_id


def tag_version(client: MlflowClient, config: MlflowConfig, name: str, version: int, tags: Mapping[str, str]) -> None:
    """Set tags on a model version, over those that are there."""
    with asking(config.registry_uri or config.tracking_uri, f"tag {name} version {version}", needs="EDIT"):
        for key, value in tags.items():
            client.set_model_version_tag(name, str(version), key, redacted(value))


def begin_run(client: MlflowClient, config: MlflowConfig, *, name: str, tags: Mapping[str, str]) -> Run:
    """Create a run in the configured experiment, which is made where it is absent; its texts tell no secret."""
    where = _experiment_id(client, config)
    with without_retries():
        return client.create_run(where, run_name=redacted(name), tags=_told(tags))


def _experiment_id(client: MlflowClient, config: MlflowConfig) -> str:
    found = client.get_experiment_by_name(config.experiment)
    if found is None:
        try:
            return str(client.create_experiment(config.experiment, artifact_location=_artifacts(config)))
        except MlflowException as error:
            if not has_code(error, "RESOURCE_ALREADY_EXISTS"):
                raise
            found = client.get_experiment_by_name(config.experiment)
    if found is None or found.lifecycle_stage != "active":
        raise MlflowException(f"the experiment {config.experiment!r} was deleted: restore it, or name another")
    return str(found.experiment_id)


def _artifacts(config: MlflowConfig) -> str | None:
    """Where artifacts go: a server decides itself; beside a SQLite file, not in the current directory."""
    if not config.tracking_uri.startswith(_SQLITE):
        return None
    database = Path(config.tracking_uri.removeprefix(_SQLITE).partition("?")[0]).resolve()
    return (database.parent / "mlartifacts").as_uri()


def _fill(client: MlflowClient, run_id: str, result: Result) -> None:
    now = time.time_ns() // 1_000_000
    client.log_batch(
        run_id,
        metrics=[Metric(name, value, now, 0) for name, value in result.metrics.items()],
        params=[Param(name, value[:_LONGEST_PARAM]) for name, value in _told(result.params).items()],
        tags=[RunTag("mlflow.source.name", "brierlake"), RunTag("mlflow.source.type", "JOB")],
    )
    if result.source is not None:
        client.log_inputs(run_id, datasets=[DatasetInput(_dataset(result.source), [_CONTEXT])])
    if result.page is not None:
        client.log_text(run_id, result.page, PAGE)


_CONTEXT = InputTag("mlflow.data.context", "scoring")


def _dataset(source: Source) -> Dataset:
    where = {"path": source.name} if "/" in source.name else {"delta_table_name": source.name}
    described = {**where, "delta_table_version": source.version, "delta_table_id": source.table_id}
    digest = f"v{source.version}-{source.table_id}"[:_LONGEST_DIGEST]
    name = source.name.rsplit("/", 1)[-1]
    return Dataset(name=name, digest=digest, source_type="delta_table", source=redacted(json.dumps(described)))


def _told(texts: Mapping[str, str]) -> dict[str, str]:
    return {name: redacted(text) for name, text in texts.items()}
