"""How far Spark has come, as a person reads it."""

import time

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from brierlake.run.progress import Stage, describe, watched
from brierlake.terminal.speaker import Speaker


@pytest.mark.parametrize(
    ("stage", "seconds", "text"),
    [
        (None, 75, "Scoring: 1 min 15 s"),
        (Stage(1, 40, 0), 9, "Scoring: 0 of 40 tasks, 9 s"),
        # 4,000,000 rows: 12/40 of them in 60 s are 20,000 rows/s; 28 tasks to go at 5 s each
        (Stage(1, 40, 12), 60, "Scoring: 12 of 40 tasks, about 20,000 rows/s, 2 min 20 s left"),
        (Stage(1, 4000, 1), 3, "Scoring: 1 of 4,000 tasks, about 333 rows/s, 3 h 19 min left"),
    ],
)
def test_one_line(stage: Stage | None, seconds: float, text: str) -> None:
    assert describe(stage, what="Scoring", rows=4_000_000, seconds=seconds) == text


def test_tasks_of_a_running_job_are_seen(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    say = Speaker()
    monkeypatch.setattr(say, "passing", seen.append)

    def slow(parts: object) -> object:
        for part in parts:  # type: ignore[attr-defined] # pandas frames
            time.sleep(0.5)
            yield pd.DataFrame({"id": part["id"]})

    with watched(spark, say=say, what="Scoring", rows=8):
        assert spark.range(8, numPartitions=8).mapInPandas(slow, "id long").count() == 8
    assert any("of 8 tasks" in line for line in seen), seen


def test_nobody_listens_nothing_is_watched(spark: SparkSession) -> None:
    with watched(spark, say=print, what="Scoring", rows=8):
        assert spark.range(3).count() == 3
