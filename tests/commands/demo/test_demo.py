"""The whole demo, and its numbers by another computation: pandas and scikit-learn on the same rows."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession
from sklearn.metrics import brier_score_loss

from brierlake.commands.demo import run_demo
from brierlake.configfile import read_config
from brierlake.errors import ConfigError
from brierlake.lakehouse.windows import Scope
from brierlake.run.context import start_run
from brierlake.scoring.score_run import score_windows

pytestmark = pytest.mark.slow  # minutes; the README's other command runs the demo too

MONTHS = ["2013-08-01", "2013-09-01", "2013-10-01", "2013-11-01", "2013-12-01"]


@pytest.fixture(scope="module")
def demo(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder, shown = tmp_path_factory.mktemp("demo"), []
    run_demo(folder, say=lambda _: None, show=shown.append)
    return folder, shown[0].model_dump(mode="json")


def test_the_demos_numbers_are_those_of_pandas_and_sklearn(spark: SparkSession, demo: tuple[Path, Any]) -> None:
    folder, summary = demo
    gold, silver = folder / "lakehouse" / "gold", folder / "lakehouse" / "silver"
    rows = spark.read.format("delta").load(str(gold / "predictions")).toPandas()
    labels = spark.read.format("delta").load(str(silver / "arrivals")).toPandas()
    rows = rows.merge(labels, on="flight_id", how="left", validate="one_to_one")
    rows["month"] = pd.to_datetime(rows["window_start"]).dt.strftime("%Y-%m-01")
    assert len(rows) == 141_193
    assert [each["window_start"] for each in summary["diagnostics"]["months"]] == MONTHS
    bins = spark.read.format("delta").load(str(gold / "brier_reliability")).toPandas()
    bins = bins[
        (bins["grain"] == "month") & (bins["kind"] == "bins_10") & bins["slice_key"].isna() & bins["model_name"].isna()
    ]
    for found in summary["diagnostics"]["months"]:
        part = rows[rows["month"] == found["window_start"]]
        assert found["n_rows"] == found["n_labelled"] == len(part)
        assert found["brier"] == pytest.approx(brier_score_loss(part["is_late"], part["probability"]), rel=1e-12)
        assert found["base_rate"] == pytest.approx(part["is_late"].mean(), rel=1e-12)
        position = (np.searchsorted(np.arange(1, 11) / 10, part["probability"])).astype(int)
        expected = part.groupby(position).agg(
            n=("is_late", "size"), rate=("is_late", "mean"), p=("probability", "mean")
        )
        table = (
            bins[bins["window_start"].astype(str) == found["window_start"]].set_index("position").loc[expected.index]
        )
        assert table["n_scored"].tolist() == expected["n"].tolist()
        np.testing.assert_allclose(table["event_rate"], expected["rate"], rtol=1e-12)
        np.testing.assert_allclose(table["mean_probability"], expected["p"], rtol=1e-12)


def test_the_recalibrated_version_is_judged_by_what_it_was_not_fitted_on(
    spark: SparkSession, demo: tuple[Path, Any]
) -> None:
    folder, summary = demo
    gold, silver = folder / "lakehouse" / "gold", folder / "lakehouse" / "silver"
    frames = [spark.read.format("delta").load(str(gold / name)).toPandas() for name in ("predictions", "challengers")]
    both = frames[0].merge(frames[1], on="flight_id", suffixes=("", "_other"), validate="one_to_one")
    both = both.merge(spark.read.format("delta").load(str(silver / "arrivals")).toPandas(), on="flight_id")
    assert len(both) == 141_193
    compared = spark.read.format("delta").load(str(gold / "brier_compare")).toPandas()
    fitted_on = compared[(compared["grain"] == "window") & (compared["evidence_status"] == "in_sample")]
    both = both[~both["window_start"].isin(fitted_on["window_start"])]
    d = (both["probability_other"] - both["is_late"]) ** 2 - (both["probability"] - both["is_late"]) ** 2
    total = summary["challenger"]["total"]
    assert (summary["challenger"]["status"], total["n"]) == ("published", len(both))
    assert total["n_in_sample"] == len(fitted_on)
    assert total["difference"] == pytest.approx(d.mean(), rel=1e-9)
    assert total["verdict"] in ("better", "worse", "not_distinguishable")


def test_the_day_without_weather_is_flagged(demo: tuple[Path, Any]) -> None:
    flagged = {each["window_start"]: each["reason"] for each in demo[1]["diagnostics"]["flagged"]}
    assert "nearly certain of every row" in flagged["2013-12-31"]
    assert len(flagged) < 10


def test_right_after_the_demo_nothing_has_changed(spark: SparkSession, demo: tuple[Path, Any]) -> None:
    run = start_run(spark, read_config(demo[0] / "demo.yml"), say=lambda _: None)
    assert score_windows(run, scope=Scope()).status == "unchanged"


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    with pytest.raises(ConfigError, match="isn't empty"):
        run_demo(tmp_path, say=lambda _: None, show=lambda _: None)
