"""Incremental runs: the change feed names the windows, the state of the tables decides which of them are scored."""

from datetime import date

import pandas as pd
import pytest

from brierlake.errors import ContractError
from brierlake.lakehouse.windows import Scope
from brierlake.scoring.planning import make_plan
from brierlake.scoring.score_run import score_windows
from tests.world import PER_DAY, World

pytestmark = pytest.mark.slow  # several whole runs each

INCREMENTAL = Scope(is_incremental=True)
JANUARY_30, JANUARY_31, FEBRUARY_1, FEBRUARY_2 = (
    *(date(2024, 1, 30), date(2024, 1, 31)),
    *(date(2024, 2, 1), date(2024, 2, 2)),
)


def stale(world: World, scope: Scope = INCREMENTAL) -> tuple[date | None, ...]:
    return make_plan(world.run(), scope=scope, is_forced=False, is_empty_allowed=False).stale


def test_inserts_updates_and_deletes_name_their_windows_and_nothing_else_is_looked_at(world: World) -> None:
    games = world.silver("games").sql
    first = score_windows(world.run(), scope=INCREMENTAL)
    assert (str(first.plan.scope), len(first.plan.stale)) == ("incremental", 4)
    assert score_windows(world.run(), scope=INCREMENTAL).status == "unchanged"

    world.sql(f"UPDATE {games} SET x1 = x1 + 1 WHERE id = 3")
    world.sql(f"UPDATE {games} SET at = TIMESTAMP'2024-02-01T12:00:00Z' WHERE id = {PER_DAY}")  # moves from 31 January
    world.sql(f"DELETE FROM {games} WHERE id >= {3 * PER_DAY}")  # all of 2 February
    world.sql(f"OPTIMIZE {games}")
    plan = make_plan(world.run(), scope=INCREMENTAL, is_forced=False, is_empty_allowed=False)
    assert plan.stale == (JANUARY_30, JANUARY_31, FEBRUARY_1, FEBRUARY_2)
    assert plan.rows == 3 * PER_DAY

    world.sql(f"UPDATE {games} SET x1 = x1 - 1 WHERE id = 2 * {PER_DAY}")
    score_windows(
        world.run(), scope=Scope(FEBRUARY_1, FEBRUARY_2)
    )  # a window run in between: it knows of its window only
    scored = score_windows(world.run(), scope=INCREMENTAL)
    assert scored.plan.stale == (JANUARY_30, JANUARY_31, FEBRUARY_2)
    published = world.read("predictions")
    assert set(published["window_start"]) == {JANUARY_30, JANUARY_31, FEBRUARY_1}
    assert (published["window_start"] == FEBRUARY_1).sum() == PER_DAY + 1
    assert score_windows(world.run(), scope=Scope()).status == "unchanged"
    metrics = world.read("brier_metrics")
    assert FEBRUARY_2 not in set(metrics[metrics["grain"] == "window"]["window_start"])


def test_an_incremental_run_needs_the_change_feed_and_goes_by_state_where_it_is_cut_off(world: World) -> None:
    games = world.silver("games").sql
    score_windows(world.run(), scope=INCREMENTAL)
    world.sql(f"ALTER TABLE {games} SET TBLPROPERTIES ('delta.enableChangeDataFeed' = 'false')")
    with pytest.raises(ContractError, match=r"ALTER TABLE delta\.`.*games` SET TBLPROPERTIES"):
        stale(world)
    world.sql(f"UPDATE {games} SET x1 = 0 WHERE id = 0")
    world.sql(f"ALTER TABLE {games} SET TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')")
    assert len(stale(world)) == 4  # nobody knows what changed meanwhile
    world.sql(f"DELETE FROM {games}")
    with pytest.raises(ContractError, match="no rows to score"):
        stale(world)


def test_without_a_ledger_or_a_log_the_state_still_decides(world: World) -> None:
    score_windows(world.run(), scope=Scope())
    world.sql(f"DELETE FROM {world.gold('runs').sql}")
    assert stale(world) == ()
    late = world.rows[:4].assign(id=lambda each: each["id"] + 10_000)
    world.append(late.drop(columns="y"), "games")
    assert stale(world) == (JANUARY_30,)
    assert stale(world, Scope(FEBRUARY_1)) == ()
    assert pd.isna(world.read("runs")["run_id"]).empty
