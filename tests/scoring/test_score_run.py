"""The main job on a small world: what is published, what stays, and what it is worth by another computation."""

import json
from datetime import date

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import brier_score_loss

from brierlake.lakehouse.windows import Scope
from brierlake.scoring.score_run import ScoreOptions, score_windows
from tests.world import BAD, DAYS, PER_DAY, World, labels_of, log_version, probability_of

FEBRUARY = Scope(date(2024, 2, 1), date(2024, 3, 1))


def test_every_row_gets_the_positive_class_probability_of_the_best_version(published: World) -> None:
    world, scored = published, json.loads(published.said("score.json"))
    assert (scored["status"], scored["model"]["name"], scored["model"]["version"]) == ("published", "second", 1)
    predictions = world.read("predictions").sort_values("id")
    assert predictions["id"].tolist() == world.rows["id"].tolist()
    np.testing.assert_allclose(predictions["probability"], probability_of(world.rows), rtol=1e-12)
    assert predictions["window_start"].astype(str).tolist() == np.repeat(DAYS, PER_DAY).tolist()
    assert predictions["team"].tolist() == world.rows["team"].tolist()
    assert set(predictions["run_id"]) == {scored["run_id"]}
    assert set(predictions["features_version"]) == {0}
    assert predictions.loc[predictions["issue"].notna(), "id"].tolist() == list(BAD)


def test_metrics_equal_sklearn_and_pandas_on_the_same_rows(published: World) -> None:
    metrics = published.read("brier_metrics")
    rows = published.rows.assign(p=probability_of(published.rows), month=published.rows["at"].dt.strftime("%Y-%m-01"))
    known = rows[: 3 * PER_DAY]
    whole = metrics[metrics["model_name"].isna() & metrics["slice_key"].isna()]
    for month in ("2024-01-01", "2024-02-01"):
        found = whole[(whole["grain"] == "month") & (whole["window_start"].astype(str) == month)].iloc[0]
        part = known[known["month"] == month]
        assert found["n_rows"] == (rows["month"] == month).sum()
        assert found["n_labelled"] == len(part)
        assert found["brier"] == pytest.approx(brier_score_loss(part["y"], part["p"]), rel=1e-12)
        assert found["base_rate"] == pytest.approx(part["y"].mean(), rel=1e-12)
        assert found["expected_brier"] == pytest.approx(
            (rows[rows["month"] == month].eval("p * (1 - p)")).mean(), rel=1e-12
        )
    total = whole[whole["grain"] == "all"].iloc[0]
    assert total["brier"] == pytest.approx(brier_score_loss(known["y"], known["p"]), rel=1e-12)
    assert total["label_status"] == "preliminary"
    no_team = metrics[
        (metrics["grain"] == "all") & (metrics["slice_key"] == "team") & metrics["slice_value"].isna()
    ].iloc[0]
    part = known[known["team"].isna()]
    assert no_team["brier"] == pytest.approx(brier_score_loss(part["y"], part["p"]), rel=1e-12)


def test_reliability_bins_equal_a_count_by_pandas(published: World) -> None:
    bins = published.read("brier_reliability").query("grain == 'all' and kind == 'bins_10' and n_scored > 0")
    bins = bins[bins["model_name"].isna() & bins["slice_key"].isna()].sort_values("position")
    rows = published.rows.assign(p=probability_of(published.rows))
    rows = rows.dropna(subset="p")
    rows["position"] = np.ceil(rows["p"] * 10).astype(int) - 1
    assert bins["n_scored"].tolist() == rows.groupby("position").size().tolist()
    expected = rows[: 3 * PER_DAY].groupby("position")["y"].mean()
    np.testing.assert_allclose(bins["event_rate"], expected, rtol=1e-12)


def test_a_second_run_is_unchanged_and_writes_nothing(published: World) -> None:
    before = published.versions()
    assert score_windows(published.run(), scope=Scope()).status == "unchanged"
    assert published.versions() == before


def test_a_window_run_replaces_its_windows_and_no_other(published: World) -> None:
    first = published.read("predictions")["run_id"][0]
    second = score_windows(published.run(), scope=FEBRUARY, options=ScoreOptions(is_forced=True))
    runs = published.read("predictions").groupby("window_start")["run_id"].unique().map(list)
    assert [each[0] for each in runs] == [first] * 2 + [second.run_id] * 2
    assert len(published.read("predictions")) == len(published.rows)


@pytest.mark.long
@pytest.mark.slow
def test_window_runs_one_after_the_other_end_where_one_full_run_would(world: World) -> None:
    score_windows(world.run(), scope=Scope(date(2024, 1, 1), date(2024, 2, 1)))
    score_windows(world.run(), scope=FEBRUARY)
    assert score_windows(world.run(), scope=Scope()).status == "unchanged"


@pytest.mark.long
@pytest.mark.slow
def test_a_better_version_that_comes_and_goes_scores_each_time(published: World) -> None:
    other = published.with_config(model=published.config.model.model_copy(update={"names": (), "pin": "first/2"}))
    assert score_windows(other.run(), scope=Scope()).status == "published"
    np.testing.assert_allclose(
        published.read("predictions").sort_values("id")["probability"], probability_of(published.rows, 0.5), rtol=1e-12
    )
    assert score_windows(published.run(), scope=Scope()).status == "published"
    assert score_windows(published.run(), scope=Scope()).status == "unchanged"


@pytest.mark.slow
def test_a_newly_registered_better_version_takes_over(published: World) -> None:
    world = published
    log_version(world.folder, "first", brier=[0.9, 0.2], strength=2.0)
    scored = score_windows(world.run(), scope=Scope())
    assert (scored.plan.resolution.model_name, scored.plan.resolution.model_version) == ("first", 3)
    candidates = world.read("candidates").query(f"run_id == '{scored.run_id}'")
    assert len(candidates) == 4
    assert candidates[candidates["is_selected"]]["value"].tolist() == [0.2]


@pytest.mark.slow
def test_the_state_of_the_tables_says_what_is_stale(published: World) -> None:
    """A changed row makes its window stale, an append only its own; a table restored by hand is put right."""
    before = published.versions()["predictions"]
    published.sql(f"UPDATE {published.silver('games').sql} SET x1 = 9 WHERE id = 3")
    scored = score_windows(published.run(), scope=Scope())
    assert scored.plan.stale == (date(2024, 1, 30),)
    late = published.rows[:5].assign(
        id=lambda each: each["id"] + 10_000, at=lambda each: each["at"] + pd.Timedelta(days=9)
    )
    published.append(late.drop(columns="y"), "games")
    assert score_windows(published.run(), scope=Scope()).plan.stale == (date(2024, 2, 8),)
    published.sql(f"RESTORE TABLE {published.gold('predictions').sql} TO VERSION AS OF {before}")
    assert score_windows(published.run(), scope=Scope()).plan.stale == (date(2024, 1, 30), date(2024, 2, 8))
    assert len(published.read("predictions")) == len(published.rows) + 5


@pytest.mark.slow
def test_labels_that_land_while_a_run_scores_count_in_the_next(published: World) -> None:
    def land(line: str) -> None:
        if line.startswith("Scoring"):
            published.append(labels_of(published.rows[3 * PER_DAY :]), "results")

    scored = score_windows(published.run(say=land), scope=Scope(), options=ScoreOptions(is_forced=True))
    assert scored.diagnosis is not None
    assert scored.diagnosis.total["n_labelled"] == 3 * PER_DAY
    after = score_windows(published.run(), scope=Scope())
    assert after.diagnosis is not None
    assert (after.status, after.diagnosis.total["n_labelled"]) == ("diagnosed", len(published.rows) - len(BAD))
