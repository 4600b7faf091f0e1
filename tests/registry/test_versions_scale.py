"""Five names with 200 versions each: few calls, and the same answer by both rules."""

import time
from pathlib import Path

import mlflow
import pytest
from mlflow_server import counted_requests, fill_names
from registries import Registry

from brierlake.config import ModelConfig
from brierlake.registry import register_runs, resolve_model, runs, trained, versions
from brierlake.registry.connection import map_at_once


@pytest.fixture
def full(remote: Registry, names, tmp_path: Path) -> tuple[Registry, list[str]]:
    mlflow.sklearn.save_model(
        remote.model, str(tmp_path / "model"), signature=remote.signature, pip_requirements=["scikit-learn"]
    )
    many = names(5)
    fill_names(remote.client, remote.server.database, many, versions=200, files=tmp_path / "model")
    return remote, many


@pytest.mark.slow
def test_a_thousand_versions(full: tuple[Registry, list[str]]) -> None:
    registry, many = full
    with counted_requests() as by_step:
        first = resolve_model(registry.client, ModelConfig(names=tuple(many), rule="last_step"))
    with counted_requests() as by_time:
        start = time.monotonic()
        second = resolve_model(registry.client, ModelConfig(names=tuple(many)))
        seconds = time.monotonic() - start
    assert first == second
    assert (first.uri, first.metric_value, len(first.candidates)) == (f"models:/{many[0]}/1", 0.05, 1000)
    # a search a name (servers before 3.17 take no more), experiments, two batches of runs; the other calls find and
    # download one MLmodel file
    assert len(by_step) <= 11 + len(many), by_step
    assert [call.rpartition("/mlflow/")[2] for call in by_step[: len(many) + 3]] == [
        *["model-versions/search"] * len(many),
        "experiments/search",
        "runs/search",
        "runs/search",
    ]
    histories = sum("/metrics/get-history" in call for call in by_time)
    assert len(by_time) - histories <= 11 + len(many)
    # 15 s are promised on a quiet machine; this one may be doing other things
    assert seconds < 60


def test_pages_and_batches_are_put_together(registry: Registry, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    values = [0.5, 0.1, 0.4, 0.2, 0.3]
    for value in values:
        registry.log_version(name, (value, 0, 1000))
    for module, limit in (
        (versions, "VERSIONS_PAGE"),
        (runs, "RUNS_BATCH"),
        (runs, "EXPERIMENTS_PAGE"),
        (trained, "MODELS_PAGE"),
    ):
        monkeypatch.setattr(module, limit, 2)
    rows = resolve_model(registry.client, ModelConfig(names=(name,))).candidates
    assert [row.value for row in rows] == sorted(values)
    experiment = registry.client.get_experiment(registry.experiment_id).name
    assert len(register_runs(registry.client, ModelConfig(names=(name,)), experiment=experiment)) == 5


def test_nothing_more_is_begun_after_a_failure() -> None:
    begun = []

    def fails(number: int) -> None:
        begun.append(number)
        time.sleep(0.01)
        raise RuntimeError(number)

    with pytest.raises(RuntimeError, match="0"):
        map_at_once(fails, range(1000))
    assert len(begun) < 100
