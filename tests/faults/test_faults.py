"""Processes killed, workers lost, jobs at once, disks full: the tables end as if nothing had happened."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml
from pyspark.sql import SparkSession

from tests.faults.processes import (
    copy_world,
    finish,
    mount_again,
    python_workers,
    read_tables,
    run,
    small_disk,
    start,
    validate_equal,
)
from tests.world import World

pytestmark = pytest.mark.slow

SOURCE: dict[str, Path] = {}


@pytest.fixture
def source(world: World) -> Path:
    """A world that no job has touched, made once."""
    return SOURCE.setdefault("world", world.folder)


EXPECTED: dict[str, pd.DataFrame] = {}


@pytest.fixture
def wanted(source: Path, tmp_path: Path, spark: SparkSession) -> dict[str, pd.DataFrame]:
    """What one undisturbed run leaves, run once."""
    if not EXPECTED:
        ended = run(copy_world(source, tmp_path / "undisturbed"), "score")
        assert ended.code == 0, ended.output
        EXPECTED.update(read_tables(spark, tmp_path / "undisturbed"))
    return EXPECTED


@pytest.mark.parametrize("moment", ["before:1", "after:1", "before:4"])
def test_a_run_killed_around_a_write_is_finished_by_the_same_command(
    source: Path, tmp_path: Path, spark: SparkSession, wanted: dict[str, pd.DataFrame], moment: str
) -> None:
    folder = copy_world(source, tmp_path / "killed")
    assert run(folder, "score", moment=moment).code == -signal.SIGKILL
    again = run(folder, "score")
    assert again.code == 0, again.output
    validate_equal(read_tables(spark, folder), wanted)


def test_two_runs_at_once_publish_each_window_once(
    source: Path, tmp_path: Path, spark: SparkSession, wanted: dict[str, pd.DataFrame]
) -> None:
    folder = copy_world(source, tmp_path / "both")
    both = [start(folder, "score"), start(folder, "score")]
    for ended in map(finish, both):
        assert ended.code in (0, 6), ended.output
        assert "Traceback" not in ended.output
    parts = [start(folder, "diagnose", "--force"), start(folder, "score", "--force", "--from", "2024-02-01")]
    for ended in map(finish, parts):
        assert ended.code in (0, 6), ended.output
    assert run(folder, "score").code == 0
    validate_equal(read_tables(spark, folder), wanted)


def test_a_python_worker_that_is_killed_is_started_again(
    source: Path, tmp_path: Path, spark: SparkSession, wanted: dict[str, pd.DataFrame]
) -> None:
    folder = copy_world(source, tmp_path / "worker")
    config = yaml.safe_load((folder / "job.yml").read_text())
    (folder / "job.yml").write_text(yaml.safe_dump({**config, "session": {"master": "local[2,4]"}}))
    process = start(folder, "score")
    end, killed = time.monotonic() + 120, 0
    while not killed and process.poll() is None and time.monotonic() < end:
        for worker in python_workers(process):
            os.kill(worker, signal.SIGKILL)
            killed += 1
        time.sleep(0.02)
    ended = finish(process)
    assert killed, "no Python worker was seen"
    assert ended.code == 0, ended.output
    validate_equal(read_tables(spark, folder), wanted)


def test_a_full_or_read_only_disk_is_one_sentence_and_the_old_data_stay(
    source: Path, tmp_path: Path, spark: SparkSession, wanted: dict[str, pd.DataFrame]
) -> None:
    folder = copy_world(source, tmp_path / "full")
    gold = folder / "lake" / "gold"
    try:
        with small_disk(gold, megabytes=64):
            assert run(folder, "score").code == 0
            mount_again(gold, ["ro"])
            refused = run(folder, "score", "--force")
            mount_again(gold, ["rw"])
            (gold / "filler").write_bytes(bytes(shutil.disk_usage(gold).free))
            full = run(folder, "score", "--force")
            for ended in (refused, full):
                assert ended.code == 6, ended.output
                assert "Traceback" not in ended.output
                assert ended.output.count("Error:") == 1
            validate_equal(read_tables(spark, folder), wanted)
            spark.catalog.clearCache()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"only root in a namespace of its own may mount a small disk: {error}")
