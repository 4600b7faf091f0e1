"""Until when a version was trained: its tags, the config, the end of its run."""

from datetime import UTC, date, datetime
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from tests.world import log_version

from brierlake import log_brier, log_features
from brierlake.config import MlflowConfig, ModelConfig
from brierlake.registry import connect, read_trained_until, resolve_model


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> MlflowClient:
    """A registry with two versions of `games`, whose runs are tagged 2024-01-01, and one of `bare`, whose run isn't."""
    folder = tmp_path_factory.mktemp("training")
    for name in ("games", "games", "bare"):
        log_version(folder, name, brier=[0.2], strength=1.0)
    client = connect(MlflowConfig(tracking_uri=f"sqlite:///{folder}/mlflow.db"))
    client.delete_tag(client.get_model_version("bare", "1").run_id, "brierlake.trained_until")
    client.set_model_version_tag("games", "2", "brierlake.trained_until", "2024-02-01T06:00:00+02:00")
    return client


def asked(client: MlflowClient, name: str, number: int, **config: object) -> tuple[datetime, str]:
    found = read_trained_until(client, ModelConfig(names=(name,), **config), name, number)
    assert found is not None
    return found.moment, found.source


def test_the_versions_tag_goes_before_its_runs_and_both_before_the_config(own: MlflowClient) -> None:
    late = {"trained_until": date(2024, 6, 1)}
    assert asked(own, "games", 2, **late) == (datetime(2024, 2, 1, 4, tzinfo=UTC), "tag")
    assert asked(own, "games", 1, **late) == (datetime(2024, 1, 1, tzinfo=UTC), "tag")
    assert asked(own, "bare", 1, **late) == (datetime(2024, 6, 1, tzinfo=UTC), "config")


def test_without_a_word_it_is_the_end_of_the_run_a_safe_bound(own: MlflowClient) -> None:
    ended = own.get_run(own.get_model_version("bare", "1").run_id).info.end_time
    moment, source = asked(own, "bare", 1)
    assert (source, moment) == ("run_end", datetime.fromtimestamp(ended / 1000, tz=UTC))


def test_a_tag_that_is_no_time_is_passed_over(own: MlflowClient) -> None:
    own.set_model_version_tag("bare", "1", "brierlake.trained_until", "last summer")
    assert asked(own, "bare", 1)[1] == "run_end"


def test_what_is_resolved_says_it_too(own: MlflowClient) -> None:
    chosen = resolve_model(own, ModelConfig(pin="games/2"))
    assert chosen.trained_until is not None
    assert chosen.trained_until.source == "tag"


def test_training_code_tags_its_run(tmp_path: Path) -> None:
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    with mlflow.start_run() as run:
        log_features(["a", "b"], trained_until=date(2024, 3, 1))
        log_brier([0.2, 0.4], [0, 1], trained_until="2024-04-01T00:00:00Z")
    tags = mlflow.get_run(run.info.run_id).data.tags
    assert tags["brierlake.trained_until"] == "2024-04-01T00:00:00+00:00"
    with mlflow.start_run(), pytest.raises(ValueError, match="Invalid isoformat"):
        log_features(["a"], trained_until="last summer")
