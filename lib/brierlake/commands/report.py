"""Report: from the gold tables to one HTML file. Reads, and writes nothing but that file."""

from pathlib import Path

from pyspark.sql import SparkSession

from brierlake.config import Config
from brierlake.page import render_page
from brierlake.run.context import Say, open_run
from brierlake.run.gold import read_tables
from brierlake.run.results import write_page
from brierlake.summaries import ReportSummary
from brierlake.terminal.speaker import Speaker


def report(
    config: Config,
    *,
    spark: SparkSession | None = None,
    output: str | None = None,
    say: Say | None = None,
    is_debug: bool = False,
) -> ReportSummary:
    """Write one HTML page from the tables: can the probabilities be trusted, and why (not).

    Args:
        config: From `read_config`.
        spark: Session to work in; None: the one that there is, or one as the config's `session` says.
        output: Where it goes, over what is there; None: `report.path`, or JOB-report.html.
        say: Takes each line of progress; None: they go to stderr.

    Raises:
        StorageError: The job has published no predictions yet, or a table can't be read.
        ConfigError: The file can't be written.
    """
    run = open_run(config, spark=spark, say=say or Speaker(), is_debug=is_debug)
    with run.pace.interpreting():
        page = render_page(read_tables(run), made_at=run.started_at)
    path = write_page(page, output=Path(output or config.report.path or f"{config.job}-report.html"))
    return ReportSummary(run_id=run.run_id, job=config.job, report=str(path))
