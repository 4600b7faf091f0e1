"""`brierlake register`: the good runs of an experiment, once each, and why not the others."""

from pathlib import Path

import mlflow
import pytest
from registries import Registry, log_plain_artifact

from brierlake.config import AllowConfig, ModelConfig
from brierlake.errors import ModelError
from brierlake.registry import register_runs, resolve_model
from brierlake.summary_parts import RegistrationPart


def experiment_name(registry: Registry) -> str:
    return str(registry.client.get_experiment(registry.experiment_id).name)


def register(
    registry: Registry, target: str, *, config: ModelConfig | None = None, **settings
) -> list[RegistrationPart]:
    return register_runs(
        registry.client, config or ModelConfig(names=(target,)), experiment=experiment_name(registry), **settings
    )


def seen(rows: list[RegistrationPart]) -> list[tuple[float | None, int | None, bool, str | None]]:
    return [(row.value, row.model_version, row.is_registered, row.reason) for row in rows]


def test_registers_what_counts_and_says_why_not_the_rest(registry: Registry, name: str) -> None:
    good, _ = registry.log_run((0.3, 0, 1000))
    best, _ = registry.log_run((0.1, 0, 1000))
    registry.log_run((2.5, 0, 1000))
    registry.log_run((0.2, 0, 1000), signature=False)
    registry.log_run()
    registry.client.update_run(registry.log_run((0.1, 0, 1000))[0], "FAILED")
    registry.client.delete_run(registry.log_run((0.1, 0, 1000))[0])
    with mlflow.start_run(experiment_id=registry.experiment_id):
        mlflow.log_metric("brier", 0.1)
    rows = register(registry, name)
    assert [(row.run_id, row.model_version, row.value) for row in rows if row.is_registered] == [
        (best, 1, 0.1),
        (good, 2, 0.3),
    ]
    assert sorted(str(row.reason) for row in rows if not row.is_registered) == [
        "brier is outside 0 to 2",
        "it has no signature",
        "it logged no model",
        "its run is FAILED",
        "metric brier is missing",
    ]
    assert resolve_model(registry.client, ModelConfig(names=(name,))).run_id == best


def test_running_it_twice_registers_nothing_twice(registry: Registry, name: str) -> None:
    registry.log_run((0.3, 0, 1000))
    registry.log_version(name, (0.1, 0, 1000))
    first, second = register(registry, name), register(registry, name)
    assert seen(first) == [(0.1, 1, False, f"already registered as {name}/1"), (0.3, 2, True, None)]
    assert [row.reason for row in second] == [f"already registered as {name}/1", f"already registered as {name}/2"]
    assert len(registry.client.search_model_versions(f"name = '{name}'")) == 2


def test_plain_run_artifacts_are_registered_once(registry: Registry, name: str, tmp_path: Path) -> None:
    run_id = log_plain_artifact(registry, tmp_path)
    registry.client.log_text(run_id, "no model", "notes/readme.txt")
    assert seen(register(registry, name)) == [(0.2, 1, True, None)]
    assert seen(register(registry, name)) == [(0.2, 1, False, f"already registered as {name}/1")]
    assert resolve_model(registry.client, ModelConfig(names=(name,))).run_id == run_id


def test_top_counts_what_is_there_already(quick: Registry, name: str) -> None:
    quick.log_version(name, (0.1, 0, 1000))
    for value in (0.3, 0.2, 0.4):
        quick.log_run((value, 0, 1000))
    expected = [
        (0.1, 1, False, f"already registered as {name}/1"),
        (0.2, 2, True, None),
        (0.3, None, False, "place 3, and the best 2 are wanted"),
        (0.4, None, False, "place 4, and the best 2 are wanted"),
    ]
    assert seen(register(quick, name, top=2)) == expected
    assert not any(row.is_registered for row in register(quick, name, top=2))


def test_one_without_signature_doesnt_take_a_place(quick: Registry, name: str) -> None:
    quick.log_run((0.1, 0, 1000), signature=False)
    quick.log_run((0.2, 0, 1000))
    assert [(row.value, row.is_registered) for row in register(quick, name, top=1)] == [(0.1, False), (0.2, True)]


def test_direction_max(quick: Registry, name: str) -> None:
    for value in (0.3, 0.2):
        quick.log_run((value, 0, 1000), metric="auc")
    config = ModelConfig(names=(name,), metric="auc", direction="max")
    assert [(row.value, row.is_registered) for row in register(quick, name, config=config, top=1)] == [
        (0.3, True),
        (0.2, False),
    ]


def test_dry_run_does_nothing(quick: Registry, name: str) -> None:
    quick.log_run((0.3, 0, 1000))
    assert seen(register(quick, name, is_dry_run=True)) == [(0.3, None, True, None)]
    assert quick.client.search_model_versions(f"name = '{name}'") == []


def test_filter_leaves_runs_out(quick: Registry, name: str) -> None:
    quick.log_run((0.3, 0, 1000))
    quick.log_run((0.1, 0, 1000))
    assert seen(register(quick, name, filter_string="metrics.brier > 0.2")) == [(0.3, 1, True, None)]


def test_names_by_model_param_and_tag(quick: Registry, name: str) -> None:
    for family, value in (("tree", 0.2), ("linear", 0.1)):
        with mlflow.start_run(experiment_id=quick.experiment_id, tags={"team": "north"}):
            mlflow.log_param("family", family)
            model_id = quick.log_model("delay")
            mlflow.log_metric("brier", value, model_id=model_id)
    quick.log_run((0.3, 0, 1000))
    rows = register(quick, name, name=f"{name}-{{params.family}}-{{tags.team}}-{{model}}")
    assert [(row.model_name, row.is_registered, row.reason) for row in rows] == [
        (f"{name}-linear-north-delay", True, None),
        (f"{name}-tree-north-delay", True, None),
        (None, False, "its run has no param family"),
    ]


def test_name_that_cant_be_one(quick: Registry, name: str) -> None:
    with mlflow.start_run(experiment_id=quick.experiment_id):
        mlflow.log_param("family", "a/b")
        quick.log_model()
    (row,) = register(quick, name, name="{params.family}")
    assert (row.model_name, row.reason) == (None, "'a/b' can't name a registered model")


def test_two_models_of_one_run(quick: Registry, name: str) -> None:
    with mlflow.start_run(experiment_id=quick.experiment_id):
        for model, value in (("first", 0.2), ("second", 0.1)):
            mlflow.log_metric("brier", value, model_id=quick.log_model(model))
    rows = register(quick, name, name=f"{name}-{{model}}")
    assert [(row.model, row.value, row.is_registered) for row in rows] == [("first", 0.2, True), ("second", 0.1, True)]


def test_what_may_not_be_loaded_isnt_registered(quick: Registry, name: str) -> None:
    quick.log_run((0.1, 0, 1000), serialization_format="pickle")
    config = ModelConfig(names=(name,), allow=AllowConfig(pickle=False))
    (row,) = register(quick, name, config=config)
    assert not row.is_registered
    assert "serialization_format='skops'" in str(row.reason)


def test_after_breaking_off_the_rest_is_registered(quick: Registry, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (0.1, 0.2, 0.3):
        quick.log_run((value, 0, 1000))
    made, create = [], quick.client.create_model_version

    def breaks_off(*arguments, **settings):
        if len(made) == 2:
            raise KeyboardInterrupt("enough")
        made.append(create(*arguments, **settings))
        return made[-1]

    with monkeypatch.context() as patched:
        patched.setattr(quick.client, "create_model_version", breaks_off)
        with pytest.raises(KeyboardInterrupt, match="enough"):
            register(quick, name)
    assert [(row.model_version, row.is_registered) for row in register(quick, name)] == [
        (1, False),
        (2, False),
        (3, True),
    ]


def test_unknown_experiment_with_the_nearest(registry: Registry, name: str) -> None:
    known = experiment_name(registry)
    with pytest.raises(ModelError, match=rf"There is no experiment '{known}x'\. Did you mean '{known}'"):
        register_runs(registry.client, ModelConfig(names=(name,)), experiment=f"{known}x")


def test_filter_that_mlflow_doesnt_understand(registry: Registry, name: str) -> None:
    with pytest.raises(ModelError, match=r"could not search runs by 'brier below 1': "):
        register(registry, name, filter_string="brier below 1")


@pytest.mark.parametrize(
    ("config", "template", "fault"),
    [
        (ModelConfig(names=("a", "b")), None, "isn't given, and the config names several models or none"),
        (ModelConfig(pin="a/1"), None, "isn't given, and the config names several models or none"),
        (ModelConfig(names=("a",)), "{family}", r"holds \{family\}, which isn't known"),
        (ModelConfig(names=("a",)), "{params.}", r"holds \{params\.\}, which isn't known"),
    ],
)
def test_name_that_says_nothing(quick: Registry, config: ModelConfig, template: str | None, fault: str) -> None:
    with pytest.raises(ModelError, match=fault):
        register(quick, "", config=config, name=template)
