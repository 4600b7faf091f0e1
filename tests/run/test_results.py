"""What a published run leaves in MLflow, and that nothing there can spoil it."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pytest
from click.testing import CliRunner, Result
from mlflow import MlflowClient

from brierlake.cli import main
from tests.world import PER_DAY, World, labels_of

pytestmark = pytest.mark.slow  # whole runs, some of them several

LOGGED = ("--set", "mlflow.log_runs=true", "--json", "--quiet")


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def summary_of(*arguments: str) -> dict[str, Any]:
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def client_of(world: World) -> MlflowClient:
    return MlflowClient(world.config.mlflow.tracking_uri, registry_uri=world.config.mlflow.tracking_uri)


def runs_of(client: MlflowClient) -> list[Any]:
    experiment = client.get_experiment_by_name("brierlake")
    return [] if experiment is None else list(client.search_runs([experiment.experiment_id]))


def test_a_published_run_is_an_mlflow_run_and_tags_its_version(world: World) -> None:
    page = world.folder / "page.html"
    summary = summary_of("score", "--config", world.path, *LOGGED, "--set", f"report.path={page}")
    client = client_of(world)
    (run,) = runs_of(client)
    assert summary["mlflow_run_id"] == run.info.run_id
    assert summary["notes"] == []
    assert run.info.status == "FINISHED"
    expected = {"job": "games", "action": "score", "model_name": "second", "model_version": "1", "scope": "full"}
    assert expected.items() <= run.data.params.items()
    assert run.data.params["features_version"] == "0"
    total = summary["diagnostics"]["total"]
    assert run.data.metrics["brier"] == total["brier"]
    assert run.data.metrics["rows_in"] == len(world.rows)
    assert run.data.tags["mlflow.note.content"].startswith("**")
    (read,) = run.inputs.dataset_inputs
    assert (read.dataset.name, read.dataset.source_type) == ("games", "delta_table")
    assert json.loads(read.dataset.source)["delta_table_version"] == 0
    (artifact,) = client.list_artifacts(run.info.run_id)
    kept = Path(urlparse(run.info.artifact_uri).path) / artifact.path
    assert kept.is_relative_to(world.folder / "mlartifacts")
    assert kept.read_text(encoding="utf-8") == page.read_text(encoding="utf-8")
    tags = client.get_model_version("second", "1").tags
    assert tags["brier_production"] == f"{total['brier']:.6g}"
    assert tags["brier_production_base_rate"] == f"{total['base_rate']:.6g}"
    assert tags["brier_production_coverage"] == "0.75"
    assert tags["brier_production_window"] == "2024-01/2024-02"
    assert tags["brier_production_run_id"] == summary["run_id"]
    # the value that ranks is still the one from training, and a run that changes nothing logs nothing
    again = summary_of("score", "--config", world.path, *LOGGED)
    assert (again["status"], again["model"]["value"]) == ("unchanged", 0.21)
    assert again["mlflow_run_id"] is None
    assert len(runs_of(client)) == 1
    world.append(labels_of(world.rows[3 * PER_DAY :]), "results")
    judged = summary_of("diagnose", "--config", world.path, *LOGGED)
    assert [each.data.params["action"] for each in runs_of(client)] == ["diagnose", "score"]
    assert client.get_model_version("second", "1").tags["brier_production_coverage"] == "1"
    assert judged["mlflow_run_id"] != summary["mlflow_run_id"]


@pytest.mark.parametrize("broken", [pytest.param("experiment", marks=pytest.mark.long), "page"])
def test_a_run_stays_published_when_telling_of_it_fails(world: World, broken: str) -> None:
    settings = ["--set", "mlflow.log_runs=true"]
    if broken == "experiment":
        client = client_of(world)
        client.delete_experiment(client.create_experiment("brierlake"))
        told = "note     Not logged to MLflow: MLflow at"
    else:
        settings = ["--set", f"report.path={world.path}/page.html"]
        told = "note     No report: The file"
    result = invoke("score", "--config", world.path, "--quiet", *settings)
    assert result.exit_code == 0, result.output
    assert "published" in result.stdout
    assert told in result.stdout
    assert len(world.read("predictions")) == len(world.rows)
