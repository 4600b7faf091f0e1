"""The flights job of conf/cluster.yml, small: its tables and its three registered models, and what a local run gives."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from brierlake.configfile import read_config
from brierlake.lakehouse.windows import Scope
from brierlake.run.context import start_run
from brierlake.schemas import CELLS, METRICS, RELIABILITY
from brierlake.scoring.score_run import score_windows
from tests.cluster.processes import ROOT, clean_environment, make_bare_python
from tests.conftest import forget_mlflow
from tests.world import PER_DAY, labels_of, log_version, make_rows

_NAMES = {"id": "flight_id", "at": "sched_dep_utc", "team": "carrier", "y": "is_late"}
KEYS = {
    "predictions": ["flight_id"],
    "brier_cells": list(CELLS.key),
    "brier_metrics": list(METRICS.key),
    "brier_reliability": list(RELIABILITY.key),
}
_OTHER_PATHS = os.environ.get("PYTHONPATH", "").split(os.pathsep)
_PROVENANCE = ["run_id", "scored_at", "computed_at", "labels_as_of", "predictions_id", "cells_version"]


@dataclass(frozen=True)
class Flights:
    """What lies ready for the job, and how to look at what it wrote."""

    spark: SparkSession
    folder: Path

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables that conf/cluster.yml asks for."""
        return {
            "BRIERLAKE_LAKE": str(self.folder / "lake"),
            "MLFLOW_TRACKING_URI": f"sqlite:///{self.folder}/mlflow.db",
        }

    @property
    def environment(self) -> dict[str, str]:
        """Of a client, which has brierlake."""
        return clean_environment(**self.variables, PYTHONPATH=os.pathsep.join([str(ROOT / "lib"), *_OTHER_PATHS]))

    def read(self, name: str, *, gold: str) -> pd.DataFrame:
        """What the job decided, without what differs from run to run; in a fixed order."""
        frame = self.spark.read.format("delta").load(str(self.folder / "lake" / gold / name))
        return frame.drop(*_PROVENANCE).toPandas().sort_values(KEYS[name], ignore_index=True)

    def assert_same_as_local(self, gold: str, *, is_copied: bool = False) -> None:
        """Compares with the local run; `is_copied`: the tables it read were others, with the same rows."""
        others = ["recipe", "labels_id", "labels_version", "features_version"] if is_copied else []
        for name in KEYS:
            found, expected = (
                self.read(name, gold=each).drop(columns=others, errors="ignore") for each in (gold, "local")
            )
            # a sum depends on the order of its rows in the last digits
            pd.testing.assert_frame_equal(found, expected, rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(*(self.read("predictions", gold=each)["probability"] for each in (gold, "local")))


@pytest.fixture(scope="session")
def flights(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Flights:
    """Four days of flights, three of them with labels, scored by a local run into the layer `local`."""
    folder = tmp_path_factory.mktemp("flights")
    for name, strength, brier in (("flights_sgd", 0.2, 0.24), ("flights_mlp", 1.0, 0.21), ("flights_hgb", 0.5, 0.23)):
        log_version(folder, name, brier=[brier], strength=strength)
    made = Flights(spark, folder)
    rows = make_rows()
    labels = labels_of(rows[: 3 * PER_DAY])
    # so many origins that metrics are computed by executors, not by the driver as for few keys
    features = rows.drop(columns="y").assign(dep_date=rows["at"].dt.date, origin="A" + (rows["id"] % 80).astype(str))
    for table, frame in (("flights", features), ("arrivals", labels)):
        path = str(folder / "lake" / "silver" / table)
        spark.createDataFrame(frame.rename(columns=_NAMES)).repartition(4).write.format("delta").save(path)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in made.variables.items():
            patch.setenv(name, value)
        config = read_config(ROOT / "conf" / "cluster.yml", overrides=["lakehouse.gold=local"])
        score_windows(start_run(spark, config, say=lambda _: None), scope=Scope())
    forget_mlflow()
    return made


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_bare_python(tmp_path_factory.mktemp("bare"))
