"""Recalibrated versions: what one is made of, and registering one, once."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from brierlake.config import MlflowConfig
from brierlake.registry.connection import asking, registry_uri, without_retries
from brierlake.registry.experiment import begin_run
from brierlake.registry.records import Recalibration
from brierlake.registry.runs import Run
from brierlake.registry.training_period import as_moment
from brierlake.registry.versions import Version, read_tags, search_versions, set_alias
from brierlake.training import RECALIBRATES_TAG, TRAINED_UNTIL_TAG

KIND_TAG = "brierlake.calibration"
DIGEST_TAG = "brierlake.calibration_digest"
ALIAS = "recalibrated"
_MODEL = "model"
_LONGEST_DESCRIPTION = 5000


@dataclass(frozen=True)
class Offer:
    """A recalibrated model that is to be registered beside the version inside."""

    name: str
    folder: Path
    """Where it is saved."""
    digest: str
    """The same for the same map of the same version."""
    run_name: str
    description: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    """Of the version and its run."""
    pictures: Mapping[str, str]
    """SVG by file name, kept beside the model."""


def read_recalibration(version: Version, run: Run | None) -> Recalibration | None:
    """Return what a recalibrated version is made of, as its tags or its run's say; None: it is no recalibrated one."""
    tags = {**(run.tags if run else {}), **(version.tags or {})}
    name, _, number = tags.get(RECALIBRATES_TAG, "").rpartition("/")
    if not name or not number.isdecimal():
        return None
    try:
        until = as_moment(datetime.fromisoformat(tags.get(TRAINED_UNTIL_TAG, "")))
    except ValueError:
        until = None
    return Recalibration(name, int(number), tags.get(KIND_TAG, "map"), until)


def find_registered(client: MlflowClient, name: str, digest: str) -> int | None:
    """Return the version that was registered with this digest; None: none was."""
    found = [each for each in search_versions(client, [name]) if read_tags(client, each).get(DIGEST_TAG) == digest]
    return max((each.number for each in found), default=None)


def register_recalibrated(client: MlflowClient, config: MlflowConfig, offer: Offer) -> int:
    """Log the model in a run of its own, register it, and give it the alias; return the version's number.

    Raises:
        ModelError: MLflow refuses or can't be reached; nothing is registered then, and the run is deleted.
    """
    with asking(config.tracking_uri, f"log a run to the experiment {config.experiment!r}", needs="EDIT"):
        run = begin_run(client, config, name=offer.run_name, tags=offer.tags)
    run_id = str(run.info.run_id)
    try:
        with asking(config.tracking_uri, f"log a model to the experiment {config.experiment!r}", needs="EDIT"):
            _fill(client, run_id, offer)
        number = _create_version(client, offer, run_id, source=f"{run.info.artifact_uri.rstrip('/')}/{_MODEL}")
    except Exception:
        with suppress(MlflowException):  # who may not register may not delete either
            client.delete_run(run_id)
        raise
    set_alias(client, offer.name, ALIAS, version=number)
    return number


def _fill(client: MlflowClient, run_id: str, offer: Offer) -> None:
    now = time.time_ns() // 1_000_000
    client.log_batch(
        run_id,
        metrics=[Metric(name, value, now, 0) for name, value in offer.metrics.items()],
        params=[Param(name, value) for name, value in offer.params.items()],
        tags=[RunTag("mlflow.source.name", "brierlake"), RunTag("mlflow.note.content", offer.description)],
    )
    client.log_artifacts(run_id, str(offer.folder), _MODEL)
    for name, picture in offer.pictures.items():
        client.log_text(run_id, picture, name)
    client.set_terminated(run_id, status="FINISHED")


def _create_version(client: MlflowClient, offer: Offer, run_id: str, *, source: str) -> int:
    with asking(registry_uri(client), f"register a version of {offer.name}", needs="EDIT"), without_retries():
        made = client.create_model_version(
            offer.name,
            source,
            run_id,
            tags={**offer.tags, DIGEST_TAG: offer.digest},
            description=offer.description[:_LONGEST_DESCRIPTION],
            await_creation_for=0,
        )
    return int(made.version)
