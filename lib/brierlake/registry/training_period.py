"""Until when a version's training data reaches: windows before can't tell how good it is."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time

from mlflow import MlflowClient

from brierlake.config import ModelConfig
from brierlake.registry.records import TrainedUntil
from brierlake.registry.runs import Run
from brierlake.registry.versions import Version, read_tags, read_version, read_version_runs
from brierlake.training import TRAINED_UNTIL_TAG


def find_trained_until(
    client: MlflowClient, version: Version, run: Run | None, config: ModelConfig
) -> TrainedUntil | None:
    """Ask the tags of version and run, then the config, then the end of the run, then the registration."""
    tagged = _tagged(read_tags(client, version)) or (_tagged(run.tags) if run else None)
    if tagged is not None:
        return TrainedUntil(tagged, "tag")
    if config.trained_until is not None:
        return TrainedUntil(as_moment(config.trained_until), "config")
    if run is not None and run.ended_at is not None:
        return TrainedUntil(run.ended_at, "run_end")
    return TrainedUntil(version.registered_at, "registered") if version.registered_at else None


def read_trained_until(client: MlflowClient, config: ModelConfig, name: str, number: int) -> TrainedUntil | None:
    """Return the same of a version that isn't at hand.

    Raises:
        ModelError: The registry fails, or has no such version.
    """
    version = read_version(client, name, number)
    run = read_version_runs(client, [version]).get(version.run_id or "")
    return find_trained_until(client, version, run, config)


def as_moment(value: date | datetime) -> datetime:
    """Return a date as its start in UTC, and a moment in UTC."""
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    return datetime.combine(value, time(), UTC)


def _tagged(tags: Mapping[str, str]) -> datetime | None:
    """What the tag says; None: there is none, or it is no time."""
    try:
        return as_moment(datetime.fromisoformat(tags.get(TRAINED_UNTIL_TAG, "")))
    except ValueError:
        return None
