"""Small files: what daily runs leave stays bounded, and `maintain` puts together and removes the rest."""

from datetime import date, timedelta

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from brierlake.errors import ConfigError, StorageError
from brierlake.jobs import run as running
from brierlake.jobs.maintain import maintain
from brierlake.jobs.run import Run
from brierlake.jobs.score import score
from brierlake.lakehouse.tables import Table, read_detail
from brierlake.lakehouse.windows import Scope
from tests.world import DAYS, World

GROWING = ("brier_cells", "brier_metrics", "brier_reliability", "candidates", "runs")


def score_day(world: World, day: str) -> None:
    first = date.fromisoformat(day)
    score(world.run(), scope=Scope(first, first + timedelta(days=1)))


def files(world: World) -> dict[str, int]:
    return {name: int(read_detail(world.spark, world.gold(name))["numFiles"]) for name in ("predictions", *GROWING)}


def contents(world: World) -> dict[str, pd.DataFrame]:
    frames = {name: world.read(name).astype(str) for name in files(world)}
    return {name: frame.sort_values(list(frame.columns), ignore_index=True) for name, frame in frames.items()}


def test_daily_runs_put_their_small_files_together_every_so_often(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in DAYS[:3]:
        score_day(world, day)
    before = files(world)
    monkeypatch.setattr(running, "TIDIED_EVERY", 4)
    score_day(world, DAYS[3])
    after = files(world)
    assert (before["runs"], after["runs"]) == (3, 1)
    assert all(before[name] > after[name] for name in GROWING)
    assert all(after[name] <= 3 for name in GROWING)  # one a grain
    assert len(world.read("predictions")) == len(world.rows)
    assert score(world.run(), scope=Scope()).status == "unchanged"


def test_files_that_cant_be_put_together_fail_no_run(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(spark: SparkSession, table: Table) -> None:
        raise StorageError.failed("maintain", table.name, "another job was faster")

    said: list[str] = []
    monkeypatch.setattr(running, "TIDIED_EVERY", 1)
    monkeypatch.setattr(running, "optimize_table", refuse)
    run = world.run()
    scored = score(
        Run(run.spark, run.config, run.run_id, run.started_at, said.append), scope=Scope(date(2024, 1, 30), None)
    )
    assert scored.status == "published"
    assert any(line.startswith("Small files were left as they are") for line in said)


def test_maintain_puts_together_and_changes_no_row(world: World) -> None:
    for day in DAYS[:3]:
        score_day(world, day)
    before, rows, versions = files(world), contents(world), world.versions()
    planned = maintain(world.run(), retain_days=7, is_dry_run=True)
    assert (planned["status"], world.versions()) == ("planned", versions)
    assert {each["table"]: each["files_before"] for each in planned["tables"]} == {
        world.gold(name).name: count for name, count in before.items()
    }
    done = maintain(world.run(), retain_days=7)
    assert done["status"] == "published"
    assert sum(each["files_after"] for each in done["tables"]) < sum(before.values())
    for name, frame in contents(world).items():
        pd.testing.assert_frame_equal(frame, rows[name])
    assert score(world.run(), scope=Scope(date(2024, 1, 30), date(2024, 2, 2))).status == "unchanged"


def test_a_retention_that_breaks_open_readers_is_refused(world: World) -> None:
    with pytest.raises(ConfigError, match="7"):
        maintain(world.run(), retain_days=1)
