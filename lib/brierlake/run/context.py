"""Run: one invocation, with its id, its clock, its tables, and how it says what it is doing."""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pyspark.sql import SparkSession

from brierlake.config import Config
from brierlake.lakehouse.creating import create_table
from brierlake.lakehouse.lake import Lake, open_lake
from brierlake.lakehouse.tables import Pin, Table, pin_table
from brierlake.schemas import TableSpec
from brierlake.session import Pace, find_location, start_session, storage_warning
from brierlake.terminal.speaker import Speaker

Say = Callable[[str], None]
"""Takes one line of progress."""


@dataclass(frozen=True)
class Stamp:
    """Whose rows these are: the job, and the run that writes them."""

    job: str
    run_id: str
    at: datetime
    """When the run started (UTC)."""


@dataclass(frozen=True)
class Run:
    """One invocation. Commands hold it; steps get the parts of it that they need."""

    config: Config
    lake: Lake
    run_id: str
    started_at: datetime
    say: Say
    pace: Pace = field(repr=False, compare=False)
    seconds: dict[str, float] = field(default_factory=dict, repr=False, compare=False)
    """Where its time went, by step."""
    pins: dict[str, Pin] = field(default_factory=dict, repr=False, compare=False)
    """What it reads, by name: features and labels are the same versions from its checks to its figures."""

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[step] = self.seconds.get(step, 0.0) + time.monotonic() - began

    def pin(self, table: Table, *, setting: str) -> Pin:
        """Return the version of a table that the whole run reads; the latest, where it is asked for first.

        Args:
            setting: Config key that names the table, for the message.

        Raises:
            StorageError: There is no such table, or it isn't Delta.
        """
        if table.name not in self.pins:
            self.pins[table.name] = pin_table(table, setting=setting)
        return self.pins[table.name]

    def look_at_size(self, pin: Pin) -> None:
        """Have Spark compile its plans from here on, unless a table that is about to be read is small."""
        if pin.size_bytes > _FEW_BYTES:
            self.pace.compile()

    @property
    def spark(self) -> SparkSession:
        return self.lake.spark

    @property
    def stamp(self) -> Stamp:
        return Stamp(self.config.job, self.run_id, self.started_at)


_FEW_BYTES = 32 * 2**20
"""Size of a table below which its rows are few, a million or so."""


def told_seconds(run: Run) -> dict[str, float]:
    """Where the time went: the steps that took a tenth of a second or more."""
    return {step: round(seconds, 1) for step, seconds in run.seconds.items() if seconds >= _WORTH_TELLING}


_WORTH_TELLING = 0.05
_ID_TIME = "%Y%m%dT%H%M%S.%f"


def read_run_time(run_id: str) -> datetime:
    """Return the time that a run id begins with."""
    return datetime.strptime(run_id.partition("-")[0], _ID_TIME).replace(tzinfo=UTC)


def run_id_at(moment: datetime) -> str:
    """Return what the ids of runs that start at this moment begin with: earlier runs' ids sort before it."""
    return moment.strftime(_ID_TIME)


def open_spark(config: Config, *, say: Say, is_debug: bool = False) -> SparkSession:
    """Return the session that a command works in, and warn of what its storage can't do."""
    say("Starting Spark")
    spark = start_session(config.session, app_name=f"brierlake {config.job}", is_debug=is_debug)
    if warning := storage_warning(spark, find_location(spark, config.lakehouse)):
        say(warning)
    return spark


def start_run(spark: SparkSession, config: Config, *, say: Say) -> Run:
    now = datetime.now(UTC)
    run_id = f"{run_id_at(now)}-{secrets.token_hex(3)}"
    said = say.of_run(run_id) if isinstance(say, Speaker) else say
    lake = open_lake(spark, config)
    return Run(config=config, lake=lake, run_id=run_id, started_at=now, say=said, pace=Pace(spark))


def open_run(config: Config, *, spark: SparkSession | None, say: Say, is_debug: bool = False) -> Run:
    """Begin a command's run, in the given session or in one of its own."""
    return start_run(spark or open_spark(config, say=say, is_debug=is_debug), config, say=say)


def make_table(table: Table, spec: TableSpec, *, say: Say, job: str | None = None) -> None:
    """Create the table where it is absent, and say how it grows where it lacks something."""
    if growth := create_table(table, spec, job=job):
        say(f"{table.name}: {growth}")
