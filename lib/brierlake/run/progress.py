"""How far Spark has come: tasks done, rows a second and time left, from a small thread that only looks."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from brierlake.session import is_remote
from brierlake.terminal.speaker import Speaker

_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Stage:
    """The stage with the most tasks among those that run."""

    stage_id: int
    tasks: int
    done: int


Look = Callable[[], Stage | None]


@contextmanager
def watched(spark: SparkSession, *, say: Callable[[str], None], what: str, rows: int) -> Iterator[None]:
    """Say meanwhile how far the largest running stage has come; silent where no one listens.

    Args:
        what: What is being done, as the line begins.
        rows: Rows that all tasks of that stage make together.
    """
    if not isinstance(say, Speaker) or say.is_quiet:
        yield
        return
    with _looking(spark) as look:
        stop = threading.Event()
        thread = threading.Thread(target=_watch, args=(look, say, what, rows, stop), daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(timeout=5)
            say.hush()


def _watch(look: Look, say: Speaker, what: str, rows: int, stop: threading.Event) -> None:
    began, seen_at, seen = time.monotonic(), time.monotonic(), None
    while not stop.wait(_POLL_SECONDS):
        try:
            stage = look()
        except Exception:  # the session may be gone, and looking must never spoil the run
            return
        if stage is not None and stage.stage_id != seen:
            seen, seen_at = stage.stage_id, time.monotonic()
        now = time.monotonic()
        say.passing(describe(stage, what=what, rows=rows, seconds=now - (seen_at if stage else began)))


def describe(stage: Stage | None, *, what: str, rows: int, seconds: float) -> str:
    """One line. Before the first task is done there is no rate, and where Spark hides its tasks only the time."""
    if stage is None or stage.tasks == 0:
        return f"{what}: {_span(seconds)}"
    text = f"{what}: {stage.done:,} of {stage.tasks:,} tasks"
    if not stage.done or seconds <= 0:
        return f"{text}, {_span(seconds)}"
    rate = rows * stage.done / stage.tasks / seconds
    left = seconds * (stage.tasks - stage.done) / stage.done
    return f"{text}, about {rate:,.0f} rows/s, {_span(left)} left"


def _span(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return (
        f"{whole // 60} min {whole % 60:02d} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    )


@contextmanager
def _looking(spark: SparkSession) -> Iterator[Look]:
    """Spark Connect tells a handler of its tasks; a classic session is asked."""
    if not is_remote(spark):
        tracker = _tracker(spark)
        yield lambda: _largest(_running(tracker)) if tracker else None
        return
    latest: list[Stage] = []

    def told(stages: Iterable[Any] | None, inflight_tasks: int, operation_id: str | None, done: bool) -> None:  # noqa: ARG001, FBT001 - Spark's own signature
        latest[:] = [Stage(each.stage_id, each.num_tasks, each.num_completed_tasks) for each in stages or ()]

    spark.registerProgressHandler(told)  # type: ignore[arg-type] # any callable will do
    try:
        yield lambda: _largest(latest)
    finally:
        spark.removeProgressHandler(told)  # type: ignore[arg-type]


def _tracker(spark: SparkSession) -> Any:
    """None where a managed session keeps its context to itself."""
    try:
        return spark.sparkContext.statusTracker()
    except (AttributeError, PySparkException):
        return None


def _running(tracker: Any) -> Iterator[Stage]:
    for job_id in tracker.getActiveJobsIds():
        job = tracker.getJobInfo(job_id)
        for stage_id in job.stageIds if job else ():
            stage = tracker.getStageInfo(stage_id)
            if stage and stage.numActiveTasks:
                yield Stage(stage_id, stage.numTasks, stage.numCompletedTasks)


def _largest(stages: Iterable[Stage]) -> Stage | None:
    return max(stages, key=lambda each: each.tasks, default=None)
