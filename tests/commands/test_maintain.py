"""Small files: what daily runs leave stays bounded, and `maintain` puts together and removes the rest."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from brierlake.commands.maintain import maintain
from brierlake.errors import ConfigError, StorageError
from brierlake.lakehouse.tables import Table, read_detail
from brierlake.lakehouse.windows import Scope
from brierlake.run import ledger as running
from brierlake.run.ledger import record_run
from brierlake.scoring.score_run import score_windows
from brierlake.summaries import MaintainSummary
from tests.world import DAYS, PER_DAY, World, lay_out

pytestmark = pytest.mark.slow

GROWING = ("brier_cells", "brier_clusters", "brier_metrics", "brier_reliability", "candidates", "runs")


def score_day(world: World, day: str) -> None:
    first = date.fromisoformat(day)
    score_windows(world.run(), scope=Scope(first, first + timedelta(days=1)))


def maintain_world(world: World, *, is_dry_run: bool = False) -> MaintainSummary:
    say = [].append
    return maintain(world.config, retain_days=7, is_dry_run=is_dry_run, say=say, spark=world.spark)


def files(world: World) -> dict[str, int]:
    return {name: int(read_detail(world.gold(name))["numFiles"]) for name in ("predictions", *GROWING)}


def contents(world: World) -> dict[str, pd.DataFrame]:
    frames = {name: world.read(name).astype(str) for name in files(world)}
    return {name: frame.sort_values(list(frame.columns), ignore_index=True) for name, frame in frames.items()}


@pytest.fixture(scope="module")
def lived(spark: SparkSession, store: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two days, scored one by one."""
    world = lay_out(spark, store, tmp_path_factory.mktemp("lived"))
    for day in DAYS[:2]:
        score_day(world, day)
    return world


@pytest.fixture
def again(lived: World, tmp_path: Path) -> World:
    return lived.copied_to(tmp_path)


def test_daily_runs_put_their_small_files_together_every_so_often(
    again: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files(again)
    monkeypatch.setattr(running, "TIDIED_EVERY", 3)
    score_day(again, DAYS[2])
    after = files(again)
    assert (before["runs"], after["runs"]) == (2, 1)
    assert all(before[name] > after[name] for name in GROWING)
    assert all(after[name] <= 3 for name in GROWING)  # one a grain
    assert len(again.read("predictions")) == 3 * PER_DAY


def test_files_that_cant_be_put_together_fail_no_run(again: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(table: Table) -> None:
        raise StorageError.failed("maintain", table.name, "another job was faster")

    said: list[str] = []
    monkeypatch.setattr(running, "TIDIED_EVERY", 1)
    monkeypatch.setattr(running, "optimize_table", refuse)
    record_run(replace(again.run(), say=said.append), action="score", status="published", exit_code=0, facts={})
    assert len(again.read("runs")) == 3
    assert [line.partition(":")[0] for line in said] == ["Small files were left as they are"]


def test_maintain_puts_together_and_changes_no_row(again: World) -> None:
    before, rows, versions = files(again), contents(again), again.versions()
    planned = maintain_world(again, is_dry_run=True)
    assert (planned.status, again.versions()) == ("planned", versions)
    assert {each.table: each.files_before for each in planned.tables} == {
        again.gold(name).name: count for name, count in before.items()
    }
    done = maintain_world(again)
    assert done.status == "published"
    assert sum(each.files_after for each in done.tables) < sum(before.values())
    for name, frame in contents(again).items():
        pd.testing.assert_frame_equal(frame, rows[name])


@pytest.mark.parametrize("extra", [[], pytest.param(["--debug"], marks=pytest.mark.long)])
def test_what_delta_prints_stays_out_of_the_summary(again: World, extra: list[str]) -> None:
    """A process of its own, whose JVM writes to this process's stdout where nothing is done about it."""
    command = [sys.executable, "-m", "brierlake", "maintain", "--config", again.path, "--json", *extra]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["status"] == "published"
    assert ("Deleted " in done.stderr) is bool(extra)


def test_a_retention_that_breaks_open_readers_is_refused(lived: World) -> None:
    with pytest.raises(ConfigError, match="7"):
        maintain(lived.config, retain_days=1, is_dry_run=False, say=lambda _: None, spark=lived.spark)
