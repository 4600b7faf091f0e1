"""Every way a version gets into a registry, then resolved and fetched the same."""

from pathlib import Path

import mlflow
import pytest
from registries import IS_SKOPS_USUAL, Registry, log_plain_artifact, needs_linked_values

from brierlake.config import ModelConfig
from brierlake.registry import fetch_model, resolve_model


def register_run_uri(registry: Registry, name: str) -> str:
    run_id, _ = registry.log_run((0.2, 0, 1000))
    mlflow.register_model(f"runs:/{run_id}/model", name)
    return run_id


def register_model_uri(registry: Registry, name: str) -> str:
    run_id, model_id = registry.log_run((0.2, 0, 1000))
    mlflow.register_model(f"models:/{model_id}", name)
    return run_id


def register_while_logging(registry: Registry, name: str) -> str:
    return registry.log_run((0.2, 0, 1000), registered_model_name=name)[0]


def register_plain_artifact(registry: Registry, name: str, folder: Path) -> str:
    run_id = log_plain_artifact(registry, folder)
    mlflow.register_model(f"runs:/{run_id}/model", name)
    return run_id


def register_plain_artifact_as_the_page_does(registry: Registry, name: str, folder: Path) -> str:
    run_id = log_plain_artifact(registry, folder)
    registry.client.create_registered_model(name)
    registry.client.create_model_version(name, f"runs:/{run_id}/model", run_id)
    return run_id


def copy_version(registry: Registry, name: str) -> str:
    run_id, number = registry.log_version(f"{name}-first", (0.2, 0, 1000))
    registry.client.copy_model_version(f"models:/{name}-first/{number}", f"{name}-second")
    registry.client.copy_model_version(f"models:/{name}-second/1", name)
    return run_id


@pytest.mark.parametrize(
    "route",
    [register_run_uri, register_model_uri, register_while_logging, copy_version],
    ids=lambda each: each.__name__,
)
def test_each_route_is_resolved_and_fetched(registry: Registry, name: str, tmp_path: Path, route) -> None:
    run_id = route(registry, name)
    config = ModelConfig(names=(name,))
    resolution = resolve_model(registry.client, config)
    assert (resolution.uri, resolution.run_id, resolution.metric_value) == (f"models:/{name}/1", run_id, 0.2)
    fetched = fetch_model(registry.client, resolution, config, folder=tmp_path)
    assert mlflow.sklearn.load_model(str(fetched.path)).n_features_in_ == 2
    assert (fetched.flavor, fetched.is_pickle) == ("sklearn", not IS_SKOPS_USUAL)


@pytest.mark.parametrize(
    "route", [register_plain_artifact, register_plain_artifact_as_the_page_does], ids=lambda each: each.__name__
)
def test_plain_run_artifacts_are_resolved_and_fetched(registry: Registry, name: str, tmp_path: Path, route) -> None:
    run_id = route(registry, name, tmp_path)
    config = ModelConfig(names=(name,))
    resolution = resolve_model(registry.client, config)
    assert (resolution.uri, resolution.run_id, resolution.metric_value) == (f"models:/{name}/1", run_id, 0.2)
    fetched = fetch_model(registry.client, resolution, config, folder=tmp_path)
    assert mlflow.sklearn.load_model(str(fetched.path)).n_features_in_ == 2


def test_best_of_several_models_either_direction(quick: Registry, names) -> None:
    good, poor = names(2)
    quick.log_version(poor, (0.3, 0, 1000))
    quick.log_version(good, (0.1, 0, 1000))
    quick.log_version(good, (0.2, 0, 1000))
    lowest = resolve_model(quick.client, ModelConfig(names=(poor, good)))
    highest = resolve_model(quick.client, ModelConfig(names=(poor, good), direction="max"))
    assert (lowest.uri, highest.uri) == (f"models:/{good}/1", f"models:/{poor}/1")
    assert [(each.rank, each.value) for each in lowest.candidates] == [(1, 0.1), (2, 0.2), (3, 0.3)]
    assert [each.is_selected for each in lowest.candidates] == [True, False, False]


def test_copies_of_copies_count_once_beside_their_original(registry: Registry, name: str) -> None:
    """The copy in the middle isn't among the names, and is looked up."""
    copy_version(registry, name)
    registry.log_version(f"{name}-first", (0.3, 0, 1000))
    rows = resolve_model(registry.client, ModelConfig(names=(name, f"{name}-first"))).candidates
    assert [(row.model_name, row.model_version, row.rank, row.is_tied, row.reason) for row in rows] == [
        (name, 1, 1, False, None),
        (f"{name}-first", 2, 2, False, None),
        (f"{name}-first", 1, None, False, f"copy of {name}/1"),
    ]


def test_copy_of_a_deleted_version_is_still_good(registry: Registry, name: str, tmp_path: Path) -> None:
    copy_version(registry, name)
    registry.client.delete_model_version(f"{name}-second", "1")
    config = ModelConfig(names=(name,))
    resolution = resolve_model(registry.client, config)
    assert fetch_model(registry.client, resolution, config, folder=tmp_path).flavor == "sklearn"


@pytest.mark.parametrize("pin", ["{name}/1", "models:/{name}/1", "{name}@champion"])
def test_pin_and_alias_take_a_version_whatever_its_metric(registry: Registry, name: str, pin: str) -> None:
    registry.log_version(name, (0.5, 0, 1000))
    registry.log_version(name, (0.1, 0, 1000))
    registry.client.set_registered_model_alias(name, "champion", "1")
    resolution = resolve_model(registry.client, ModelConfig(pin=pin.format(name=name)))
    assert (resolution.uri, resolution.metric_value) == (f"models:/{name}/1", 0.5)
    assert [(each.model_version, each.is_selected) for each in resolution.candidates] == [(1, True)]


def test_pinned_version_without_metric_says_so_in_its_row(quick: Registry, name: str) -> None:
    quick.log_version(name)
    (row,) = resolve_model(quick.client, ModelConfig(pin=f"{name}/1")).candidates
    assert (row.is_selected, row.is_eligible, row.rank, row.reason) == (True, False, None, "metric brier is missing")


def test_names_with_quotes_are_found(registry: Registry, name: str) -> None:
    odd = f"o'{name}"
    registry.log_version(odd, (0.3, 0, 1000))
    registry.log_version(name, (0.4, 0, 1000))
    assert resolve_model(registry.client, ModelConfig(names=(odd,))).uri == f"models:/{odd}/1"
    assert len(resolve_model(registry.client, ModelConfig(names=(name, odd))).candidates) == 2


@pytest.mark.parametrize(
    ("tags", "params", "expected"),
    [
        ({"brierlake.features": '["delay", "distance"]'}, {}, ("delay", "distance")),
        ({"features": "delay, distance"}, {}, ("delay", "distance")),
        ({}, {"features": ["delay", "distance"]}, ("delay", "distance")),
        ({"features": "other"}, {"brierlake.features": '["delay"]'}, ("delay",)),
        ({}, {}, ()),
    ],
)
def test_feature_order_is_found_on_the_run(quick: Registry, name: str, tags, params, expected) -> None:
    with mlflow.start_run(experiment_id=quick.experiment_id):
        mlflow.set_tags(tags)
        mlflow.log_params(params)
        mlflow.log_metric("brier", 0.2)
        quick.register(name, quick.log_model())
    assert resolve_model(quick.client, ModelConfig(names=(name,))).features == expected


def test_feature_order_on_the_version_wins(registry: Registry, name: str) -> None:
    run_id, number = registry.log_version(name, (0.2, 0, 1000))
    registry.client.set_tag(run_id, "features", "a,b")
    registry.client.set_model_version_tag(name, str(number), "features", '["b", "a"]')
    assert resolve_model(registry.client, ModelConfig(names=(name,))).features == ("b", "a")


def test_model_logged_outside_any_run_is_judged_by_its_own_metric(registry: Registry, name: str) -> None:
    model = registry.client.create_logged_model(registry.experiment_id, "free")
    with mlflow.start_run(experiment_id=registry.experiment_id) as run:
        model_id = registry.log_model(model_id=model.model_id)
        registry.client.log_metric(run.info.run_id, "brier", 0.17, model_id=model_id)
    registry.register(name, model_id)
    (row,) = resolve_model(registry.client, ModelConfig(names=(name,))).candidates
    assert (row.value, row.run_id, row.value_source) == (0.17, None, "logged_model")


@needs_linked_values
def test_outputs_logged_at_several_steps_are_told_apart(registry: Registry, name: str) -> None:
    """A checkpoint each epoch: MLflow links a value to the model of its step."""
    with mlflow.start_run(experiment_id=registry.experiment_id) as run:
        models = [registry.log_model(f"epoch-{step}", step=step) for step in range(3)]
        for step, value in enumerate([0.5, 0.2, 0.3]):
            mlflow.log_metric("brier", value, step=step)
    for model_id in models:
        registry.register(name, model_id)
    outputs = registry.client.get_run(run.info.run_id).outputs.model_outputs
    assert {each.step for each in outputs} == {0, 1, 2}
    rows = resolve_model(registry.client, ModelConfig(names=(name,))).candidates
    assert [(each.model_version, each.value) for each in rows] == [(2, 0.2), (3, 0.3), (1, 0.5)]
