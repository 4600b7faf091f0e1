"""What each row of the matrix must be able to do, with the same probabilities and the same figures."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from pyspark.sql import SparkSession

from tests.world import PER_DAY, World, call, labels_of, lay_out, log_versions, probability_of

pytestmark = pytest.mark.slow  # it is what `python -m tests.matrix` is for

FIGURES = Path(__file__).with_name("figures.json")
"""Written by this test where BRIERLAKE_TESTS_WRITE is set, on today's row."""
_COLUMNS = (
    "n_labelled",
    "brier",
    "brier_se",
    "base_rate",
    "skill",
    "reliability",
    "resolution",
    "calibration_slope",
    "log_loss",
)


@pytest.fixture(scope="module")
def job(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A job with a challenger, over two registered models, in a registry of its own."""
    folder = tmp_path_factory.mktemp("road")
    log_versions(folder)
    made = lay_out(spark, folder, tmp_path_factory.mktemp("job"))
    settings = yaml.safe_load(Path(made.path).read_text(encoding="utf-8"))
    settings |= {"challenger": {"runner_up": True}}
    Path(made.path).write_text(yaml.safe_dump(settings), encoding="utf-8")
    return made


def figures(world: World) -> dict[str, Any]:
    metrics = world.read("brier_metrics")
    metrics = metrics[(metrics["grain"] == "all") & metrics["slice_key"].isna()]
    compared = world.read("brier_compare").query("grain == 'all'")
    return {
        "metrics": metrics.sort_values(["model_name", "model_version", "role"])[list(_COLUMNS)].to_dict("list"),
        "compare": compared[["n", "difference", "difference_low", "difference_high"]].to_dict("list"),
    }


def test_the_whole_road(job: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first = call(job, "score")
    assert (first["status"], first["rows_in"], first["model"]["name"]) == ("published", len(job.rows), "second")
    rows = job.read("predictions").sort_values("id").set_index("id")
    np.testing.assert_allclose(rows["probability"], probability_of(job.rows), rtol=1e-15)
    assert call(job, "score")["status"] == "unchanged"

    job.append(labels_of(job.rows[3 * PER_DAY :]), "results")
    late = call(job, "diagnose")
    assert late["status"] == "published"
    told = figures(job)
    if FIGURES.exists():
        expected = json.loads(FIGURES.read_text(encoding="utf-8"))
        for name, columns in expected.items():
            pd.testing.assert_frame_equal(pd.DataFrame(told[name]), pd.DataFrame(columns), rtol=1e-9, check_dtype=False)
    else:
        FIGURES.write_text(json.dumps(told, indent=1), encoding="utf-8")
        pytest.fail("the figures were written anew: look at them, and run again")

    job.sql(f"UPDATE {job.silver('games').sql} SET x1 = x1 + 1 WHERE id = 3")
    changed = call(job, "score", "--incremental")
    assert (changed["status"], changed["rows_in"]) == ("published", PER_DAY)
    again = job.read("predictions").sort_values("id").set_index("id")["probability"]
    assert again[3] != pytest.approx(rows["probability"][3])
    assert again.drop(3).equals(rows["probability"].drop(3))

    assert call(job, "report", "--output", str(job.folder / "page.html"))["status"] == "written"
    assert "second" in (job.folder / "page.html").read_text(encoding="utf-8")
    assert "240 labelled rows" in call(job, "promote")["reason"]
    assert set(job.read("runs")["action"]) >= {"score", "diagnose"}
