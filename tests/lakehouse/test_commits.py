"""Commits that another driver overwrote or came before, on a store that doesn't say so: what the run then finds.

The store is stood in for where Spark's writer returns: Delta, the tables and both drivers' commits are real.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from py4j.protocol import Py4JJavaError
from pyspark.sql.readwriter import DataFrameWriter
from tests.world import World, call

pytestmark = pytest.mark.slow

Write = Callable[[], None]
Arm = Callable[[World, Callable[[Write], None]], None]


@pytest.fixture
def first_write(monkeypatch: pytest.MonkeyPatch) -> Arm:
    """Lets a function do the first write of the predictions, which it is handed; later writes go through."""

    def arm(world: World, behave: Callable[[Write], None]) -> None:
        save, place, left = DataFrameWriter.save, world.gold("predictions").path, [behave]

        def standing_in(self: DataFrameWriter, path: str | None = None, **given: str) -> None:
            if path == place and left:
                left.pop()(lambda: save(self, path, **given))
            else:
                save(self, path, **given)

        monkeypatch.setattr(DataFrameWriter, "save", standing_in)

    return arm


def newest_commit(world: World) -> Path:
    return max((Path(str(world.gold("predictions").path)) / "_delta_log").glob("*.json"))


def forget_logs(world: World) -> None:
    """As a new process finds the tables."""
    world.spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()


def overwrite(commit: Path) -> None:
    """What an object store does with two drivers that both saw no file of this name: the later one's is there."""
    other = {"commitInfo": {"timestamp": 1706600000000, "operation": "OPTIMIZE", "operationParameters": {}}}
    commit.write_text(json.dumps(other) + "\n", encoding="utf-8")
    for sum_of in (commit.with_name(f".{commit.name}.crc"), commit.with_suffix(".crc")):
        sum_of.unlink(missing_ok=True)


@pytest.mark.long
def test_a_commit_that_another_driver_overwrote_is_no_success_and_the_next_run_makes_it_good(
    world: World, first_write: Arm
) -> None:
    def losing(write: Write) -> None:
        write()
        overwrite(newest_commit(world))

    first_write(world, losing)
    failed = call(world, "score", code=6)
    assert "240 rows were to be published" in failed["error"]
    assert "its commit says 0" in failed["error"]
    forget_logs(world)
    assert world.read("predictions").empty
    again = call(world, "score")
    assert (again["status"], again["rows_in"]) == ("published", 240)
    assert len(world.read("predictions")) == 240


def unwritten(world: World, commit: Path) -> Py4JJavaError:
    """What some connectors say to the loser of a race: no FileAlreadyExistsException."""
    said = world.spark._jvm.java.io.IOException(f"Failed to write {commit}: 412 Precondition Failed")
    return Py4JJavaError("An error occurred while calling o1.save.\n", said)


@pytest.mark.long
def test_a_race_that_was_lost_with_a_plain_io_error_is_looked_at_again(world: World, first_write: Arm) -> None:
    others = []

    def late(_: Write) -> None:
        others.append(call(world, "score")["run_id"])
        raise unwritten(world, newest_commit(world))

    first_write(world, late)
    ours = call(world, "score")
    assert ours["status"] in {"unchanged", "diagnosed"}
    assert set(world.read("predictions")["run_id"]) == set(others)
    assert len(world.read("predictions")) == 240


def test_an_io_error_of_a_commit_that_nobody_made_is_a_fault_of_storage(world: World, first_write: Arm) -> None:
    def failing(_: Write) -> None:
        last = newest_commit(world)
        raise unwritten(world, last.with_name(f"{int(last.stem) + 1:020}.json"))

    first_write(world, failing)
    failed = call(world, "score", code=6)
    assert "Could not write" in failed["error"]
    assert "412 Precondition Failed" in failed["error"]
    assert world.read("predictions").empty
