"""What training code logs: the true Brier of P(positive class), and the order of the features."""

import mlflow
import numpy as np
import pytest
from mlflow.data.pandas_dataset import from_pandas
from mlflow.metrics import make_metric
from pandas import DataFrame, Series
from registries import Registry
from sklearn.metrics import brier_score_loss

from brierlake.config import ModelConfig
from brierlake.registry import resolve_model
from brierlake.training import log_brier, log_features

P, Y = np.array([0.1, 0.4, 0.8, 0.9]), np.array([0, 1, 1, 0])
BRIER = (0.1**2 + 0.6**2 + 0.2**2 + 0.9**2) / 4


def test_value_by_hand_and_by_scikit_learn(quick: Registry) -> None:
    with mlflow.start_run(experiment_id=quick.experiment_id) as run:
        value = log_brier(P, Y)
    assert value == pytest.approx(BRIER, rel=1e-15)
    assert value == pytest.approx(brier_score_loss(Y, P), rel=1e-15)
    assert quick.client.get_run(run.info.run_id).data.metrics == {"brier": value}


@pytest.mark.parametrize(
    ("probability", "outcome"),
    [(P.tolist(), [False, True, True, False]), (P.reshape(-1, 1), Series(Y)), (P.astype("float32"), Y.astype(float))],
)
def test_shapes_and_types(quick: Registry, probability, outcome) -> None:
    with mlflow.start_run(experiment_id=quick.experiment_id):
        assert log_brier(probability, outcome) == pytest.approx(BRIER, rel=1e-6)


@pytest.mark.parametrize(
    ("probability", "outcome", "fault"),
    [
        (np.column_stack([1 - P, P]), Y, r"has shape \(4, 2\): give the positive class's column"),
        (P[:3], Y, "one and the same length, not 3 and 4"),
        ([], [], "one and the same length, not 0 and 0"),
        ([0.1, 1.2], [0, 1], "probability holds 1.2"),
        ([0.1, -3.0], [0, 1], "probability holds -3.0"),
        ([0.1, np.nan], [0, 1], "probability holds nan"),
        ([0.1, 0.2], [0, 2], "outcome holds 2.0"),
        ([0.1, 0.2], [0, np.nan], "outcome holds nan"),
    ],
)
def test_what_is_no_probability_or_outcome_is_refused(quick: Registry, probability, outcome, fault: str) -> None:
    with mlflow.start_run(experiment_id=quick.experiment_id) as run, pytest.raises(ValueError, match=fault):
        log_brier(probability, outcome)
    assert quick.client.get_run(run.info.run_id).data.metrics == {}


def test_labels_instead_of_probabilities_are_spoken_of(quick: Registry) -> None:
    with mlflow.start_run(experiment_id=quick.experiment_id), pytest.warns(UserWarning, match="are these labels"):
        assert log_brier([0, 1, 1, 1], Y) == 0.25


def test_evaluate_hands_out_labels_and_this_doesnt(quick: Registry) -> None:
    """The reason for `log_brier`: what MLflow's own evaluation gives a custom metric."""
    frame = DataFrame({"distance": [0.1, -0.2, 0.3, -0.1], "delay": [0.0, 0.1, -0.4, 0.3], "outcome": [1, 0, 0, 1]})
    given: list[set[float]] = []

    def brier(predictions: Series, targets: Series) -> float:
        given.append(set(map(float, predictions)))
        return float(((predictions - targets) ** 2).mean())

    with mlflow.start_run(experiment_id=quick.experiment_id):
        model_uri = f"models:/{quick.log_model()}"
        mlflow.models.evaluate(
            model_uri,
            frame,
            targets="outcome",
            model_type="classifier",
            extra_metrics=[make_metric(eval_fn=brier, greater_is_better=False, name="theirs")],
            evaluator_config={"log_model_explainability": False},
        )
        ours = log_brier(quick.model.predict_proba(frame[["distance", "delay"]])[:, 1], frame["outcome"])
    assert all(each <= {0.0, 1.0} for each in given)
    assert 0 < ours < 1


def test_dataset_by_name_is_on_the_run_and_on_the_model(registry: Registry) -> None:
    with mlflow.start_run(experiment_id=registry.experiment_id) as run:
        model_id = registry.log_model()
        value = log_brier(P, Y, model_id=model_id, dataset="flights of June")
    (linked,) = registry.client.get_logged_model(model_id).metrics
    assert (linked.key, linked.value, linked.dataset_name) == ("brier", value, "flights of June")
    (given,) = registry.client.get_run(run.info.run_id).inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == ("flights of June", linked.dataset_digest)


def test_digest_of_a_named_dataset_follows_its_content(quick: Registry) -> None:
    with mlflow.start_run(experiment_id=quick.experiment_id) as run:
        for probability in (P, P, P / 2):
            log_brier(probability, Y, dataset="val")
    assert len(quick.client.get_run(run.info.run_id).inputs.dataset_inputs) == 2


def test_dataset_of_the_users_own(quick: Registry) -> None:
    dataset = from_pandas(DataFrame({"x": [1.0]}), name="mine")
    with mlflow.start_run(experiment_id=quick.experiment_id) as run:
        log_brier(P, Y, dataset=dataset)
    (given,) = quick.client.get_run(run.info.run_id).inputs.dataset_inputs
    assert given.dataset.name == "mine"


def test_epochs_under_a_name_of_their_own_are_resolved(registry: Registry, name: str) -> None:
    with mlflow.start_run(experiment_id=registry.experiment_id):
        model_id = registry.log_model()
        for step, factor in enumerate([0.2, 0.9, 0.5]):
            last = log_brier(P * factor, Y, step=step, model_id=model_id, metric="brier_val", dataset="val")
        log_features(["delay", "distance"])
    registry.register(name, model_id)
    resolution = resolve_model(registry.client, ModelConfig(names=(name,), metric="brier_val"))
    assert (resolution.metric_value, resolution.features) == (last, ("delay", "distance"))
    assert resolution.selected.step == 2
    # without its id MLflow would link the value of step 0 only
    assert {each.step for each in registry.client.get_logged_model(model_id).metrics} == {0, 1, 2}


@pytest.mark.parametrize(
    ("features", "fault"),
    [
        ("abc", "must be a list of column names"),
        ([], "must be a list of column names"),
        (["a", ""], "must be a list of column names"),
        (["a", 1], "must be a list of column names"),
        (["a", "b", "a"], "a name twice"),
        (
            [f"a-rather-long-name-{number}" for number in range(400)],
            r"400 names take \d+ characters and a tag keeps 8000",
        ),
    ],
)
def test_feature_lists_that_cant_be_logged(quick: Registry, features, fault: str) -> None:
    with mlflow.start_run(experiment_id=quick.experiment_id) as run, pytest.raises(ValueError, match=fault):
        log_features(features)
    assert "brierlake.features" not in quick.client.get_run(run.info.run_id).data.tags


def test_odd_feature_names_come_back_as_they_were(quick: Registry, name: str) -> None:
    features = ["with, comma", "with 'quote'", "mit Umlaut ä", " spaced "]
    with mlflow.start_run(experiment_id=quick.experiment_id):
        quick.register(name, quick.log_model())
        log_brier(P, Y)
        log_features(features)
    assert resolve_model(quick.client, ModelConfig(names=(name,))).features == tuple(features)
