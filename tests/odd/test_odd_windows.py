"""Windows of features that are partitioned elsewhere, overwritten daily, or far from today."""

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from brierlake.cli import main
from brierlake.commands.report import report
from brierlake.errors import ContractError
from brierlake.lakehouse.windows import Scope, filter_condition, split_by_month, whole_months
from brierlake.scoring.planning import make_plan
from brierlake.scoring.score_run import ScoreOptions, score_windows
from tests.world import DAYS, PER_DAY, World, labels_of, probability_of

pytestmark = pytest.mark.slow  # several whole runs each

ALL = Scope()
JAN_31, FEB_1 = date(2024, 1, 31), date(2024, 2, 1)
GENERATED = {
    "date": ("p DATE GENERATED ALWAYS AS (CAST(at AS DATE))", "p"),
    "month": ("p STRING GENERATED ALWAYS AS (date_format(at, 'yyyy-MM'))", "p"),
    "hour": (
        "p1 INT GENERATED ALWAYS AS (year(at)), p2 INT GENERATED ALWAYS AS (month(at)), p3 INT GENERATED ALWAYS AS (day(at)), p4 INT GENERATED ALWAYS AS (hour(at))",
        "p1, p2, p3, p4",
    ),
    "expression": ("p TIMESTAMP GENERATED ALWAYS AS (date_trunc('DAY', at))", "p"),
}


@pytest.mark.parametrize("by", GENERATED)
def test_partitions_generated_in_another_zone_lose_no_row(world: World, by: str) -> None:
    columns, partitions = GENERATED[by]
    games = world.silver("games")
    rows = world.spark.read.table(games.sql)
    other = f"{games.path}-made-elsewhere"
    zone = world.spark.conf.get("spark.sql.session.timeZone")
    world.spark.conf.set("spark.sql.session.timeZone", "Pacific/Auckland")
    try:
        world.sql(
            f"CREATE TABLE delta.`{other}` (id BIGINT, at TIMESTAMP, x1 DOUBLE, x2 DOUBLE, team STRING, {columns}) "
            f"USING delta PARTITIONED BY ({partitions})"
        )
        rows.write.format("delta").mode("append").save(other)
    finally:
        world.spark.conf.set("spark.sql.session.timeZone", str(zone))
    features = world.config.features.model_copy(update={"table": "games-made-elsewhere"})
    moved = world.with_config(features=features)
    first = score_windows(moved.run(), scope=Scope(JAN_31, FEB_1))
    assert first.plan.rows == PER_DAY
    assert score_windows(moved.run(), scope=ALL).status == "published"
    found = moved.read("predictions").sort_values("id")
    np.testing.assert_allclose(found["probability"], probability_of(moved.rows), rtol=1e-12)
    assert found["window_start"].astype(str).tolist() == np.repeat(DAYS, PER_DAY).tolist()
    assert score_windows(moved.run(), scope=ALL).status == "unchanged"


def overwrite(world: World, rows: pd.DataFrame) -> None:
    frame = world.spark.createDataFrame(rows.drop(columns="y"))
    frame.write.format("delta").mode("overwrite").save(world.silver("games").path)


def planned(world: World, scope: Scope) -> tuple[date | None, ...]:
    return make_plan(world.run(), scope=scope, is_forced=False, is_empty_allowed=False).stale


@pytest.mark.parametrize("scope", [ALL, Scope(JAN_31), Scope(is_incremental=True)], ids=["full", "from", "incremental"])
def test_published_windows_stay_where_the_features_hold_today_only(published: World, scope: Scope) -> None:
    score_windows(published.run(), scope=Scope(is_incremental=True))
    before = published.read("predictions").sort_values("id", ignore_index=True)
    overwrite(published, published.rows[3 * PER_DAY :].assign(x1=0.0))
    for run in (lambda: planned(published, scope), lambda: score_windows(published.run(), scope=scope)):
        with pytest.raises(ContractError, match=r"published windows? any more \(2024-01-3[01], .*--allow-empty"):
            run()
    pd.testing.assert_frame_equal(published.read("predictions").sort_values("id", ignore_index=True), before)
    # today alone is scored
    score_windows(published.run(), scope=Scope(date(2024, 2, 2)))
    assert len(published.read("predictions")) == len(published.rows)
    assert (
        score_windows(published.run(), scope=scope, options=ScoreOptions(is_empty_allowed=True)).status == "published"
    )
    emptied = len(published.rows) - len(published.read("predictions"))
    assert emptied == (2 * PER_DAY if scope.start else 3 * PER_DAY)


def test_plan_names_what_would_be_emptied(published: World) -> None:
    overwrite(published, published.rows[3 * PER_DAY :])
    command = ["plan", "--config", published.path]
    refused = CliRunner().invoke(main, command)
    assert refused.exit_code == 4
    assert "2024-01-30, 2024-01-31, 2024-02-01" in refused.stderr
    allowed = CliRunner().invoke(main, [*command, "--allow-empty"])
    assert allowed.exit_code == 0, allowed.output
    assert "3 of them emptied" in " ".join(allowed.output.split())


FAR = {"9999-12-31 23:30:00": date(9999, 12, 31), "0001-01-01 00:30:00": date(1, 1, 1), "4711-06-01": date(4711, 6, 1)}


@pytest.mark.parametrize("window", ["day", "month"])
def test_a_far_off_time_is_a_window_like_any_other(world: World, window: Any) -> None:
    games = world.silver("games").sql
    for place, moment in enumerate(FAR):
        world.sql(f"UPDATE {games} SET at = to_utc_timestamp('{moment}', 'UTC') WHERE id = {place}")
    world.sql(f"UPDATE {games} SET at = TIMESTAMP'+12024-01-01 00:00:00Z' WHERE id = 3")  # no date of Python's
    world = world.with_config(features=world.config.features.model_copy(update={"window": window}))
    assert score_windows(world.run(), scope=ALL).status == "published"
    rows = world.spark.read.table(world.gold("predictions").sql).where("id < 4").select("id", "window_start").collect()
    found = {row["id"]: row["window_start"] for row in rows}
    wanted = [day if window == "day" else day.replace(day=1) for day in FAR.values()]
    assert [found[each] for each in range(3)] == wanted
    assert found[3] is None
    assert score_windows(world.run(), scope=ALL).status == "unchanged"
    last = score_windows(world.run(), scope=Scope(wanted[0]), options=ScoreOptions(is_forced=True))
    assert last.plan.stale == (wanted[0],)
    world.append(labels_of(world.rows[3 * PER_DAY :]), "results")
    assert score_windows(world.run(), scope=ALL).status == "diagnosed"
    report(world.config, spark=world.spark, output=str(world.folder / "report.html"))
    assert (world.folder / "report.html").stat().st_size > 10_000


def test_months_end_where_dates_do() -> None:
    assert split_by_month(Scope(date(9999, 11, 15), date(9999, 12, 31))) == [
        Scope(date(9999, 11, 15), date(9999, 12, 1)),
        Scope(date(9999, 12, 1), date(9999, 12, 31)),
    ]
    assert whole_months(Scope(date(9999, 12, 5), date(9999, 12, 31))) == Scope(date(9999, 12, 1), None)


def test_thousands_of_separate_windows_are_one_condition(published: World) -> None:
    days = [date.fromordinal(date(2000, 1, 1).toordinal() + 2 * each) for each in range(4500)]
    predictions = published.spark.read.table(published.gold("predictions").sql)
    assert predictions.where(filter_condition([*days, JAN_31, None])).count() >= PER_DAY
    assert predictions.where(filter_condition([*days, JAN_31, None])).where("window_start IS NULL").count() == 0
