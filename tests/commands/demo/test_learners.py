import io
import os
import re
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from brierlake.commands.demo import learners as training
from brierlake.commands.demo.flights import CATEGORIES, FEATURES, Flights
from brierlake.commands.demo.learners import LEARNING_RATES, train_versions
from brierlake.errors import SetupError

STEPS = {"flights_sgd": range(1, 11), "flights_mlp": range(1, 13), "flights_hgb": range(10, 151, 10)}
VERSIONS = [(name, number) for name in LEARNING_RATES for number in (1, 2, 3)]


@dataclass(frozen=True)
class Trained:
    store: str
    folder: Path
    lines: list[str]
    july: pd.DataFrame
    late: pd.Series
    said: str
    """What MLflow and others wrote to stdout and stderr."""


@pytest.fixture(scope="module")
def trained(flights: Flights, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Nine versions from every fortieth flight."""
    folder = tmp_path_factory.mktemp("demo")
    features, labels = flights.features[::40], flights.labels[::40]
    is_july = pd.to_datetime(features["dep_date"]).dt.month == 7
    lines: list[str] = []
    store, root = f"sqlite:///{folder}/mlflow.db", folder / "artifacts"
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        shuffled = labels.sample(frac=1, random_state=0, ignore_index=True)
        train_versions(features, shuffled, tracking_uri=store, artifact_root=root, say=lines.append)
    july, late = features.loc[is_july, list(FEATURES)], labels.loc[is_july, "is_late"]
    return Trained(store, folder, lines, july, late, said.getvalue())


@pytest.fixture
def store(trained: Trained) -> Iterator[MlflowClient]:
    with training.mlflow_at(trained.store):  # loading goes by MLflow's process-wide addresses
        yield MlflowClient()


def test_three_versions_of_three_models(trained: Trained, store: MlflowClient) -> None:
    found = store.search_model_versions()
    assert sorted((each.name, int(each.version)) for each in found) == sorted(VERSIONS)
    assert {each.status for each in found} == {"READY"}
    assert len({each.run_id for each in found}) == 9
    assert {path.name for path in trained.folder.iterdir()} == {"mlflow.db", "artifacts"}


def test_one_line_a_run(trained: Trained) -> None:
    rates = [f"{name}  learning rate {rate:g} " for name, rates in LEARNING_RATES.items() for rate in rates]
    assert [line[: len(rate)] for line, rate in zip(trained.lines, rates, strict=True)] == rates
    assert all(re.search(r" July Brier 0\.\d{4}$", line) for line in trained.lines)


@pytest.mark.parametrize(("name", "number"), VERSIONS)
def test_the_last_brier_is_that_of_the_logged_model(
    trained: Trained, store: MlflowClient, name: str, number: int
) -> None:
    version = store.get_model_version(name, str(number))
    run = store.get_run(version.run_id)
    history = store.get_metric_history(version.run_id, "brier")
    assert run.info.status == "FINISHED"
    assert [point.step for point in history] == list(STEPS[name])
    assert float(run.data.params["learning_rate"]) == LEARNING_RATES[name][number - 1]
    model = mlflow.sklearn.load_model(f"models:/{name}/{number}")
    probability = model.predict_proba(trained.july)[:, list(model.classes_).index(1)]
    assert history[-1].value == pytest.approx(np.mean((probability - trained.late) ** 2), rel=1e-12)
    line = trained.lines[VERSIONS.index((name, number))]
    assert line.endswith(f"{history[-1].value:.4f}")


@pytest.mark.parametrize("name", list(LEARNING_RATES))
def test_versions_carry_signature_skops_and_pins(store: MlflowClient, tmp_path: Path, name: str) -> None:
    folder = Path(mlflow.artifacts.download_artifacts(f"models:/{name}/1", dst_path=str(tmp_path)))
    model = mlflow.models.Model.load(str(folder / "MLmodel"))
    inputs = model.signature.inputs.input_dict()
    assert {column: spec.type.name for column, spec in inputs.items()} == {
        column: "string" if column in CATEGORIES else "double" for column in FEATURES
    }
    assert list(inputs) == list(FEATURES)
    assert [path.name for path in folder.glob("model.*")] == ["model.skops"]
    pins = (folder / "requirements.txt").read_text().split()
    assert {pin.partition("==")[0] for pin in pins} == {"mlflow", "scikit-learn", "skops", "numpy", "pandas", "scipy"}
    assert all("==" in pin for pin in pins)


def test_models_answer_without_any_weather(trained: Trained, store: MlflowClient) -> None:
    dark = trained.july.head(50).assign(**dict.fromkeys(training.NUMBERS[6:], np.nan), carrier="ZZ")
    for name in LEARNING_RATES:
        probability = mlflow.sklearn.load_model(f"models:/{name}/1").predict_proba(dark)[:, 1]
        assert np.isfinite(probability).all()


def test_the_terminal_is_left_to_us(trained: Trained) -> None:
    assert trained.said == ""


@pytest.mark.parametrize("is_set", [True, False])
def test_mlflow_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch, is_set: bool) -> None:  # noqa: FBT001
    mlflow.set_tracking_uri("sqlite:///elsewhere.db" if is_set else None)
    mlflow.set_registry_uri("sqlite:///registry.db" if is_set else None)
    for name in training.SETTINGS:
        monkeypatch.setenv(name, "sqlite:///environment.db") if is_set else monkeypatch.delenv(name, raising=False)
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri(), dict(os.environ)
    inside = []

    def fail() -> None:
        with training.mlflow_at("sqlite:///there.db"):
            inside.extend([mlflow.get_tracking_uri(), mlflow.get_registry_uri()])
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        fail()
    assert inside == ["sqlite:///there.db"] * 2
    assert (mlflow.get_tracking_uri(), mlflow.get_registry_uri(), dict(os.environ)) == before


def test_training_looks_at_half_a_year_and_july_only(flights: Flights) -> None:
    split = training.split_months(flights.features, flights.labels)
    days = flights.features["dep_date"]
    assert (len(split.train), len(split.july)) == (20_000, 29_425)
    assert split.train.index.is_unique
    assert max(days[split.train.index]) == date(2013, 6, 30)
    assert {day.month for day in days[split.july.index]} == {7}
    late = flights.labels["is_late"]
    assert (split.train_late == late[split.train.index]).all()
    assert (split.july_late == late[split.july.index]).all()


def test_without_skops(flights: Flights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "find_spec", lambda _: None)
    with pytest.raises(SetupError, match=r"needs the package skops: .*'brierlake\[demo\]'"):
        train_versions(
            flights.features,
            flights.labels,
            tracking_uri=f"sqlite:///{tmp_path}/mlflow.db",
            artifact_root=tmp_path,
            say=lambda _: None,
        )
    assert not any(tmp_path.iterdir())
