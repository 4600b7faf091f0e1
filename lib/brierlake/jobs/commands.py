"""What the command line asks for: from a config and options to a summary. One function a command."""

from typing import Any

from brierlake.config import Config
from brierlake.jobs.diagnose import diagnose
from brierlake.jobs.run import Run, Say, start_run
from brierlake.jobs.score import make_plan, score
from brierlake.jobs.summary import summarise_diagnose, summarise_plan_only, summarise_score
from brierlake.lakehouse.windows import Scope, parse_scope
from brierlake.session import start_session


def run_score(
    config: Config,
    *,
    start: str | None,
    end: str | None,
    is_forced: bool,
    is_empty_allowed: bool,
    say: Say,
    is_debug: bool,
) -> dict[str, Any]:
    run, scope = _begin(config, start=start, end=end, say=say, is_debug=is_debug)
    return summarise_score(run, score(run, scope=scope, is_forced=is_forced, is_empty_allowed=is_empty_allowed))


def run_plan(
    config: Config, *, start: str | None, end: str | None, is_empty_allowed: bool, say: Say, is_debug: bool
) -> dict[str, Any]:
    run, scope = _begin(config, start=start, end=end, say=say, is_debug=is_debug)
    return summarise_plan_only(run, make_plan(run, scope=scope, is_forced=False, is_empty_allowed=is_empty_allowed))


def run_diagnose(
    config: Config, *, start: str | None, end: str | None, is_forced: bool, say: Say, is_debug: bool
) -> dict[str, Any]:
    run, scope = _begin(config, start=start, end=end, say=say, is_debug=is_debug)
    return summarise_diagnose(run, diagnose(run, scope=scope, is_forced=is_forced))


def _begin(config: Config, *, start: str | None, end: str | None, say: Say, is_debug: bool) -> tuple[Run, Scope]:
    scope = parse_scope(start, end, features=config.features)
    say("Starting Spark")
    spark = start_session(config.session, app_name=f"brierlake {config.job}", is_debug=is_debug)
    return start_run(spark, config, say=say), scope
