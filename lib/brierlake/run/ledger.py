"""The ledger: the runs table and the candidates table. Who did what, with which model, and why that one."""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pyspark.sql import functions as F

from brierlake import __version__
from brierlake.configfile import told_config
from brierlake.errors import BrierlakeError, GateError, StorageError
from brierlake.installed import installed_version
from brierlake.lakehouse.creating import create_table
from brierlake.lakehouse.labels import as_utc
from brierlake.lakehouse.tables import (
    STORAGE_FAULTS,
    Table,
    append_rows,
    is_there,
    local_frame,
    optimize_table,
    read_table,
    read_version,
    reason_of,
)
from brierlake.lakehouse.windows import FULL, INCREMENTAL
from brierlake.redaction import redacted_record
from brierlake.run.context import Run
from brierlake.schemas import RUNS, TableSpec

PUBLISHED = "published"
"""Status of a run whose predictions are public."""
SETTLED = timedelta(hours=1)
"""Time in which a run may still be alive without a record."""
TIDIED_EVERY = 50
"""Entries of the ledger after which small files are put together."""
_DECIDING = ("pyspark", "delta-spark", "mlflow", "pandas", "pyarrow", "numpy", "scikit-learn")


def append_records(table: Table, spec: TableSpec, records: Iterable[Mapping[str, Any]]) -> None:
    """Append one row a record; fields that a record lacks are null. Creates the table where it is absent."""
    create_table(table, spec)
    told = [redacted_record(each, kept=(*spec.key, "job", "model_name", "config", "recalibration")) for each in records]
    append_rows(local_frame(table.spark, told, spec.schema).coalesce(1), table)


def read_settled(table: Table, *, run_ids: Collection[str]) -> frozenset[str]:
    """Return those of the run ids that the ledger says have published."""
    if not run_ids or not is_there(table):
        return frozenset()
    is_settled = (F.col("status") == PUBLISHED) | F.col("predictions_version").isNotNull()
    rows = read_table(table).where(F.col("run_id").isin(*run_ids) & is_settled).select("run_id").collect()
    return frozenset(row["run_id"] for row in rows)


def read_served(table: Table, *, job: str) -> dict[tuple[str, int], datetime | None]:
    """Return the versions that have published, or challenged, each with the end of its training data as it was told."""
    if not is_there(table):
        return {}
    runs = read_table(table).where((F.col("job") == job) & F.col("action").isin("score", "challenge"))
    runs = runs.where("model_name IS NOT NULL AND model_version IS NOT NULL AND predictions_version IS NOT NULL")
    told = F.max_by("trained_until", "run_id") if "trained_until" in runs.columns else F.lit(None).cast("timestamp")
    rows = runs.groupBy("model_name", "model_version").agg(told.alias("trained_until")).collect()
    return {(row["model_name"], row["model_version"]): as_utc(row["trained_until"]) for row in rows}


def read_last_complete(table: Table, *, job: str, features_id: str) -> int | None:
    """Return the features version up to which all windows are known to be current; None: nothing says so.

    It is that of the last full or incremental run of the job, on the same features table, that published all that
    it found stale; runs of some windows don't count, nor do failed ones or those that held a window back.
    """
    if not is_there(table):
        return None
    runs = read_table(table).where(
        (F.col("job") == job)
        & (F.col("action") == "score")
        & (F.col("status") == PUBLISHED)
        & F.col("scope").isin(FULL, INCREMENTAL)
        & (F.col("features_id") == features_id)
    )
    found = runs.agg(F.max("features_version")).collect()[0][0]
    return None if found is None else int(found)


def record_run(run: Run, *, action: str, status: str, exit_code: int, facts: Mapping[str, Any]) -> None:
    """Append the run to the ledger: the last thing that a run writes about itself."""
    record_runs(run, [{"action": action, "status": status, "exit_code": exit_code, **facts}])
    if status == "published":
        _tidy(run)


def record_runs(run: Run, runs: Iterable[Mapping[str, Any]]) -> None:
    """Append to the ledger what is known of this run, or of others where `run_id` and `started_at` say so."""
    common = {
        "run_id": run.run_id,
        "job": run.config.job,
        "started_at": run.started_at,
        "finished_at": datetime.now(UTC),
        "config": told_config(run.config),
        "libraries": {"brierlake": __version__, **_installed()},
        "seconds": dict(run.seconds) or None,
    }
    append_records(run.lake.runs, RUNS, [{**common, **each} for each in runs])


def _tidy(run: Run) -> None:
    """Put together, every TIDIED_EVERY entries of the ledger, the files that short runs leave in each table.

    Predictions need it not: a window is a partition of its own, and is written whole. Nothing here fails a run.
    """
    whole = ("predictions", "staged", "challengers")
    try:
        if read_version(run.lake.runs) % TIDIED_EVERY == 0:
            for table in (each for role, each in run.lake.written.items() if role not in whole):
                if is_there(table):
                    optimize_table(table)
    except (StorageError, *STORAGE_FAULTS) as fault:
        run.say(f"Small files were left as they are: {reason_of(fault)}")


def _installed() -> dict[str, str]:
    return {name: installed_version(name) or "not installed as a package" for name in _DECIDING}


def record_failure(run: Run, *, action: str, error: BrierlakeError) -> None:
    """Record a failed or held run, where the job has a ledger already: a first try that fails leaves nothing behind.

    A ledger that can't be written doesn't hide why the run failed.
    """
    status = "held" if isinstance(error, GateError) else "failed"
    try:
        if is_there(run.lake.runs):
            record_run(run, action=action, status=status, exit_code=error.exit_code, facts={"error": str(error)})
    except (StorageError, *STORAGE_FAULTS) as fault:
        run.say(f"The failure could not be recorded: {reason_of(fault)}")
