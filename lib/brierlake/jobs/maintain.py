"""Maintain: small files of our own tables put together, and what no version needs any more removed."""

from brierlake.errors import ConfigError
from brierlake.jobs.run import Run
from brierlake.lakehouse.tables import is_there, optimize_table, read_detail, vacuum_table
from brierlake.summaries import MaintainSummary, TablePart

LEAST_DAYS = 7
"""Delta's own safe retention: a run that is under way, a RESTORE by hand, or a reader needs older versions."""


def maintain(run: Run, *, retain_days: int, is_dry_run: bool = False) -> MaintainSummary:
    """Optimizes and vacuums each table that the job writes.

    Raises:
        ConfigError: `retain_days` is shorter than what is safe.
        StorageError: A table can't be read or written.
    """
    if retain_days < LEAST_DAYS:
        raise ConfigError.short_retention(retain_days, LEAST_DAYS)
    tables = []
    for name in run.config.lakehouse.tables.model_dump().values():
        table = run.gold(name)
        if not is_there(run.spark, table):
            continue
        before = read_detail(run.spark, table)
        if not is_dry_run:
            run.say(f"Maintaining {table.name}")
            optimize_table(run.spark, table)
            vacuum_table(run.spark, table, retain_days=retain_days)
        after = read_detail(run.spark, table)
        tables.append(
            TablePart(
                table=table.name,
                files_before=before["numFiles"],
                files_after=after["numFiles"],
                bytes=after["sizeInBytes"],
            )
        )
    return MaintainSummary(
        run_id=run.run_id,
        job=run.config.job,
        status="planned" if is_dry_run else "published",
        retain_days=retain_days,
        tables=tables,
    )
