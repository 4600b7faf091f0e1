"""Diagnose: what the published predictions are worth, by the labels known so far."""

from pyspark.sql import SparkSession

from brierlake.config import Config
from brierlake.diagnosis.diagnose_run import Diagnosis, answer, describe_diagnosis, diagnose_and_record
from brierlake.lakehouse.windows import parse_moment, parse_scope
from brierlake.run.context import Run, Say, open_run, told_seconds
from brierlake.run.results import with_results
from brierlake.scoring.challenger import Challenge, compare_again, describe_challenge
from brierlake.summaries import DiagnoseSummary
from brierlake.summary_parts import BreachPart
from brierlake.terminal.speaker import Speaker


def diagnose(
    config: Config,
    *,
    spark: SparkSession | None = None,
    start: str | None = None,
    end: str | None = None,
    is_forced: bool = False,
    as_of: str | None = None,
    say: Say | None = None,
    is_debug: bool = False,
) -> DiagnoseSummary:
    """Recompute the diagnostics of the windows whose predictions, labels or settings changed. Arguments as for `score`.

    Args:
        as_of: Answer by the labels known at that time (UTC), and write nothing.

    Raises:
        ConfigError: `as_of` lies in the future, or the labels don't say since when they are known.
        ContractError: The labels lack a column, hold an unknown class, or contradict each other.
        StorageError: There are no predictions yet, or a table can't be read or written.
    """
    scope, moment = parse_scope(start, end, features=config.features), parse_moment(as_of) if as_of else None
    run = open_run(config, spark=spark, say=say or Speaker(), is_debug=is_debug)
    with run.pace.interpreting():
        if moment is not None:
            return summarise_diagnosis(run, answer(run, scope=scope, as_of=moment), None)
        diagnosis = diagnose_and_record(run, scope=scope, is_forced=is_forced)
        with run.timed("challenge"):
            compared = compare_again(run, scope=scope) if config.challenger else None
        with run.timed("results"):
            summary = with_results(run, summarise_diagnosis(run, diagnosis, compared))
        return summary.model_copy(update={"seconds": told_seconds(run)})


def summarise_diagnosis(run: Run, diagnosis: Diagnosis, challenged: Challenge | None) -> DiagnoseSummary:
    return DiagnoseSummary(
        run_id=run.run_id,
        job=run.config.job,
        status="answered" if diagnosis.as_of else "published" if diagnosis.windows else "unchanged",
        exit_code=diagnosis.exit_code,
        breaches=[BreachPart(**vars(each)) for each in diagnosis.breaches],
        diagnostics=describe_diagnosis(diagnosis),
        challenger=describe_challenge(challenged) if challenged else None,
    )
