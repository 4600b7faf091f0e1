"""What is published is one run's rows, what is put back is one run's rows, and what is owed is paid first."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import functions as F

from brierlake.config import GateConfig
from brierlake.diagnosis import diagnose_run as diagnose_room
from brierlake.errors import ContractError, GateError, StorageError
from brierlake.lakehouse.restoring import put_back
from brierlake.lakehouse.windows import Scope
from brierlake.scoring import publish as publish_room
from brierlake.scoring import recovery
from brierlake.scoring import score_run as score_room
from brierlake.scoring.score_run import ScoreOptions, score_windows
from tests.odd.helpers import vacuum_at_once
from tests.world import PER_DAY, World, log_version

pytestmark = pytest.mark.slow  # several whole runs each

ALL = Scope()
JAN_30, JAN_31, FEB_1, FEB_2 = (
    date(2024, 1, 30),
    date(2024, 1, 31),
    date(2024, 2, 1),
    date(2024, 2, 2),
)


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


def killed(*_: object, **__: object) -> None:
    raise Killed


def break_rows(world: World, where: str = "id >= 120 AND id % 2 = 1") -> None:
    world.sql(f"UPDATE {world.silver('games').sql} SET x1 = NULL WHERE {where}")


def mend_rows(world: World) -> None:
    world.sql(f"UPDATE {world.silver('games').sql} SET x1 = 0.5 WHERE x1 IS NULL")


def predictions(world: World) -> pd.DataFrame:
    return world.read("predictions").sort_values("id", ignore_index=True)


def with_tiny_sample(world: World) -> World:
    """So that the sample doesn't refuse what is to be found after the commit."""
    return world.with_config(scoring=world.config.scoring.model_copy(update={"sample_rows": 1}))


@contextmanager
def without_network(path: Path) -> Iterator[None]:
    """The log of a table takes no commit."""
    log = path / "_delta_log"
    kept = log.with_name("_delta_log_kept")
    log.rename(kept)
    log.write_text("not a folder", encoding="utf-8")
    try:
        yield
    finally:
        log.unlink()
        kept.rename(log)


def owing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that published too many rows without a probability, and whose storage failed as it put them back."""
    broken = with_tiny_sample(world)
    break_rows(world)
    real = publish_room.put_back

    def failing(*given: Any, **named: Any) -> Any:
        with without_network(Path(world.gold("predictions").path or "")):
            return real(*given, **named)

    with monkeypatch.context() as patched:
        patched.setattr(publish_room, "put_back", failing)
        with pytest.raises(StorageError):
            score_windows(broken.run(), scope=ALL)
    assert predictions(world)["issue"].notna().sum() == PER_DAY


@pytest.mark.parametrize("scope", [ALL, Scope(JAN_30, JAN_31), Scope(is_incremental=True)], ids=str)
def test_a_debt_is_found_and_paid_before_anything_else(
    world: World, monkeypatch: pytest.MonkeyPatch, scope: Scope
) -> None:
    score_windows(world.run(), scope=ALL)
    before = predictions(world)
    owing(world, monkeypatch)
    broken = with_tiny_sample(world)
    # the rows are as bad as before, where the scope has them
    refused = nullcontext() if scope.start else pytest.raises(GateError, match="max_issue_share")
    with refused:
        score_windows(broken.run(), scope=scope)
    pd.testing.assert_frame_equal(predictions(world), before)
    mend_rows(world)
    assert score_windows(broken.run(), scope=ALL).status == "published"
    assert predictions(world)["issue"].isna().all()
    assert score_windows(broken.run(), scope=ALL).status == "unchanged"


def test_a_debt_that_cannot_be_paid_yet_is_no_success(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    score_windows(world.run(), scope=ALL)
    owing(world, monkeypatch)

    def failing(*_: object, **__: object) -> None:
        raise StorageError.failed("restore", "predictions", "the network is down")

    with monkeypatch.context() as patched:
        patched.setattr(recovery, "put_back", failing)
        with pytest.raises(StorageError, match="the network is down"):
            score_windows(with_tiny_sample(world).run(), scope=ALL)


def test_putting_back_leaves_what_another_run_published_meanwhile(world: World) -> None:
    first = score_windows(world.run(), scope=ALL)
    log_version(world.folder, "first", brier=[0.05], strength=2.0)
    second = score_windows(world.run(), scope=ALL)
    assert second.commit is not None
    third = score_windows(world.run(), scope=Scope(JAN_30, JAN_31), options=ScoreOptions(is_forced=True))
    table = world.gold("predictions")
    windows = [JAN_30, JAN_31, FEB_1, FEB_2]
    back = put_back(
        table,
        windows=windows,
        owner=second.run_id,
        version=second.commit.version - 1,
        run_id="another",
    )
    assert back == {JAN_31, FEB_1, FEB_2}
    holders = predictions(world).groupby("window_start")["run_id"].unique().map(list).to_dict()
    assert holders == {JAN_30: [third.run_id], **{each: [first.run_id] for each in (JAN_31, FEB_1, FEB_2)}}
    assert len(predictions(world)) == len(world.rows)


def test_what_was_there_before_and_is_vacuumed_is_scored_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    score_windows(world.run(), scope=ALL)
    break_rows(world)
    lenient = world.with_config(scoring=world.config.scoring.model_copy(update={"max_issue_share": 0.9}))
    with monkeypatch.context() as patched:
        patched.setattr(score_room, "diagnose_windows", killed)
        with pytest.raises(Killed):
            score_windows(lenient.run(), scope=ALL)
    vacuum_at_once(world.spark, world.gold("predictions"))
    mend_rows(world)
    assert score_windows(world.run(), scope=ALL).status == "published"
    assert predictions(world)["issue"].isna().all()
    assert score_windows(world.run(), scope=ALL).status == "unchanged"


def test_a_commit_of_another_tool_may_say_what_it_likes(published: World) -> None:
    table = published.gold("predictions")
    rows = published.spark.read.table(table.sql).limit(0)
    for text in ("{not json", '{"run_id": 5}', "[1, 2]", '"text"'):
        writer = rows.write.format("delta").mode("append").option("userMetadata", text)
        writer.option("txnAppId", text).option("txnVersion", "1").save(table.path)
    log_version(published.folder, "first", brier=[0.05], strength=2.0)
    assert score_windows(published.run(), scope=ALL).status == "published"


def test_a_null_in_the_key_is_an_issue_of_its_row(world: World) -> None:
    games = world.silver("games").sql
    world.sql(f"UPDATE {games} SET id = NULL WHERE id IN (3, 4, 70)")
    scored = score_windows(world.run(), scope=ALL)
    text = "id is null, and the key must name a row"
    assert {issue: each.rows for issue, each in scored.issues.items()} == {text: 3}
    found = world.read("predictions")
    assert found[found["id"].isna()]["probability"].isna().all()
    assert len(found) == len(world.rows)
    record = world.read("runs").iloc[0]
    assert (record["rows_with_issue"], record["issues"]) == (3, {text: 3})
    assert score_windows(world.run(), scope=ALL).status == "unchanged"


def test_the_ledger_says_published_where_something_failed_afterwards(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise StorageError.failed("write", "brier_cells", "the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(diagnose_room, "write_diagnostics", failing)
        with pytest.raises(StorageError, match="the disk is full"):
            score_windows(world.run(), scope=ALL)
    (record,) = world.read("runs").to_dict("records")
    assert (record["status"], record["exit_code"], record["model_name"]) == ("published", 6, "second")
    assert (record["model_version"], record["rows_in"]) == (1, len(world.rows))
    assert "published, and then: " in record["error"]
    assert "the disk is full" in record["error"]
    assert score_windows(world.run(), scope=ALL).status == "diagnosed"
    assert len(world.read("brier_metrics")) > 0


def test_the_headline_is_of_the_windows_that_the_run_touched(published: World) -> None:
    score_windows(published.run(), scope=Scope(JAN_30, FEB_1), options=ScoreOptions(is_forced=True))
    last = published.read("runs").sort_values("run_id").iloc[-1]
    rows = published.rows[: 2 * PER_DAY]
    p = 1 / (1 + np.exp(-(rows["x1"] - 0.5 * rows["x2"])))
    errors = (p - rows["y"]) ** 2
    assert last["brier"] == pytest.approx(errors.mean(), rel=1e-9)
    assert last["brier_se"] == pytest.approx(errors.std(ddof=1) / np.sqrt(len(rows)), rel=1e-9)
    assert last["base_rate"] == pytest.approx(rows["y"].mean(), rel=1e-12)
    assert last["expected_brier"] == pytest.approx((p * (1 - p)).mean(), rel=1e-9)
    assert last["coverage"] == 1.0


def audited(world: World, *gates: GateConfig) -> World:
    return world.with_config(publish="audited", gates=gates)


PASSES = GateConfig(metric="mean_probability", max=1.0)
HOLDS = GateConfig(metric="mean_probability", max=0.0)


def staged_rows(world: World) -> pd.DataFrame:
    return world.read("predictions_staged").sort_values("id", ignore_index=True)


def test_staged_rows_of_another_run_are_neither_published_nor_cleared(world: World) -> None:
    held = audited(world, HOLDS)
    assert score_windows(held.run(), scope=ALL).status == "held"
    table = world.gold("predictions_staged")
    # another run is at its own staging of the same windows right now
    rows = world.spark.read.table(table.sql)
    other = rows.withColumns({"run_id": F.lit("29990101T000000.000000-abcdef"), "probability": F.lit(0.123)})
    other = other.withColumn("recipe", F.lit("0123456789abcdef"))
    other.write.format("delta").mode("append").save(table.path)
    assert score_windows(audited(world, PASSES).run(), scope=ALL).status == "published"
    assert (predictions(world)["probability"] != 0.123).all()
    assert len(predictions(world)) == len(world.rows)
    left = staged_rows(world)
    assert set(left["probability"]) == {0.123}
    assert len(left) == len(world.rows)


def test_what_changes_after_the_audit_is_not_published(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[..., Any] = score_room.audit

    def tampered(*given: Any, **named: Any) -> Any:
        result = real(*given, **named)
        world.sql(f"UPDATE {world.gold('predictions_staged').sql} SET probability = 0.123")
        return result

    with monkeypatch.context() as patched:
        patched.setattr(score_room, "audit", tampered)
        score_windows(audited(world, PASSES).run(), scope=ALL)
    assert (predictions(world)["probability"] != 0.123).all()


def test_a_held_window_is_judged_again_without_being_scored_again(world: World) -> None:
    held = score_windows(audited(world, HOLDS).run(), scope=ALL)
    assert (held.status, len(held.held)) == ("held", 4)
    again = score_windows(audited(world, HOLDS).run(), scope=ALL)
    assert (again.status, again.prepared) == ("held", None)
    accepted = score_windows(audited(world, HOLDS).run(), scope=ALL, options=ScoreOptions(is_accepted=True))
    assert (accepted.status, accepted.prepared, accepted.is_accepted) == ("published", None, True)
    assert set(predictions(world)["run_id"]) == {accepted.run_id}
    assert len(staged_rows(world)) == 0
    assert score_windows(audited(world, HOLDS).run(), scope=ALL).status == "unchanged"


def test_a_gate_of_several_windows_looks_back_on_what_is_published(world: World) -> None:
    gate = GateConfig(metric="mean_probability", min=0.9, breaches=2, of=2)
    # one day alone can't breach it; with the published day before it does
    first = score_windows(audited(world, gate).run(), scope=Scope(JAN_30, JAN_31))
    assert first.status == "published"
    second = score_windows(audited(world, gate).run(), scope=Scope(JAN_31, FEB_1))
    assert (second.status, second.held) == ("held", (JAN_31,))


def test_too_many_issues_leave_the_staging_as_it_was(world: World) -> None:
    break_rows(world)
    with pytest.raises((GateError, ContractError), match="max_issue_share"):
        score_windows(with_tiny_sample(audited(world, PASSES)).run(), scope=ALL)
    assert len(staged_rows(world)) == 0


def test_a_killed_run_is_entered_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(score_room, "diagnose_windows", killed)
        with pytest.raises(Killed):
            score_windows(world.run(), scope=ALL)
    monkeypatch.setattr(recovery, "SETTLED", timedelta(0))
    score_windows(world.run(), scope=ALL)
    score_windows(world.run(), scope=ALL)
    runs = world.read("runs")
    (run_id,) = set(predictions(world)["run_id"])
    assert (runs["run_id"] == run_id).sum() == 1
    assert json.loads(runs["config"].iloc[0])["job"] == "games"
