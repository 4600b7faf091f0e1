"""Diagnose: late and odd labels, questions about the past, drift before any label, clustered errors, a challenger."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession
from sklearn.metrics import brier_score_loss

from brierlake.commands.diagnose import summarise_diagnosis
from brierlake.config import ChallengerConfig, LabelsConfig
from brierlake.diagnosis import computing, counting
from brierlake.diagnosis.diagnose_run import answer, diagnose_and_record
from brierlake.errors import ConfigError, ContractError
from brierlake.lakehouse.windows import Scope
from brierlake.scoring.challenger import Challenge, challenge, compare_again, describe_challenge
from brierlake.scoring.recording import ScoreResult
from brierlake.scoring.score_run import score_windows
from tests.world import DAYS, PER_DAY, World, labels_of, lay_out, make_rows

LAST = date(2024, 2, 2)


def probability_of(rows: pd.DataFrame, strength: float) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-strength * (rows["x1"] - 0.5 * rows["x2"]))))


@dataclass(frozen=True)
class Judged:
    world: World
    scored: ScoreResult
    challenge: Challenge


@pytest.fixture(scope="module")
def judged(spark: SparkSession, store: Path, tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """On the last day the feed is broken, so that the model is certain of every row; its labels haven't landed."""
    rows = make_rows()
    rows.loc[3 * PER_DAY :, "x1"] += 12
    world = lay_out(spark, store, tmp_path_factory.mktemp("judged"), rows=rows)
    world = world.with_config(
        challenger=ChallengerConfig(runner_up=True),
        diagnostics=world.config.diagnostics.model_copy(update={"cluster": "window_start"}),
    )
    scored = score_windows(world.run(), scope=Scope())
    return Judged(world, scored, challenge(world.run(), scored.plan))


@pytest.fixture
def again(judged: Judged, tmp_path: Path) -> World:
    """A copy of the same world, to be changed."""
    sections = {name: getattr(judged.world.config, name) for name in ("challenger", "diagnostics")}
    return judged.world.copied_to(tmp_path).with_config(**sections)


def squared_errors(world: World, strength: float) -> np.ndarray:
    known = world.rows[: 3 * PER_DAY]
    return np.asarray((probability_of(known, strength) - known["y"]) ** 2)


def clustered_se(values: np.ndarray) -> float:
    """By days of PER_DAY rows: sqrt(G / (G-1) * sum (S_g - n_g mean)^2) / n."""
    residual = (values - values.mean()).reshape(-1, PER_DAY).sum(axis=1)
    g = len(residual)
    return float(np.sqrt(g / (g - 1) * residual @ residual) / len(values))


def test_a_window_whose_scores_have_moved_is_flagged_before_any_label(judged: Judged) -> None:
    assert judged.scored.diagnosis is not None
    flagged = summarise_diagnosis(judged.world.run(), judged.scored.diagnosis, None).diagnostics.flagged
    assert [str(each.window_start) for each in flagged] == ["2024-02-02"]
    assert flagged[0].drift_js > 0.5
    assert "nearly certain of every row" in flagged[0].reason


def test_errors_are_those_of_clusters(judged: Judged) -> None:
    metrics = judged.world.read("brier_metrics")
    mine = metrics[(metrics["role"] == "champion") & metrics["model_name"].isna() & metrics["slice_key"].isna()]
    total = mine[mine["grain"] == "all"].iloc[0]
    errors = squared_errors(judged.world, 1.0)
    assert (total["se_kind"], total["n_clusters"]) == ("clustered", 3)
    assert total["brier_se"] == pytest.approx(clustered_se(errors), rel=1e-9)
    assert total["interval_status"] == "withheld"
    months = mine[mine["grain"] == "month"].sort_values("window_start")["n_clusters"].tolist()
    assert months == [2, 1]
    teams = metrics[(metrics["grain"] == "all") & (metrics["slice_key"] == "team") & metrics["model_name"].notna()]
    assert (teams[teams["role"] == "champion"]["n_clusters"] == 3).all()


def test_clusters_that_reach_over_windows_are_refused(again: World) -> None:
    diagnostics = again.config.diagnostics.model_copy(update={"cluster": "team"})
    with pytest.raises(ContractError, match=r"diagnostics.cluster is team, .* (red|blue) \(2024-01-30 to 2024-02-02\)"):
        diagnose_and_record(again.with_config(diagnostics=diagnostics).run(), scope=Scope(), is_forced=True)


def test_the_past_is_answered_and_nothing_written(judged: Judged) -> None:
    before = judged.world.versions()
    then = datetime(2024, 2, 1, tzinfo=UTC)
    past = answer(judged.world.run(), scope=Scope(), as_of=then)
    known = judged.world.rows[: PER_DAY + 1]  # each is known a day later; the first of the 31st at midnight sharp
    assert past.total["n_labelled"] == PER_DAY + 1
    assert past.total["brier"] == pytest.approx(brier_score_loss(known["y"], probability_of(known, 1.0)), rel=1e-12)
    assert past.total["n_rows"] == len(judged.world.rows)
    assert judged.world.versions() == before
    summary = summarise_diagnosis(judged.world.run(), past, None)
    told = summary.model_dump(mode="json")
    assert (told["status"], told["diagnostics"]["as_of"]) == ("answered", "2024-02-01T00:00:00+00:00")


def test_the_future_and_labels_without_times_are_no_answer(judged: Judged) -> None:
    with pytest.raises(ConfigError, match="lies in the future"):
        answer(judged.world.run(), scope=Scope(), as_of=datetime(2999, 1, 1, tzinfo=UTC))
    timeless = judged.world.with_config(labels=LabelsConfig(table="results", outcome="y"))
    with pytest.raises(ConfigError, match="needs labels.known_at"):
        answer(timeless.run(), scope=Scope(), as_of=datetime(2024, 2, 1, tzinfo=UTC))


@pytest.mark.slow
def test_odd_labels_are_counted(again: World) -> None:
    stranger = labels_of(again.rows[:1]).assign(id=99_999)
    later = labels_of(again.rows[:2]).assign(known_at=pd.Timestamp("2024-03-01", tz="UTC"))
    again.append(pd.concat([stranger, later]), "results")
    columns = ", ".join(
        "DATE'2024-02-01' AS window_start" if each == "window_start" else each
        for each in again.read("predictions").columns
    )
    predictions = again.gold("predictions").sql
    again.sql(f"INSERT INTO {predictions} BY NAME SELECT {columns} FROM {predictions} WHERE id = 7")
    diagnosis = diagnose_and_record(again.run(), scope=Scope())
    labels = diagnosis.labels
    assert labels is not None
    assert (labels.rows, labels.superseded) == (3 * PER_DAY + 3, 2)
    assert (labels.without_prediction, labels.in_several_windows) == (1, 1)


def test_without_labels_the_label_free_half_stays(again: World) -> None:
    world = again.with_config(labels=None)
    diagnosis = diagnose_and_record(world.run(), scope=Scope())
    assert len(diagnosis.windows) == len(DAYS)
    assert (diagnosis.total["brier"], diagnosis.total["label_status"]) == (None, "none")
    p = probability_of(world.rows, 1.0)
    assert diagnosis.total["expected_brier"] == pytest.approx(np.mean(p * (1 - p)), rel=1e-9)
    assert diagnosis.total["expected_brier_sd"] > 0


def test_the_runner_up_scores_the_same_rows_into_its_own_table(judged: Judged) -> None:
    assert (judged.challenge.status, judged.challenge.model_name, judged.challenge.model_version) == (
        "published",
        "first",
        2,
    )
    theirs = judged.world.read("challengers").sort_values("id")
    np.testing.assert_allclose(theirs["probability"], probability_of(judged.world.rows, 0.5), rtol=1e-12)
    ours = judged.world.read("predictions").sort_values("id")
    assert set(ours["model_name"]) == {"second"}
    assert set(ours["features_version"]) == set(theirs["features_version"])
    runs = judged.world.read("runs").query("status == 'published'").sort_values("run_id")
    assert runs["action"].tolist() == ["score", "challenge"]
    assert runs["predictions_table"].str.rsplit("/").str[-1].tolist() == ["predictions", "challengers"]


def test_the_paired_difference_is_that_of_numpy(judged: Judged) -> None:
    rows = judged.challenge.comparison
    d = squared_errors(judged.world, 0.5) - squared_errors(judged.world, 1.0)
    total = rows[-1]
    assert (total["grain"], total["n"], total["clusters"]) == ("all", 3 * PER_DAY, 3)
    assert total["difference"] == pytest.approx(d.mean(), rel=1e-9)
    assert total["difference_se"] == pytest.approx(clustered_se(d), rel=1e-9)
    assert total["brier_challenger"] - total["brier_champion"] == pytest.approx(d.mean(), rel=1e-9)
    stored = judged.world.read("brier_compare")
    assert len(stored) == len(rows) == len(DAYS) + 2 + 1
    by_day = stored[stored["grain"] == "window"].sort_values("window_start")
    assert by_day["n"].tolist() == [PER_DAY] * 3 + [0]
    assert by_day["verdict"].iloc[-1] == "too_few_labels"
    curve = stored[stored["grain"] == "all"].iloc[0]
    # twice the area under Murphy's curve is the Brier score
    area = np.trapezoid(curve["murphy_champion"], curve["murphy_threshold"])
    assert 2 * area == pytest.approx(curve["brier_champion"], abs=2e-3)
    told = describe_challenge(judged.challenge)
    assert told is not None
    assert told.total is not None
    assert told.total.verdict == total["verdict"]


def test_nothing_new_nothing_compared(judged: Judged) -> None:
    before = judged.world.versions()
    assert challenge(judged.world.run(), judged.scored.plan).status == "unchanged"
    assert judged.world.versions() == before


@pytest.mark.slow
def test_labels_that_land_are_compared(again: World) -> None:
    again.append(labels_of(again.rows[3 * PER_DAY :]), "results")
    diagnose_and_record(again.run(), scope=Scope())
    result = compare_again(again.run(), scope=Scope())
    assert result.status == "diagnosed"
    errors = [(probability_of(again.rows, each) - again.rows["y"]) ** 2 for each in (0.5, 1.0)]
    assert result.comparison[-1]["difference"] == pytest.approx((errors[0] - errors[1]).mean(), rel=1e-9)
    assert result.comparison[-1]["n"] == len(again.rows)


def test_a_challenger_that_fails_leaves_the_champion_alone(judged: Judged) -> None:
    before = judged.world.versions()
    world = judged.world.with_config(challenger=ChallengerConfig(pin="first/99"))
    result = challenge(world.run(), replace(judged.scored.plan))
    assert result.status == "failed"
    assert "no version 99 of model 'first'" in (result.error or "")
    after = judged.world.versions()
    assert {name for name in after if after[name] != before[name]} == {"runs"}


@pytest.mark.slow
@pytest.mark.parametrize("few", [pytest.param(0, id="many cells and keys"), pytest.param(300_000, id="only rows")])
def test_many_rows_cells_and_keys_stay_in_spark_and_say_the_same(
    again: World, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    names = ["role", "grain", "window_start", "slice_key", "slice_value", "model_name"]
    before = again.read("brier_metrics").query("role == 'champion'").sort_values(names, ignore_index=True)
    monkeypatch.setattr(counting, "FEW_ROWS", few)
    monkeypatch.setattr(computing, "FEW_KEYS", few)
    diagnosis = diagnose_and_record(again.run(), scope=Scope(), is_forced=True)
    after = again.read("brier_metrics").query("role == 'champion'").sort_values(names, ignore_index=True)
    same = [*names, "n_rows", "n_labelled", "n_clusters", "brier", "brier_se", "drift_js", "skill", "calibration_slope"]
    pd.testing.assert_frame_equal(before[same], after[same], rtol=1e-9)
    assert diagnosis.total["brier"] == pytest.approx(squared_errors(again, 1.0).mean(), rel=1e-9)
