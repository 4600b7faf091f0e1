"""The whole road on tables whose every column has a hostile name."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner, Result
from mlflow.models import infer_signature
from pyspark.sql import SparkSession
from sklearn.linear_model import LogisticRegression

from brierlake import schemas
from brierlake.cli import main
from brierlake.lakehouse.creating import create_table
from brierlake.lakehouse.tables import Table
from brierlake.schemas import TableSpec
from tests.quick import FAST_TO_START
from tests.world import as_skops, log_and_register, make_rows

pytestmark = pytest.mark.slow  # several whole runs

KEY, AT, TEAM = "my id.`x`", "when?", "team [/b] 'n' \"q\""
FEATURES = ["window_start", "größe, {a}; (b) 日本"]
OUTCOME, KNOWN_AT, LABEL_KEY = "out come.", "known at;", "id[0]"
SQL_WORDS = ["select", "from where", "a.b", "x`y", "$5_$10", "order", "_window", "_rows", "__cluster", "outcome"]
BLUE, RED = "[/b]", "$5_$10"


def schema_words() -> list[str]:
    """Each word of our own tables."""
    specs = [each for each in vars(schemas).values() if isinstance(each, TableSpec)]
    words = {name for spec in specs for name in spec.schema.fieldNames()} | set(schemas.PREDICTION_WORDS)
    taken = {name.lower() for name in [KEY, AT, TEAM, *FEATURES, *SQL_WORDS]}
    return sorted(words - taken)


@dataclass(frozen=True)
class Road:
    spark: SparkSession
    folder: Path
    rows: pd.DataFrame

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, [*arguments, "--config", str(self.folder / "job.yml")])

    def told(self, *arguments: str) -> dict[str, Any]:
        result = self.run(*arguments, "--json", "--quiet")
        assert result.exit_code == 0, result.output
        told: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
        return told

    def read(self, name: str) -> pd.DataFrame:
        return self.spark.read.format("delta").load(str(self.folder / "lake" / "gold" / name)).toPandas()

    def append(self, rows: pd.DataFrame, name: str) -> None:
        frame, path = self.spark.createDataFrame(rows), str(self.folder / "lake" / "silver" / name)
        spec = TableSpec(frame.schema, key=(), properties={"delta.enableChangeDataFeed": "true"})
        create_table(Table(path, f"delta.`{path}`", path, self.spark), spec)
        frame.write.format("delta").mode("append").save(path)


def log_named(store: Path, name: str, *, brier: float, strength: float) -> int:
    model = LogisticRegression()
    model.classes_, model.n_features_in_ = np.array([0, 1]), 2
    model.feature_names_in_ = np.array(FEATURES, dtype=object)
    model.coef_, model.intercept_ = np.array([[strength, -0.5 * strength]]), np.array([0.0])
    sample = pd.DataFrame({FEATURES[0]: [0.0, 1.0], FEATURES[1]: [1.0, 0.0]})
    signature = infer_signature(sample, model.predict_proba(sample)[:, 1])
    settings = {"signature": signature, "pip_requirements": ["scikit-learn"], **as_skops()}
    return log_and_register(store, name, brier=[brier], log=partial(mlflow.sklearn.log_model, model, **settings))


def labels_of(rows: pd.DataFrame) -> pd.DataFrame:
    known_at = rows[AT] + pd.Timedelta(days=1)
    return pd.DataFrame({LABEL_KEY: rows[KEY], OUTCOME: rows["y"], KNOWN_AT: known_at, "select": 1, "outcome": 7})


@pytest.fixture(scope="module")
def road(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    folder = tmp_path_factory.mktemp("road")
    log_named(folder, "outer", brier=0.21, strength=1.0)
    log_named(folder, "outer", brier=0.23, strength=0.5)
    named = {"id": KEY, "at": AT, "x1": FEATURES[0], "x2": FEATURES[1], "team": TEAM}
    rows = make_rows().rename(columns=named)
    rows[TEAM] = rows[TEAM].map({"blue": BLUE, "red": RED})
    strange = {name: np.arange(len(rows)) for name in [*SQL_WORDS, *schema_words()]}
    rows = pd.concat([rows, pd.DataFrame(strange)], axis=1)
    made = Road(spark, folder, rows)
    made.append(rows.drop(columns="y"), "games")
    made.append(labels_of(rows[:120]), "results")
    content = {
        "job": "hostile [/b]",
        "lakehouse": {"root": "lake"},
        "features": {"table": "games", "key": [KEY], "event_at": AT, "carry": [TEAM, "a.b"]},
        "labels": {"table": "results", "key": [LABEL_KEY], "outcome": OUTCOME, "known_at": KNOWN_AT},
        "model": {"names": ["outer"]},
        "challenger": {"runner_up": True},
        "diagnostics": {"slices": [TEAM], "cluster": "a.b"},
        "mlflow": {"tracking_uri": "sqlite:///mlflow.db"},
        "report": {"path": "report.html"},
        "session": {"master": "local[2]", "conf": FAST_TO_START},
    }
    (folder / "job.yml").write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    yield made
    spark.catalog.clearCache()


def test_the_whole_road_works_whatever_the_columns_are_called(road: Road) -> None:
    assert road.told("plan")["windows_stale"] == 4
    first = road.told("score")
    assert (first["status"], first["rows_scored"], first["notes"]) == ("published", 240, [])
    p = 1 / (1 + np.exp(-(road.rows[FEATURES[0]] - 0.5 * road.rows[FEATURES[1]])))
    found = road.read("predictions").sort_values(KEY)
    np.testing.assert_allclose(found["probability"], p, rtol=1e-12)
    assert set(found[TEAM].dropna()) == {BLUE, RED}
    assert first["challenger"]["total"]["n"] == 120
    assert road.told("score")["status"] == "unchanged"

    road.append(labels_of(road.rows[120:]), "results")
    late = road.told("diagnose")
    assert late["diagnostics"]["windows"] == 2
    brier = ((p - road.rows["y"]) ** 2).mean()
    assert late["diagnostics"]["total"]["brier"] == pytest.approx(brier, rel=1e-9)
    assert late["challenger"]["total"]["n"] == 240

    metrics = road.read("brier_metrics")
    teams = metrics[(metrics["slice_key"] == TEAM) & (metrics["grain"] == "all") & metrics["model_name"].isna()]
    champion = teams[teams["role"] == "champion"].set_index("slice_value")["n_rows"]
    assert champion[BLUE] == (road.rows[TEAM] == BLUE).sum()

    for arguments in (["report"], ["show", "2024-02-01"], ["runs"], ["candidates"], ["maintain"], ["score", "--force"]):
        result = road.run(*arguments)
        assert result.exit_code == 0, (arguments, result.output)
    page = (road.folder / "report.html").read_text(encoding="utf-8")
    assert "[/b]" in page


def test_issues_and_refusals_name_the_columns_as_they_are(road: Road, tmp_path: Path) -> None:
    config = yaml.safe_load((road.folder / "job.yml").read_text(encoding="utf-8"))
    config["features"]["carry"] = ["probability"]
    config["diagnostics"] = {}
    other = road.folder / "other.yml"
    other.write_text(yaml.safe_dump(config), encoding="utf-8")
    for command in ("plan", "score"):
        result = CliRunner().invoke(main, [command, "--config", str(other)])
        assert (result.exit_code, "`probability` is also a column of the predictions" in result.stderr) == (4, True)


@pytest.mark.parametrize("table", ["games", "results"])
def test_a_name_like_our_own_is_refused(road: Road, tmp_path: Path, table: str) -> None:
    config = yaml.safe_load((road.folder / "job.yml").read_text(encoding="utf-8"))
    lake = tmp_path / "lake" / "silver"
    for name in ("games", "results"):
        rows = road.spark.read.format("delta").load(str(road.folder / "lake" / "silver" / name)).limit(10)
        rows = rows.selectExpr("*", "1 AS `__Brierlake_key_0`") if name == table else rows
        rows.write.format("delta").option("delta.columnMapping.mode", "name").save(str(lake / name))
    config["lakehouse"]["root"] = str(tmp_path / "lake")
    (road.folder / "ours.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    result = CliRunner().invoke(main, ["plan", "--config", str(road.folder / "ours.yml")])
    assert result.exit_code == 4
    assert "`__Brierlake_key_0`" in result.stderr or "__Brierlake_key_0" in result.stderr
    assert "brierlake's own" in result.stderr
