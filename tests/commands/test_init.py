"""init writes a config that a score run accepts as it is, and says what else it found."""

import shutil

import pytest
from click.testing import CliRunner, Result

from brierlake.cli import main
from brierlake.commands.init import choose_metric, find_place
from brierlake.commands.init.survey import ModelFindings
from brierlake.config import Config
from brierlake.configfile import read_config
from brierlake.errors import ConfigError
from tests.world import World


def invoke(world: World, *arguments: str, output: str = "made.yml") -> Result:
    uri, out = f"sqlite:///{world.folder}/mlflow.db", str(world.folder / output)
    return CliRunner().invoke(main, ["init", "--tracking-uri", uri, "--output", out, "--quiet", *arguments])


@pytest.mark.slow
def test_what_it_writes_scores_right_away_and_is_never_overwritten(world: World) -> None:
    table = str(world.folder / "lake" / "silver" / "games")
    result = invoke(world, "--features", table, "--labels", "results")
    assert result.exit_code == 0, result.output
    text = (world.folder / "made.yml").read_text(encoding="utf-8")
    made = read_config(world.folder / "made.yml")
    assert (made.features.key, made.features.event_at, made.features.carry) == (("id",), "at", ("team",))
    assert made.labels is not None
    assert (made.labels.outcome, made.labels.known_at) == ("y", "known_at")
    assert made.model.names == ("first", "second")
    assert "versions: first 2, second 1" in text
    assert "logged by runs: brier 3" in text
    scored = CliRunner().invoke(main, ["score", "--config", str(world.folder / "made.yml"), "--quiet"])
    assert (scored.exit_code, len(world.read("predictions"))) == (0, len(world.rows)), scored.output
    again = invoke(world, "--features", table)
    assert again.exit_code == 2
    assert "and it stays as it is" in again.stderr
    assert (world.folder / "made.yml").read_text(encoding="utf-8") == text


def made_of(world: World, *arguments: str) -> Config:
    """What init writes; it must be a config that `plan` takes as it is."""
    result = invoke(world, *arguments)
    assert result.exit_code == 0, result.output
    planned = CliRunner().invoke(main, ["plan", "--config", str(world.folder / "made.yml"), "--quiet"])
    assert planned.exit_code == 0, planned.output
    return read_config(world.folder / "made.yml")


@pytest.mark.parametrize(
    ("kind", "positive"),
    [
        pytest.param("int32", 1, id="0/1"),
        pytest.param("float64", 1, id="0.0/1.0", marks=pytest.mark.slow),
        pytest.param("boolean", True, id="true/false", marks=pytest.mark.slow),
    ],
)
def test_outcomes_in_the_features_are_proposed(world: World, kind: str, positive: object) -> None:
    rows = world.rows.assign(y=world.rows["y"].astype(kind), is_home=world.rows["y"] == 0)
    world.append(rows, "both")
    made = made_of(world, "--features", str(world.folder / "lake" / "silver" / "both"))
    assert made.labels is not None
    assert (made.labels.table, made.labels.outcome, made.labels.positive) == (None, "y", positive)
    assert type(made.labels.positive) is type(positive)
    assert (made.features.key, made.features.carry) == (("id",), ("team", "is_home", "y"))
    assert (made.diagnostics.slices, made.diagnostics.cluster) == (("team", "is_home"), "window_start")
    assert "Also 0 and 1 only: is_home" in (world.folder / "made.yml").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_feature_of_the_model_is_no_outcome(world: World) -> None:
    world.append(world.rows.assign(x1=world.rows["y"].astype(float)).drop(columns="y"), "flags")
    made = made_of(world, "--features", str(world.folder / "lake" / "silver" / "flags"))
    assert made.labels is not None
    assert (made.labels.table, made.labels.outcome, made.labels.known_at) == ("results", "y", "known_at")


@pytest.mark.slow
def test_outcomes_in_a_table_beside_are_proposed(world: World) -> None:
    beside = world.folder / "lake" / "silver"
    (beside / "aaa").mkdir()
    (beside / "aab" / "_delta_log").mkdir(parents=True)
    world.append(world.rows.assign(id=world.rows["id"].astype(str))[["id", "y"]], "labels_of_other_ids")
    made = made_of(world, "--features", "games", "--root", f"file://{world.folder}/lake")
    assert made.labels is not None
    assert (made.labels.table, made.labels.outcome, made.labels.known_at) == ("results", "y", "known_at")
    assert (made.features.carry, made.diagnostics.cluster) == (("team",), "window_start")


@pytest.mark.slow
def test_without_a_time_the_cluster_is_a_carried_column(world: World) -> None:
    world.append(world.rows.drop(columns=["at", "y"]), "timeless")
    shutil.rmtree(world.folder / "lake" / "silver" / "results")
    made = made_of(world, "--features", str(world.folder / "lake" / "silver" / "timeless"))
    assert (made.features.event_at, made.diagnostics.cluster, made.labels) == (None, "team", None)


@pytest.mark.slow
def test_tables_of_a_catalog_are_looked_at_too(world: World) -> None:
    world.sql("CREATE DATABASE IF NOT EXISTS brierlake_test")
    try:
        for name in ("games", "results"):
            path = world.silver(name).path
            world.sql(f"CREATE TABLE brierlake_test.{name} USING delta LOCATION '{path}'")
        made = made_of(world, "--features", "spark_catalog.brierlake_test.games")
        assert made.labels is not None
        assert (made.labels.table, made.labels.outcome) == ("results", "y")
    finally:
        world.sql("DROP DATABASE brierlake_test CASCADE")


def test_a_table_that_no_model_fits_is_refused_with_each_reason(world: World) -> None:
    root = str(world.folder / "lake")
    result = invoke(world, "--features", "results", "--root", root)
    assert (result.exit_code, (world.folder / "made.yml").exists()) == (4, False)
    assert "None of the registered models can be fed from table results" in result.stderr
    assert "first: column `x1` is missing" in result.stderr


def test_what_is_missing_is_named_where_nobody_can_answer(world: World) -> None:
    result = CliRunner().invoke(main, ["init", "--features", "a.b.c"])
    assert (result.exit_code, "--tracking-uri is missing" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("features", "root", "found"),
    [
        ("/lake/silver/games", None, ("/lake", None, "silver", "games")),
        ("s3a://b/lake/raw/games/", None, ("s3a://b/lake", None, "raw", "games")),
        ("main.bronze.games", None, (None, "main", "bronze", "games")),
        ("games", "/lake", ("/lake", None, "silver", "games")),
    ],
)
def test_the_place_comes_from_the_name(features: str, root: str | None, found: tuple[str | None, ...]) -> None:
    place = find_place(features, root=root, catalog=None, silver="silver")
    assert (place.root, place.catalog, place.silver, place.table) == found


@pytest.mark.parametrize("features", ["games", "silver.games", "/games"])
def test_a_name_without_a_place_is_refused(features: str) -> None:
    with pytest.raises(ConfigError, match="Give --root or --catalog"):
        find_place(features, root=None, catalog=None, silver="silver")


@pytest.mark.parametrize(
    ("metrics", "chosen"),
    [
        ({"auc": 9, "brier": 1}, "brier"),
        ({"auc": 9, "val_brier": 1}, "val_brier"),
        ({"auc": 9, "loss": 1}, "auc"),
        ({}, "brier"),
    ],
)
def test_a_brier_score_is_preferred(metrics: dict[str, int], chosen: str) -> None:
    assert choose_metric([ModelFindings("m", 1, metrics, (), (), None)]) == chosen
