"""The main job on a small world: late and odd labels, bad rows, and what is refused."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import brier_score_loss

from brierlake.diagnosis.diagnose_run import diagnose_and_record
from brierlake.errors import ContractError, GateError, StorageError
from brierlake.lakehouse.predictions import Issue
from brierlake.lakehouse.windows import Scope
from brierlake.scoring.score_run import ScoreOptions, score_windows
from tests.world import DAYS, PER_DAY, World, labels_of, log_picky_version, probability_of

pytestmark = pytest.mark.slow  # a run or more for each; .ci/run runs them


def test_labels_that_land_later_change_their_windows_only(published: World) -> None:
    assert diagnose_and_record(published.run(), scope=Scope()).windows == ()
    published.append(labels_of(published.rows[3 * PER_DAY :]), "results")
    diagnosis = diagnose_and_record(published.run(), scope=Scope())
    assert diagnosis.windows == (date(2024, 2, 2),)
    assert diagnosis.total["label_status"] == "complete"
    scored = published.rows[published.rows["x1"].notna()]
    assert (diagnosis.total["n_rows"], diagnosis.total["n_labelled"]) == (len(published.rows), len(scored))
    assert diagnosis.total["brier"] == pytest.approx(brier_score_loss(scored["y"], probability_of(scored)), rel=1e-12)


def test_a_corrected_label_changes_the_numbers(published: World) -> None:
    published.append(
        labels_of(published.rows[:1]).assign(
            y=1 - published.rows["y"][:1], known_at=pd.Timestamp("2024-03-01", tz="UTC")
        ),
        "results",
    )
    diagnosis = diagnose_and_record(published.run(), scope=Scope())
    corrected = published.rows["y"][: 3 * PER_DAY].copy()
    corrected[0] = 1 - corrected[0]
    assert diagnosis.windows == (date(2024, 1, 30),)
    assert diagnosis.total["brier"] == pytest.approx(
        brier_score_loss(corrected, probability_of(published.rows[: 3 * PER_DAY])), rel=1e-12
    )


def test_contradicting_labels_are_refused_with_examples(world: World) -> None:
    world.append(labels_of(world.rows[7:8]).assign(y=1 - world.rows["y"][7:8]), "results")
    with pytest.raises(ContractError, match=r"different outcomes for one key .* id=7"):
        score_windows(world.run(), scope=Scope())


def test_an_outcome_that_nobody_named_is_refused(world: World) -> None:
    world.append(labels_of(world.rows[200:201]).assign(y=np.int32(5)), "results")
    with pytest.raises(ContractError, match=r"neither 1 nor 0: at id=200"):
        score_windows(world.run(), scope=Scope())


def test_duplicate_keys_are_refused_with_examples(world: World) -> None:
    world.append(world.rows[5:6].drop(columns="y"), "games")
    with pytest.raises(ContractError, match=r"several rows with one key \(id\), for example id=5 \(2 rows\)"):
        score_windows(world.run(), scope=Scope())
    assert not Path(world.gold("predictions").path or "").exists()


def test_too_many_rows_without_a_probability_leave_what_was_there(published: World) -> None:
    before = published.read("predictions").sort_values("id").reset_index(drop=True)
    published.sql(f"UPDATE {published.silver('games').sql} SET x1 = NULL WHERE id >= 180 AND id % 2 = 0")
    small = published.with_config(scoring=published.config.scoring.model_copy(update={"sample_rows": 1}))
    with pytest.raises((GateError, ContractError), match="max_issue_share"):
        score_windows(small.run(), scope=Scope())
    after = published.read("predictions").sort_values("id").reset_index(drop=True)
    pd.testing.assert_frame_equal(before, after)
    failed = published.read("runs").sort_values("run_id").iloc[-1]
    assert (failed["status"], failed["exit_code"] in (4, 5)) == ("failed", True)


def test_few_bad_rows_cost_themselves_only(world: World) -> None:
    world.sql(f"UPDATE {world.silver('games').sql} SET x1 = NULL WHERE id IN (10, 11)")
    scored = score_windows(world.run(), scope=Scope())
    predictions = world.read("predictions").set_index("id")
    assert scored.rows_with_issue == 2
    text = "x1 is null or NaN, and the model doesn't take that"
    assert scored.issues == {text: Issue(2, ("id=10", "id=11"))}
    examples = world.read("runs")["issue_examples"][0]
    assert {issue: list(keys) for issue, keys in examples.items()} == {text: ["id=10", "id=11"]}
    assert predictions.loc[[10, 11], "probability"].isna().all()
    assert predictions.loc[[10, 11], "issue"].str.len().min() > 5
    assert predictions["probability"].notna().sum() == len(world.rows) - 2


@pytest.mark.filterwarnings("ignore:.*type hint:UserWarning")
def test_what_a_model_said_when_it_raised_is_kept_with_the_examples(world: World) -> None:
    log_picky_version(world.folder, "second", brier=0.1)
    world.sql(f"UPDATE {world.silver('games').sql} SET x1 = 99 WHERE id IN (10, 11)")
    unseen = world.with_config(scoring=world.config.scoring.model_copy(update={"sample_rows": 1}))
    scored = score_windows(unseen.run(), scope=Scope())
    text, said = "the model raises LookupError", "nothing is known of this team"
    examples = (f"id=10 ({said})", "id=11")
    assert scored.issues == {f"{text}; see the run's examples": Issue(2, examples)}
    predictions = world.read("predictions").set_index("id")
    assert set(predictions.loc[[10, 11], "issue"]) == set(scored.issues)
    assert (predictions["probability"].drop([10, 11]) == 0.5).all()


def test_another_job_may_not_write_the_table(world: World) -> None:
    score_windows(world.run(), scope=Scope())
    with pytest.raises(StorageError, match="belongs to job 'games', and 'other' would delete its rows"):
        score_windows(world.with_config(job="other").run(), scope=Scope(), options=ScoreOptions(is_forced=True))


def test_the_session_time_zone_does_not_move_windows(world: World) -> None:
    kept = world.spark.conf.get("spark.sql.session.timeZone")
    world.spark.conf.set("spark.sql.session.timeZone", "Pacific/Auckland")
    try:
        score_windows(world.run(), scope=Scope())
    finally:
        world.spark.conf.set("spark.sql.session.timeZone", str(kept))
    windows = world.read("predictions").sort_values("id")["window_start"].astype(str)
    assert windows.tolist() == np.repeat(DAYS, PER_DAY).tolist()
    assert score_windows(world.run(), scope=Scope()).status == "unchanged"


def test_the_ledger_leads_from_a_row_to_the_model_and_the_config(world: World) -> None:
    scored = score_windows(world.run(), scope=Scope())
    run = world.read("runs").iloc[0]
    assert (run["run_id"], run["model_name"], run["rows_in"]) == (scored.run_id, "second", len(world.rows))
    assert len(run["model_digest"]) == 64
    assert '"job":"games"' in run["config"]
