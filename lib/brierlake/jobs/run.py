"""One invocation: its id, its clock, its tables, and how it says what it is doing."""

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from pyspark.sql import SparkSession

from brierlake import __version__
from brierlake.config import Config
from brierlake.configfile import told_config
from brierlake.errors import BrierlakeError, GateError, StorageError
from brierlake.installed import installed_version
from brierlake.lakehouse.ledger import append_records
from brierlake.lakehouse.tables import (
    STORAGE_FAULTS,
    Table,
    create_table,
    is_there,
    locate_table,
    optimize_table,
    read_version,
    reason_of,
)
from brierlake.report.speaker import Speaker
from brierlake.schemas import RUNS, TableSpec
from brierlake.session import find_location, start_session, storage_warning

Say = Callable[[str], None]
"""Takes one line of progress."""

TIDIED_EVERY = 50
"""Entries of the ledger after which small files are put together."""
_DECIDING = ("pyspark", "delta-spark", "mlflow", "pandas", "pyarrow", "numpy", "scikit-learn")


@dataclass(frozen=True)
class Run:
    """What every step needs to know of the run that it is a part of."""

    spark: SparkSession
    config: Config
    run_id: str
    started_at: datetime
    say: Say

    def gold(self, name: str) -> Table:
        return locate_table(self.config.lakehouse, layer=self.config.lakehouse.gold, name=name)

    def silver(self, name: str) -> Table:
        return locate_table(self.config.lakehouse, layer=self.config.lakehouse.silver, name=name)

    @property
    def predictions(self) -> Table:
        return self.gold(self.config.lakehouse.tables.predictions)

    @property
    def staged(self) -> Table:
        return self.gold(self.config.lakehouse.tables.staged)

    @property
    def metrics(self) -> Table:
        return self.gold(self.config.lakehouse.tables.metrics)

    @property
    def challengers(self) -> Table:
        return self.gold(self.config.lakehouse.tables.challengers)

    @property
    def runs(self) -> Table:
        return self.gold(self.config.lakehouse.tables.runs)


_ID_TIME = "%Y%m%dT%H%M%S.%f"


def started_at(run_id: str) -> datetime:
    """Returns the time that a run id begins with."""
    return datetime.strptime(run_id.partition("-")[0], _ID_TIME).replace(tzinfo=UTC)


def run_id_at(moment: datetime) -> str:
    """Returns what the ids of runs that start at this moment begin with: earlier runs' ids sort before it."""
    return moment.strftime(_ID_TIME)


SETTLED = timedelta(hours=1)
"""Time in which a run may still be alive without a record."""


def make_table(run: Run, table: Table, spec: TableSpec, *, job: str | None = None) -> None:
    """Creates the table where it is absent, and says how it grows where it lacks something."""
    if growth := create_table(run.spark, table, spec, job=job):
        run.say(f"{table.name}: {growth}")


def start_spark(config: Config, *, say: Say, is_debug: bool) -> SparkSession:
    """Returns the session that a command works in, and warns of what its storage can't do."""
    say("Starting Spark")
    spark = start_session(config.session, app_name=f"brierlake {config.job}", is_debug=is_debug)
    if warning := storage_warning(spark, find_location(spark, config.lakehouse)):
        say(warning)
    return spark


def start_run(spark: SparkSession, config: Config, *, say: Say) -> Run:
    now = datetime.now(UTC)
    run_id = f"{run_id_at(now)}-{secrets.token_hex(3)}"
    said = say.of_run(run_id) if isinstance(say, Speaker) else say
    return Run(spark=spark, config=config, run_id=run_id, started_at=now, say=said)


def record_run(run: Run, *, action: str, status: str, exit_code: int, facts: Mapping[str, Any]) -> None:
    """Appends the run to the ledger: the last thing that a run writes about itself."""
    record_runs(run, [{"action": action, "status": status, "exit_code": exit_code, **facts}])
    if status == "published":
        _tidy(run)


def record_runs(run: Run, runs: Iterable[Mapping[str, Any]]) -> None:
    """Appends to the ledger what is known of this run, or of others where `run_id` and `started_at` say so."""
    common = {
        "run_id": run.run_id,
        "job": run.config.job,
        "started_at": run.started_at,
        "finished_at": datetime.now(UTC),
        "config": told_config(run.config),
        "libraries": {"brierlake": __version__, **_installed()},
    }
    append_records(run.spark, run.runs, RUNS, [{**common, **each} for each in runs])


def _tidy(run: Run) -> None:
    """At each so-many-th entry of the ledger, puts together the files that short runs leave: a few in each table.

    Predictions need it not: a window is a partition of its own, and is written whole. Nothing here fails a run.
    """
    tables = run.config.lakehouse.tables.model_dump(exclude={"predictions", "staged", "challengers"})
    try:
        if read_version(run.spark, run.runs) % TIDIED_EVERY == 0:
            for table in filter(partial(is_there, run.spark), map(run.gold, tables.values())):
                optimize_table(run.spark, table)
    except (StorageError, *STORAGE_FAULTS) as fault:
        run.say(f"Small files were left as they are: {reason_of(fault)}")


def _installed() -> dict[str, str]:
    return {name: installed_version(name) or "not installed as a package" for name in _DECIDING}


def record_failure(run: Run, *, action: str, error: BrierlakeError) -> None:
    """Records a failed or held run, where the job has a ledger already: a first try that fails leaves nothing behind.

    A ledger that can't be written doesn't hide why the run failed.
    """
    status = "held" if isinstance(error, GateError) else "failed"
    try:
        if is_there(run.spark, run.runs):
            record_run(run, action=action, status=status, exit_code=error.exit_code, facts={"error": str(error)})
    except (StorageError, *STORAGE_FAULTS) as fault:
        run.say(f"The failure could not be recorded: {reason_of(fault)}")
