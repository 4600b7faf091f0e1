"""Plan: which version would score which windows. Writes nothing."""

import tempfile
from pathlib import Path

from pyspark.sql import SparkSession

from brierlake.config import Config
from brierlake.lakehouse.windows import parse_scope
from brierlake.run.context import Say, open_run
from brierlake.scoring.checks import check_labels
from brierlake.scoring.growths import find_growths
from brierlake.scoring.planning import describe_plan, make_plan
from brierlake.scoring.prepare import describe_model, prepare_model
from brierlake.summaries import PlanSummary
from brierlake.terminal.speaker import Speaker


def plan(
    config: Config,
    *,
    spark: SparkSession | None = None,
    start: str | None = None,
    end: str | None = None,
    is_incremental: bool = False,
    is_empty_allowed: bool = False,
    say: Say | None = None,
    is_debug: bool = False,
) -> PlanSummary:
    """Say which version would score which windows, after every check that a score run makes. Arguments as for `score`.

    Raises:
        ConfigError: The scope and the config don't go together.
        ModelError: No eligible version, or it can't be fetched or trusted.
        ContractError: The features or labels aren't what the model and the config ask for.
        StorageError: A table can't be read, or can't become what this release writes.
    """
    scope = parse_scope(start, end, features=config.features, is_incremental=is_incremental)
    run = open_run(config, spark=spark, say=say or Speaker(), is_debug=is_debug)
    with run.pace.interpreting():
        planned, prepared = make_plan(run, scope=scope, is_forced=False, is_empty_allowed=is_empty_allowed), None
        check_labels(run, planned)
        growths = find_growths(run.lake, planned, job=config.job)
        if planned.stale:
            with tempfile.TemporaryDirectory(prefix="brierlake-") as folder:
                prepared = prepare_model(run, planned, folder=Path(folder))
    return PlanSummary(
        run_id=run.run_id,
        job=config.job,
        status="planned" if planned.stale else "unchanged",
        **describe_plan(planned),
        **describe_model(prepared),
        table_changes=growths,
    )
