"""What the command line asks for: from a config and options to a summary. One function a command."""

import tempfile
from pathlib import Path

from brierlake.config import Config
from brierlake.errors import ConfigError
from brierlake.jobs.challenger import challenge, judge_challenger
from brierlake.jobs.checks import check_labels
from brierlake.jobs.diagnose import diagnose
from brierlake.jobs.growing import find_growths
from brierlake.jobs.maintain import maintain
from brierlake.jobs.plan import make_plan
from brierlake.jobs.predict import check_model
from brierlake.jobs.promote import promote
from brierlake.jobs.run import Say, start_run, start_spark
from brierlake.jobs.score import Asked, score
from brierlake.jobs.summary import summarise_backfill, summarise_diagnose, summarise_plan, summarise_score
from brierlake.jobs.tracking import with_results
from brierlake.lakehouse.windows import Scope, parse_moment, parse_scope, split_by_month
from brierlake.summaries import DiagnoseSummary, MaintainSummary, PlanSummary, PromoteSummary, ScoreSummary


def run_score(
    config: Config,
    *,
    start: str | None,
    end: str | None,
    is_incremental: bool,
    by: str | None,
    is_forced: bool,
    is_empty_allowed: bool,
    is_accepted: bool,
    say: Say,
    is_debug: bool,
) -> ScoreSummary:
    asked = Asked(is_forced=is_forced, is_empty_allowed=is_empty_allowed, is_accepted=is_accepted)
    scope = parse_scope(start, end, features=config.features, is_incremental=is_incremental)
    pieces = _pieces(scope, by=by)
    spark = start_spark(config, say=say, is_debug=is_debug)
    summaries = []
    for count, piece in enumerate(pieces, 1):
        if by:
            say(f"{piece} ({count} of {len(pieces)})")
        run = start_run(spark, config, say=say)
        scored = score(run, scope=piece, asked=asked)
        challenged = challenge(run, scored.plan) if config.challenger else None
        summaries.append(with_results(run, summarise_score(run, scored, challenged)))
    return summarise_backfill(summaries, scope=scope) if by else summaries[0]


def _pieces(scope: Scope, *, by: str | None) -> list[Scope]:
    if by is None:
        return [scope]
    if scope.start is None or scope.end is None:
        raise ConfigError.no_backfill_bounds()
    return split_by_month(scope)


def run_plan(
    config: Config,
    *,
    start: str | None,
    end: str | None,
    is_incremental: bool,
    is_empty_allowed: bool,
    say: Say,
    is_debug: bool,
) -> PlanSummary:
    scope = parse_scope(start, end, features=config.features, is_incremental=is_incremental)
    run = start_run(start_spark(config, say=say, is_debug=is_debug), config, say=say)
    plan, checked = make_plan(run, scope=scope, is_forced=False, is_empty_allowed=is_empty_allowed), None
    check_labels(run, plan)
    growths = find_growths(run, plan)
    if plan.stale:
        with tempfile.TemporaryDirectory(prefix="brierlake-") as folder:
            checked = check_model(run, plan, folder=Path(folder))
    return summarise_plan(run, plan, checked, growths=growths)


def run_diagnose(
    config: Config,
    *,
    start: str | None,
    end: str | None,
    is_forced: bool,
    as_of: str | None,
    say: Say,
    is_debug: bool,
) -> DiagnoseSummary:
    scope, moment = parse_scope(start, end, features=config.features), parse_moment(as_of) if as_of else None
    run = start_run(start_spark(config, say=say, is_debug=is_debug), config, say=say)
    diagnosis = diagnose(run, scope=scope, is_forced=is_forced, as_of=moment)
    if moment is not None:
        return summarise_diagnose(run, diagnosis)
    judged = judge_challenger(run, scope=scope) if config.challenger else None
    return with_results(run, summarise_diagnose(run, diagnosis, judged))


def run_maintain(config: Config, *, retain_days: int, is_dry_run: bool, say: Say, is_debug: bool) -> MaintainSummary:
    run = start_run(start_spark(config, say=say, is_debug=is_debug), config, say=say)
    return maintain(run, retain_days=retain_days, is_dry_run=is_dry_run)


def run_promote(config: Config, *, is_dry_run: bool, say: Say, is_debug: bool) -> PromoteSummary:
    run = start_run(start_spark(config, say=say, is_debug=is_debug), config, say=say)
    return promote(run, is_dry_run=is_dry_run)
