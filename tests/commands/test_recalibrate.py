"""Recalibration: one map, proved on later windows, registered once, served as any version and beside its own."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml
from mlflow import MlflowClient
from pyspark.sql import SparkSession
from scipy.special import expit

from brierlake.brier import CalibrationMap, net_benefit
from brierlake.config import ModelConfig
from brierlake.errors import ModelError
from brierlake.registry import connect, fetch_model, resolve_model
from tests.world import World, call, labels_of, lay_out, probability_of

pytestmark = pytest.mark.slow

DAYS, PER_DAY = 30, 80
FIRST = "2024-01-10"
SPLIT = "2024-01-25"
TRIED = ("--fit-until", SPLIT)


def overdone() -> pd.DataFrame:
    """Rows of thirty days whose outcomes are rarer than the best version says, and less sure."""
    draw = np.random.default_rng(11)
    n = DAYS * PER_DAY
    day = np.repeat(np.arange(DAYS), PER_DAY)
    at = (
        pd.Timestamp(FIRST, tz="UTC")
        + pd.to_timedelta(day, "D")
        + pd.to_timedelta(np.tile(np.arange(PER_DAY), DAYS), "min")
    )
    x1, x2 = draw.normal(size=n), draw.normal(size=n)
    happened = draw.random(n) < expit(-1.2 + 0.5 * (x1 - 0.5 * x2))
    team = np.where(x1 > 0, "red", "blue")
    return pd.DataFrame({"id": np.arange(n), "at": at, "x1": x1, "x2": x2, "team": team, "y": happened.astype("int32")})


@pytest.fixture(scope="module")
def scored(spark: SparkSession, store: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    rows = overdone()
    world = lay_out(spark, store, tmp_path_factory.mktemp("overdone"), rows=rows)
    world.append(labels_of(rows[3 * 60 :]), "results")  # the others are there
    call(world, "score")
    return world


@pytest.fixture(scope="module")
def registered(scored: World) -> dict[str, Any]:
    planned = call(scored, "recalibrate", *TRIED, "--dry-run", "--picture", str(scored.folder / "maps.svg"))
    assert (planned["status"], planned["version"]) == ("planned", None)
    assert client_of(scored).search_model_versions("name = 'second'")[0].version in (1, "1")
    return call(scored, "recalibrate", *TRIED)


def client_of(world: World) -> MlflowClient:
    return MlflowClient(world.config.mlflow.tracking_uri, world.config.mlflow.tracking_uri)


def map_of(world: World, version: int) -> CalibrationMap:
    source = client_of(world).get_model_version("second", str(version)).source
    file = Path(source.removeprefix("file://")) / "data" / "data" / "calibration.json"
    return CalibrationMap.from_json(json.dumps(json.loads(file.read_text(encoding="utf-8"))["map"]))


def test_the_map_that_later_windows_prove_is_registered(scored: World, registered: dict[str, Any]) -> None:
    assert (registered["status"], registered["model"], registered["recalibrates"]) == ("published", "second", 1)
    assert registered["chosen"] in ("platt", "shift", "beta")
    assert (registered["fitted_on"]["windows"], registered["tried_on"]["windows"]) == (15, 15)
    tried = {each["kind"]: each for each in registered["maps"]}
    rows = scored.rows
    later = rows[rows["at"] >= pd.Timestamp(SPLIT, tz="UTC")]
    p, y = probability_of(later), later["y"]
    assert registered["rows"] == len(later)
    assert registered["brier"] == pytest.approx(np.mean((p - y) ** 2), abs=1e-9)
    fitted = map_of(scored, registered["version"])
    assert tried[registered["chosen"]]["brier"] == pytest.approx(np.mean((fitted.apply(p) - y) ** 2), abs=1e-7)
    version = client_of(scored).get_model_version("second", str(registered["version"]))
    assert version.tags["brierlake.recalibrates"] == "second/1"
    assert version.tags["brierlake.trained_until"] == f"{SPLIT}T00:00:00+00:00"
    assert "needs the Python package brierlake" in version.description
    named = client_of(scored).get_model_version_by_alias("second", "recalibrated")
    assert int(named.version) == registered["version"]
    run = client_of(scored).get_run(version.run_id)
    assert run.data.metrics["brier"] == pytest.approx(tried[registered["chosen"]]["brier"])
    assert run.data.params["brier_measured_on"] == f"{len(later)} rows, 15 windows from {SPLIT} to 2024-02-08"
    assert (scored.folder / "maps.svg").read_text(encoding="utf-8").count("Brier -0") == 4
    (entry,) = scored.read("runs").query("action == 'recalibrate'").to_dict("records")
    assert (entry["model_name"], entry["model_version"]) == ("second", registered["version"])


def test_twice_registers_once(scored: World, registered: dict[str, Any]) -> None:
    again = call(scored, "recalibrate", *TRIED)
    assert (again["status"], again["version"]) == ("unchanged", registered["version"])
    assert len(client_of(scored).search_model_versions("name = 'second'")) == 2


def test_other_windows_replace_the_map_and_never_stack_it(scored: World, registered: dict[str, Any]) -> None:
    pinned = f"second/{registered['version']}"
    refused = call(scored, "recalibrate", "--model", pinned, code=3)
    assert refused["error"] == (
        f"models:/{pinned} is itself a recalibration of second/1, and maps aren't stacked: recalibrate that one "
        "again, with --model second/1."
    )


def test_it_loads_in_plain_mlflow(scored: World, registered: dict[str, Any]) -> None:
    mlflow.set_tracking_uri(scored.config.mlflow.tracking_uri)
    mlflow.set_registry_uri(scored.config.mlflow.tracking_uri)
    loaded = mlflow.pyfunc.load_model(f"models:/second/{registered['version']}")
    inner = mlflow.pyfunc.load_model("models:/second/1")
    assert loaded.metadata.signature == inner.metadata.signature
    inputs = scored.rows[["x1", "x2"]]
    said = inner.get_raw_model().predict_proba(inputs)[:, 1]
    assert np.array_equal(loaded.predict(inputs), map_of(scored, registered["version"]).apply(said))


def test_it_brings_no_code_and_no_pickle(scored: World, registered: dict[str, Any], tmp_path: Path) -> None:
    allow = {"code": False, "pickle": False}
    config = ModelConfig.model_validate({"pin": f"second/{registered['version']}", "allow": allow})
    client = connect(scored.config.mlflow)
    fetched = fetch_model(client, resolve_model(client, config), config, folder=tmp_path)
    assert (fetched.flavor, fetched.is_pickle, fetched.path.name) == ("sklearn", False, "model")
    assert not list(fetched.path.parent.rglob("*.py"))
    # what the outer file says of the model inside is not what it is judged by
    source = Path(
        client_of(scored).get_model_version("second", str(registered["version"])).source.removeprefix("file://")
    )
    mlmodel = source / "data" / "data" / "model" / "MLmodel"
    before = mlmodel.read_text(encoding="utf-8")
    content = yaml.safe_load(before)
    content["flavors"]["python_function"]["loader_module"] = "mine"
    try:
        mlmodel.write_text(f"{yaml.safe_dump(content)}# {'as long as before' * 50}\n", encoding="utf-8")
        with pytest.raises(ModelError, match="brings Python code of its own"):
            fetch_model(client, resolve_model(client, config), config, folder=tmp_path)
    finally:
        mlmodel.write_text(before, encoding="utf-8")


def test_pinned_it_scores_what_the_map_makes_of_the_model(
    scored: World, registered: dict[str, Any], tmp_path: Path
) -> None:
    world = scored.copied_to(tmp_path)
    pin = ("--set", "model.names=[]", "--set", f"model.pin=second/{registered['version']}")
    planned = call(world, "plan", *pin)
    last = "24 January 2024"
    said = f"version 1 recalibrated ({registered['chosen']}, fitted until {last})"
    assert planned["model"]["recalibrates"] == said
    assert call(world, "score", *pin)["status"] == "published"
    before, after = (each.read("predictions").set_index("id")["probability"].sort_index() for each in (scored, world))
    expected = map_of(scored, registered["version"]).apply(before)
    assert np.max(np.abs(after - expected)) <= 1e-15
    (row,) = [each for each in call(world, "candidates")["rows"] if each["is_selected"]]
    assert row["recalibrates"] == said
    assert call(world, "show", "2024-01-30")["made_by"][0]["recalibrates"] == said


def test_a_ranking_leaves_it_out_and_says_why(scored: World, registered: dict[str, Any]) -> None:
    planned = call(scored, "plan")
    assert (planned["model"]["name"], planned["model"]["version"]) == ("second", 1)
    client = connect(scored.config.mlflow)
    resolution = resolve_model(client, ModelConfig(names=("first", "second")))
    (left_out,) = [each for each in resolution.candidates if each.recalibrates]
    assert left_out.model_version == registered["version"]
    assert left_out.reason == f"{left_out.recalibrates}, measured on other rows than they are: pin it to serve it"


@pytest.mark.long
def test_as_a_challenger_it_is_mapped_and_not_scored(scored: World, registered: dict[str, Any], tmp_path: Path) -> None:
    world = scored.copied_to(tmp_path)
    with_it = ("--set", "challenger.pin=second@recalibrated", "--set", "decision.threshold=0.25")
    summary = call(world, "score", *with_it)
    assert summary["status"] == "diagnosed"  # its net benefit is wanted now
    challenger = summary["challenger"]
    assert (challenger["status"], challenger["error"], challenger["windows"]) == ("published", None, DAYS)
    assert (challenger["total"]["verdict"], challenger["total"]["n_in_sample"]) == ("better", 15)
    said = world.read("predictions").set_index("id").sort_index()
    mapped = world.read("challengers").set_index("id").sort_index()
    expected = map_of(scored, registered["version"]).apply(said["probability"])
    assert np.max(np.abs(mapped["probability"] - expected)) <= 1e-15
    assert set(mapped["model_version"]) == {registered["version"]}
    days = scored.rows.set_index("id")["at"]
    later = [each[days[each.index] >= pd.Timestamp(SPLIT, tz="UTC")] for each in (said, mapped)]
    worth = [net_benefit(each["probability"], scored.rows.set_index("id")["y"][each.index], 0.25) for each in later]
    assert challenger["total"]["benefit_difference"] == pytest.approx(worth[1] - worth[0], abs=1e-12)
    assert challenger["total"]["benefit_log_e_value"] is not None
    again = call(world, "score", *with_it)
    assert again["challenger"]["status"] == "unchanged"
    moved = call(world, "promote", "--set", "promotion.min_labelled=100", *with_it)
    assert (moved["status"], moved["version"]) == ("published", registered["version"])


def test_nothing_to_win_registers_nothing(scored: World) -> None:
    summary = call(
        scored,
        "recalibrate",
        "--model",
        "second/1",
        "--from",
        "2024-01-12",
        "--fit-until",
        "2024-01-18",
        "--to",
        "2024-01-23",
    )
    assert (summary["status"], summary["version"], summary["chosen"]) == ("nothing_to_win", None, None)
    assert all(each["evidence_status"] in ("ok", "few_windows") for each in summary["maps"])


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--fit-until", "2024-01-11"], 4, "leaves 1 to fit on and 29 to try on; 5 each are needed"),
        (["--fit-until", "2024-03-01"], 4, "leaves 30 to fit on and 0 to try on"),
        (["--fit-until", "2024-01-05", "--from", "2024-01-10"], 2, "must lie between --from and --to"),
        (["--model", "second/99"], 3, "There is no version 99 of model 'second'"),
        (["--model", "first/1"], 4, "of its 0 diagnosed windows"),
        (["--set", "model.trained_until=2024-03-01", "--model", "second/1"], 0, None),
    ],
)
def test_bad_input_is_one_sentence_and_registers_nothing(
    scored: World, registered: dict[str, Any], arguments: list[str], code: int, said: str | None
) -> None:
    told = call(scored, "recalibrate", *arguments, code=code)
    assert said is None or said in told["error"]
    assert len(client_of(scored).search_model_versions("name = 'second'")) == 2


def test_windows_scored_anew_are_not_fitted_on(scored: World, tmp_path: Path) -> None:
    world = scored.copied_to(tmp_path)
    predictions = world.gold("predictions").sql
    world.sql(f"UPDATE {predictions} SET run_id = 'another' WHERE window_start = DATE'2024-01-15'")
    told = call(world, "recalibrate", *TRIED, code=4)
    assert told["error"] == (
        "Windows were scored anew since they were diagnosed (2024-01-15): run `brierlake diagnose`, then try again."
    )


def test_one_class_has_no_map(spark: SparkSession, store: Path, tmp_path: Path) -> None:
    rows = overdone()[: 14 * PER_DAY].assign(y=np.int32(0))
    world = lay_out(spark, store, tmp_path, rows=rows)
    world.append(labels_of(rows[3 * 60 :]), "results")
    call(world, "score")
    told = call(world, "recalibrate", code=4)
    assert "560 labelled rows, of which 0 are of the positive class" in told["error"]


def test_a_registry_that_refuses_leaves_nothing(scored: World, tmp_path: Path) -> None:
    world = scored.copied_to(tmp_path)
    with sqlite3.connect(world.folder / "mlflow.db") as database:
        database.execute(
            "CREATE TRIGGER no_versions BEFORE INSERT ON model_versions BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    told = call(world, "recalibrate", *TRIED, "--fit-until", "2024-01-24", code=3)
    assert "register a version of second" in told["error"]
    client = MlflowClient(f"sqlite:///{world.folder}/mlflow.db")
    experiment = client.get_experiment_by_name(world.config.mlflow.experiment)
    names = [run.info.run_name for run in client.search_runs([experiment.experiment_id])] if experiment else []
    assert not any(str(name).startswith("games recalibrate") and "01-24" in str(name) for name in names)
    assert "recalibrate" not in set(world.read("runs").query("status == 'published' and metric_value == 0")["action"])


def test_loading_without_the_package_says_what_lacks(scored: World, registered: dict[str, Any]) -> None:
    source = client_of(scored).get_model_version("second", str(registered["version"])).source
    script = (
        "import sys; sys.modules['brierlake'] = None\n"
        f"import mlflow; mlflow.pyfunc.load_model({source.removeprefix('file://')!r})"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode
    assert "brierlake" in done.stderr.splitlines()[-1]
    requirements = Path(source.removeprefix("file://"), "requirements.txt").read_text(encoding="utf-8")
    assert "brierlake==" in requirements


def test_windows_without_their_labels_are_foretold(scored: World) -> None:
    decision = ("--set", "decision.threshold=0.25")
    summary = call(scored, "diagnose", "--as-of", "2024-02-08T00:40:00", *decision)
    estimates = {each["window_start"]: each for each in summary["diagnostics"]["estimates"]}
    assert list(estimates) == ["2024-02-07", "2024-02-08"]
    rows = scored.rows.assign(day=scored.rows["at"].dt.date.astype(str), p=probability_of(scored.rows))
    # labels are known a day after the event: of the first forty minutes' rows, and those are like the others
    partial, unknown = estimates["2024-02-07"], estimates["2024-02-08"]
    known = rows[(rows["day"] == "2024-02-07") & (rows["at"] <= pd.Timestamp("2024-02-07T00:40:00Z"))]
    assert partial["estimate_kind"] == "delay"
    assert partial["estimated_brier"] == pytest.approx(np.mean((known["p"] - known["y"]) ** 2), rel=1e-9)
    assert partial["estimated_base_rate"] == pytest.approx(known["y"].mean(), rel=1e-9)
    assert 0 < partial["estimate_error"] < 0.05
    assert unknown["estimate_kind"] == "map"
    today = rows[rows["day"] == "2024-02-08"]
    realised = np.mean((today["p"] - today["y"]) ** 2)
    expected = np.mean(today["p"] * (1 - today["p"]))
    assert abs(unknown["estimated_brier"] - realised) < abs(expected - realised)
    assert 0 < unknown["estimate_error"] < 0.05
    seen = rows[(rows["at"] + pd.Timedelta(days=1)) <= pd.Timestamp("2024-02-08T00:40:00Z")]
    total = summary["diagnostics"]["total"]
    assert (summary["diagnostics"]["threshold"], total["n_labelled"]) == (0.25, len(seen))
    assert total["net_benefit"] == pytest.approx(net_benefit(seen["p"], seen["y"], 0.25), abs=1e-12)
    rate = seen["y"].mean()
    assert total["net_benefit_all"] == pytest.approx(rate - (1 - rate) / 3, abs=1e-12)
