"""Maintain: small files of our own tables put together, and what no version needs any more removed."""

from pyspark.sql import SparkSession

from brierlake.config import Config
from brierlake.errors import ConfigError
from brierlake.lakehouse.tables import is_there, optimize_table, read_detail, vacuum_table
from brierlake.run.context import Say, open_run
from brierlake.summaries import MaintainSummary
from brierlake.summary_parts import TablePart

LEAST_DAYS = 7
"""Delta's own safe retention: a run that is under way, a RESTORE by hand, or a reader needs older versions."""


def maintain(
    config: Config,
    *,
    retain_days: int,
    is_dry_run: bool,
    say: Say,
    spark: SparkSession | None = None,
    is_debug: bool = False,
) -> MaintainSummary:
    """Optimize and vacuum each table that the job writes.

    Raises:
        ConfigError: `retain_days` is shorter than what is safe.
        StorageError: A table can't be read or written.
    """
    if retain_days < LEAST_DAYS:
        raise ConfigError.short_retention(retain_days, LEAST_DAYS)
    run, tables = open_run(config, spark=spark, say=say, is_debug=is_debug), []
    for table in run.lake.written.values():
        if not is_there(table):
            continue
        before = read_detail(table)
        if not is_dry_run:
            run.say(f"Maintaining {table.name}")
            optimize_table(table)
            vacuum_table(table, retain_days=retain_days)
        after = read_detail(table)
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
        job=config.job,
        status="planned" if is_dry_run else "published",
        retain_days=retain_days,
        tables=tables,
    )
