"""A small world for whole jobs: real models in a SQLite-backed MLflow, real Delta tables, four days in two months."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from inspect import signature as signature_of
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner
from mlflow.models import infer_signature
from mlflow.models.model import ModelInfo
from pyspark.sql import SparkSession
from sklearn.linear_model import LogisticRegression

from brierlake.cli import main
from brierlake.config import Config
from brierlake.configfile import read_config
from brierlake.lakehouse.tables import Table, locate_table, read_version
from brierlake.run.context import Run, Say, start_run
from brierlake.summaries import SUMMARY
from tests.once import made_once
from tests.quick import FAST_TO_START

DAYS = ["2024-01-30", "2024-01-31", "2024-02-01", "2024-02-02"]
PER_DAY = 60
BAD = (187, 189)
"""Rows of the last day that the model can't score, in a world that is `published`."""
SAMPLE = pd.DataFrame({"x1": [0.0, 1.0], "x2": [1.0, 0.0]})


def make_rows() -> pd.DataFrame:
    """Columns id, at (UTC), x1, x2, team, and the outcome y that belongs to them."""
    draw = np.random.default_rng(20240130)
    n = PER_DAY * len(DAYS)
    at = pd.to_datetime(np.repeat(DAYS, PER_DAY), utc=True) + pd.to_timedelta(
        np.tile(np.arange(PER_DAY) * 20, len(DAYS)), "min"
    )
    x1, x2 = draw.normal(size=n), draw.normal(size=n)
    happened = draw.random(n) < 1 / (1 + np.exp(-(x1 - 0.5 * x2)))
    team = np.where(draw.random(n) < 0.1, None, np.where(x1 > 0, "red", "blue"))
    return pd.DataFrame({"id": np.arange(n), "at": at, "x1": x1, "x2": x2, "team": team, "y": happened.astype("int32")})


def log_version(store: Path, name: str, *, brier: list[float], strength: float, uri: str | None = None) -> int:
    """Registers a logistic regression with a fixed slope, whose `brier` was logged step by step; returns its number."""
    model = LogisticRegression()
    model.classes_, model.n_features_in_ = np.array([0, 1]), 2
    model.feature_names_in_ = np.array(["x1", "x2"], dtype=object)
    model.coef_, model.intercept_ = np.array([[strength, -0.5 * strength]]), np.array([0.0])
    signature = infer_signature(SAMPLE, model.predict_proba(SAMPLE)[:, 1])
    settings = {"signature": signature, "pip_requirements": ["scikit-learn"], **as_skops()}
    return log_and_register(store, name, brier=brier, log=partial(mlflow.sklearn.log_model, model, **settings), uri=uri)


def as_skops() -> dict[str, str]:
    """What to log a scikit-learn model with; MLflow before 3.9 has no skops."""
    known = "skops_trusted_types" in signature_of(mlflow.sklearn.log_model).parameters
    return {"serialization_format": "skops"} if known else {}


def log_picky_version(store: Path, name: str, *, brier: float) -> int:
    """Registers a model that raises for every row with an x1 of 99, and says .5 of all others."""

    class Picky(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):  # noqa: ARG002 - MLflow calls it so
            if (model_input["x1"] == 99).any():
                raise LookupError("nothing is known of this team")
            return np.full(len(model_input), 0.5)

    settings = {"signature": infer_signature(SAMPLE, np.array([0.5])), "pip_requirements": ["pandas"]}
    log = partial(mlflow.pyfunc.log_model, python_model=Picky(), **settings)
    return log_and_register(store, name, brier=[brier], log=log)


def log_and_register(
    store: Path, name: str, *, brier: list[float], log: Callable[..., ModelInfo], uri: str | None = None
) -> int:
    """Logs a run whose `brier` has these values, step by step, with a model, and registers it; returns its number.

    Args:
        uri: MLflow's server; null: a database in the folder `store`.
    """
    mlflow.set_tracking_uri(uri or f"sqlite:///{store}/mlflow.db")
    mlflow.set_registry_uri(uri or f"sqlite:///{store}/mlflow.db")  # MLFLOW_REGISTRY_URI would go before it
    found = mlflow.get_experiment_by_name("world")
    where = None if uri else (store / "artifacts").as_uri()
    experiment_id = found.experiment_id if found else mlflow.create_experiment("world", artifact_location=where)
    with mlflow.start_run(experiment_id=experiment_id):
        mlflow.set_tag("brierlake.trained_until", "2024-01-01")
        for step, value in enumerate(brier):
            mlflow.log_metric("brier", value, step=step)
        info = log(name="model")
    return int(mlflow.register_model(info.model_uri, name).version)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow with three versions: `first` 1 (last brier .24, though it once had .1) and 2 (.23), `second` 1 (.21)."""
    return made_once(tmp_path_factory, "store", log_versions)


def log_versions(folder: Path, *, uri: str | None = None) -> None:
    log_version(folder, "first", brier=[0.1, 0.24], strength=0.2, uri=uri)
    log_version(folder, "first", brier=[0.3, 0.23], strength=0.5, uri=uri)
    log_version(folder, "second", brier=[0.5, 0.21], strength=1.0, uri=uri)


@dataclass(frozen=True)
class World:
    """One job's config file and what is around it."""

    spark: SparkSession
    folder: Path
    config: Config
    rows: pd.DataFrame

    @property
    def path(self) -> str:
        return str(self.folder / "job.yml")

    def run(self, say: Say = lambda _: None) -> Run:
        return start_run(self.spark, self.config, say=say)

    def silver(self, name: str) -> Table:
        config = self.config.lakehouse
        return locate_table(self.spark, config, layer=config.silver, name=name)

    def gold(self, name: str) -> Table:
        config = self.config.lakehouse
        return locate_table(self.spark, config, layer=config.gold, name=name)

    def read(self, name: str) -> pd.DataFrame:
        return self.spark.read.table(self.gold(name).sql).toPandas()

    def versions(self) -> dict[str, int]:
        """Version of each table that the job has written."""
        gold = self.folder / "lake" / "gold"
        return {each.name: read_version(self.gold(each.name)) for each in sorted(gold.glob("*"))}

    def said(self, name: str) -> str:
        """What a command that made the world left: plan.txt, score.txt, score.log (as JSON) or score.json."""
        return (self.folder / name).read_text(encoding="utf-8")

    def append(self, rows: pd.DataFrame, name: str) -> None:
        path = self.silver(name).path
        frame = self.spark.createDataFrame(rows)
        frame.write.format("delta").mode("append").option("delta.enableChangeDataFeed", "true").save(path)

    def sql(self, statement: str) -> None:
        self.spark.sql(statement)

    def copied_to(self, folder: Path) -> "World":
        """The same world in an empty folder, to be changed; its config is that of the file."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return replace(self, folder=folder, config=read_config(folder / "job.yml"))

    def with_config(self, **sections: Any) -> "World":
        return replace(self, config=self.config.model_copy(update=sections))


def lay_out(spark: SparkSession, store: Path, folder: Path, *, rows: pd.DataFrame | None = None) -> World:
    """Features of four days; labels of the first three, known the day after."""
    shutil.copy(store / "mlflow.db", folder / "mlflow.db")
    content = {
        "job": "games",
        "lakehouse": {"root": "lake"},
        "features": {"table": "games", "key": ["id"], "event_at": "at", "carry": ["team"]},
        "labels": {"table": "results", "outcome": "y", "known_at": "known_at"},
        "model": {"names": ["first", "second"]},
        "diagnostics": {"slices": ["team"]},
        "mlflow": {"tracking_uri": "sqlite:///mlflow.db", "log_runs": False},
        "session": {"master": "local[2]", "conf": FAST_TO_START},
    }
    (folder / "job.yml").write_text(yaml.safe_dump(content), encoding="utf-8")
    rows = make_rows() if rows is None else rows
    made = World(spark=spark, folder=folder, config=read_config(folder / "job.yml"), rows=rows)
    made.append(rows.drop(columns="y"), "games")
    made.append(labels_of(rows[: 3 * PER_DAY]), "results")
    return made


@pytest.fixture
def world(spark: SparkSession, store: Path, tmp_path: Path) -> Iterator[World]:
    yield lay_out(spark, store, tmp_path)
    spark.catalog.clearCache()


@pytest.fixture(scope="session")
def published_once(spark: SparkSession, store: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    rows = make_rows()
    rows.loc[list(BAD), "x1"] = np.nan

    def publish(folder: Path) -> None:
        laid_out = lay_out(spark, store, folder, rows=rows)
        planned = CliRunner().invoke(main, ["plan", "--config", laid_out.path])
        assert planned.exit_code == 0, planned.output
        assert not (folder / "lake" / "gold").exists()
        to = ["--log-json", "--summary-to", str(folder / "score.json")]
        scored = CliRunner().invoke(main, ["score", "--config", laid_out.path, *to])
        assert scored.exit_code == 0, scored.output
        for name, text in (("plan.txt", planned.stdout), ("score.txt", scored.stdout), ("score.log", scored.stderr)):
            (folder / name).write_text(text, encoding="utf-8")

    folder = made_once(tmp_path_factory, "published", publish)
    return World(spark=spark, folder=folder, config=read_config(folder / "job.yml"), rows=rows)


@pytest.fixture
def published(spark: SparkSession, published_once: World, tmp_path: Path) -> Iterator[World]:
    """A world that was planned and scored by commands, with two bad rows on the day whose labels haven't landed."""
    yield published_once.copied_to(tmp_path)
    spark.catalog.clearCache()


def labels_of(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[["id", "y"]].assign(known_at=rows["at"] + pd.Timedelta(days=1))


def probability_of(rows: pd.DataFrame, strength: float = 1.0) -> np.ndarray:
    """What the version of that strength says; 1.0 is the best one, `second` 1."""
    return np.asarray(1 / (1 + np.exp(-strength * (rows["x1"] - 0.5 * rows["x2"]))))


def call(world: World, command: str, *arguments: str, code: int = 0) -> dict[str, Any]:
    """Runs a command in this process and session; returns its summary."""
    done = CliRunner().invoke(main, [command, "--config", world.path, "--json", "--quiet", *arguments])
    assert done.exit_code == code, done.output
    line = done.stdout.strip().splitlines()[-1]
    SUMMARY.validate_json(line)
    return dict(json.loads(line))
