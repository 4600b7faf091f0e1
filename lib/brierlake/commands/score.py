"""Score: the best registered version, the windows that need it, one commit a piece, and what it is worth."""

from collections.abc import Sequence

from pyspark.sql import SparkSession

from brierlake.config import Config
from brierlake.diagnosis.diagnose_run import describe_diagnosis
from brierlake.errors import ConfigError
from brierlake.lakehouse.windows import Scope, parse_scope, split_by_month
from brierlake.run.context import Run, Say, open_spark, start_run, told_seconds
from brierlake.run.results import with_results
from brierlake.scoring.challenger import Challenge, challenge, describe_challenge
from brierlake.scoring.planning import describe_plan
from brierlake.scoring.prepare import describe_model
from brierlake.scoring.recording import ScoreResult
from brierlake.scoring.score_run import ScoreOptions, score_windows
from brierlake.summaries import ScoreSummary
from brierlake.summary_parts import BreachPart, ScoreStatus
from brierlake.terminal.speaker import Speaker

_ADDED_UP = ("windows_stale", "windows_current", "rows_in", "rows_scored", "rows_with_issue")


def score(
    config: Config,
    *,
    spark: SparkSession | None = None,
    start: str | None = None,
    end: str | None = None,
    is_incremental: bool = False,
    by: str | None = None,
    is_forced: bool = False,
    is_empty_allowed: bool = False,
    is_accepted: bool = False,
    say: Say | None = None,
    is_debug: bool = False,
) -> ScoreSummary:
    """Score the windows that need it, publish them, and diagnose.

    Args:
        config: From `read_config`.
        spark: Session to work in; None: the one that there is, or one as the config's `session` says.
        start: First window, inclusive: a date or UTC timestamp.
        end: End of the windows, exclusive.
        is_incremental: Only the windows that the features' change data feed names.
        by: `month` fills `start` to `end` a month at a time, and goes on where it stopped.
        is_forced: Take every window of the scope as stale.
        is_empty_allowed: An empty scope is no mistake.
        is_accepted: Publish what the gates hold back; who did it is recorded.
        say: Takes each line of progress; None: they go to stderr.

    Raises:
        ConfigError: The scope and the config don't go together.
        ModelError: No eligible version, or it can't be fetched or trusted.
        ContractError: The features or labels aren't what the model and the config ask for.
        GateError: Too many rows could not be scored; the windows hold what they held before.
        StorageError: A table can't be read or written, or other jobs kept writing the same windows.
    """
    said = say or Speaker()
    options = ScoreOptions(is_forced=is_forced, is_empty_allowed=is_empty_allowed, is_accepted=is_accepted)
    scope = parse_scope(start, end, features=config.features, is_incremental=is_incremental)
    pieces = _split(scope, by=by)
    session = spark or open_spark(config, say=said, is_debug=is_debug)
    summaries = []
    for count, piece in enumerate(pieces, 1):
        if by:
            said(f"{piece} ({count} of {len(pieces)})")
        run = start_run(session, config, say=said)
        with run.pace.interpreting():
            scored = score_windows(run, scope=piece, options=options)
            with run.timed("challenge"):
                challenged = challenge(run, scored.plan) if config.challenger else None
            with run.timed("results"):
                summary = with_results(run, _summarise(run, scored, challenged))
            summaries.append(summary.model_copy(update={"seconds": told_seconds(run)}))
    return _add_up(summaries, scope=scope) if by else summaries[0]


def _split(scope: Scope, *, by: str | None) -> list[Scope]:
    if by is None:
        return [scope]
    if scope.start is None or scope.end is None:
        raise ConfigError.no_backfill_bounds()
    return split_by_month(scope)


def _summarise(run: Run, scored: ScoreResult, challenged: Challenge | None) -> ScoreSummary:
    plan, diagnosis = scored.plan, scored.diagnosis
    return ScoreSummary(
        run_id=run.run_id,
        job=run.config.job,
        status=scored.status,
        **describe_plan(plan),
        **describe_model(scored.prepared),
        predictions_table=run.lake.predictions.name,
        predictions_version=scored.commit.version if scored.commit else None,
        rows_scored=plan.rows - scored.rows_with_issue,
        rows_with_issue=scored.rows_with_issue,
        issues={text: each.rows for text, each in scored.issues.items()},
        issue_examples={text: list(each.examples) for text, each in scored.issues.items()},
        exit_code=scored.exit_code,
        breaches=[BreachPart(**vars(each)) for each in scored.breaches],
        held_windows=[str(each) for each in scored.held],
        is_accepted=scored.is_accepted,
        diagnostics=describe_diagnosis(diagnosis) if diagnosis else None,
        challenger=describe_challenge(challenged) if challenged else None,
    )


def _add_up(pieces: Sequence[ScoreSummary], *, scope: Scope) -> ScoreSummary:
    """Several score runs as one: counts added up, everything else as the last run found it."""
    statuses = {piece.status for piece in pieces}
    order: tuple[ScoreStatus, ...] = ("published", "held", "diagnosed")
    status = next((each for each in order if each in statuses), "unchanged")
    issues: dict[str, int] = {}
    for piece in pieces:
        issues = {text: issues.get(text, 0) + piece.issues.get(text, 0) for text in {*issues, *piece.issues}}
    together = {
        **{name: sum(getattr(piece, name) for piece in pieces) for name in _ADDED_UP},
        "status": status,
        "scope": str(scope),
        "issues": issues,
        "exit_code": max(piece.exit_code for piece in pieces),
        "breaches": [breach for piece in pieces for breach in piece.breaches],
        "held_windows": [window for piece in pieces for window in piece.held_windows],
        "issue_examples": {text: keys for piece in reversed(pieces) for text, keys in piece.issue_examples.items()},
        "seconds": {
            step: round(sum(piece.seconds.get(step, 0.0) for piece in pieces), 1) for step in pieces[-1].seconds
        },
        "run_ids": [piece.run_id for piece in pieces if piece.status != "unchanged"],
    }
    return pieces[-1].model_copy(update=together)
