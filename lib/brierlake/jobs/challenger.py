"""Challenger: a second version on the champion's pinned rows and windows, in a table and a run of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from brierlake.errors import BrierlakeError
from brierlake.jobs.compare import compare
from brierlake.jobs.diagnose import Diagnosis, diagnose_windows
from brierlake.jobs.plan import Plan, compared
from brierlake.jobs.recipe import compute_recipe, former_recipes
from brierlake.jobs.recovery import pay_debts, recover
from brierlake.jobs.run import Run, record_failure, start_run
from brierlake.jobs.score import Scored, record_scored, record_unfinished, score_into, scored_of
from brierlake.lakehouse.diagnostics import CHALLENGER
from brierlake.lakehouse.tables import is_there
from brierlake.lakehouse.windows import Scope
from brierlake.registry import Resolution, connect, resolve_model
from brierlake.summaries import ChallengeStatus


@dataclass(frozen=True)
class Challenge:
    """What became of the challenger: `status` is published, diagnosed, unchanged, absent (no runner-up) or failed."""

    status: ChallengeStatus
    model_name: str | None = None
    model_version: int | None = None
    windows: int = 0
    comparison: tuple[Mapping[str, Any], ...] = ()
    """Rows of brier_compare after it, in order of time; the total last."""
    error: str | None = None


def challenge(champion: Run, plan: Plan) -> Challenge:
    """Scores what is stale of the challenger in the champion's scope, judges it and compares the two.

    Comes after the champion's run and never fails it: whatever goes wrong is told in the result.
    """
    run = start_run(champion.spark, champion.config, say=champion.say)
    try:
        pin = _pin_of(run, plan.resolution)
        if pin is None:
            return Challenge(status="absent")
        run = _as_challenger(run, pin)
        scored = _publish(run, plan)
    except BrierlakeError as error:
        record_failure(run, action="challenge", error=error)
        return _failed(run, error)
    except Exception as error:
        return _failed(run, error)
    try:
        return _finish(run, scored)
    except Exception as error:
        record_unfinished(run, scored, error, action="challenge", table=run.challengers)
        return _failed(run, error)


def judge_challenger(champion: Run, *, scope: Scope) -> Challenge:
    """Judges the challenger again where labels have landed, and compares; scores nothing. Never fails either."""
    run = start_run(champion.spark, champion.config, say=champion.say)
    try:
        if not is_there(run.spark, run.challengers):
            return Challenge(status="absent")
        diagnosis = _diagnose(run, scope)
        return Challenge(status="diagnosed" if diagnosis.windows else "unchanged", comparison=compare(run))
    except Exception as error:
        return _failed(run, error)


def _failed(run: Run, error: Exception) -> Challenge:
    run.say(f"The challenger failed, the champion isn't touched by it: {error}")
    return Challenge(status="failed", error=str(error))


def _as_challenger(run: Run, pin: str) -> Run:
    model = run.config.model.model_copy(update={"names": (), "pin": pin, "digest": None})
    return replace(run, config=run.config.model_copy(update={"model": model}))


def _publish(run: Run, plan: Plan) -> Scored:
    resolution = resolve_model(connect(run.config.mlflow), run.config.model)
    plan = _plan(run, plan, resolution)
    if not plan.stale:
        return Scored(run_id=run.run_id, status="unchanged", plan=plan)
    run.say(f"Challenger: {resolution.model_name} version {resolution.model_version}")
    published, checked = score_into(run, plan, run.challengers)
    return scored_of(run, published, checked=checked)


def _finish(run: Run, scored: Scored) -> Challenge:
    plan = scored.plan
    diagnosis = _diagnose(run, Scope() if plan.scope.is_incremental else plan.scope)
    comparison = compare(run)
    if scored.status == "published":
        record_scored(run, replace(scored, diagnosis=diagnosis), action="challenge", table=run.challengers)
    return Challenge(
        status="published" if scored.commit else "diagnosed" if diagnosis.windows else "unchanged",
        model_name=plan.resolution.model_name,
        model_version=plan.resolution.model_version,
        windows=len(plan.stale),
        comparison=comparison,
    )


def _plan(run: Run, champion: Plan, resolution: Resolution) -> Plan:
    """The champion's plan for the challenger's version and table; it empties no window that the champion keeps."""
    plan = replace(
        champion,
        resolution=resolution,
        recipe=compute_recipe(run.config, resolution=resolution, pin=champion.pin),
        former_recipes=former_recipes(run.config, resolution=resolution, pin=champion.pin),
    )
    settled = pay_debts(run, run.challengers)
    plan = recover(run, compared(run, plan, run.challengers), run.challengers, settled=settled, action="challenge")
    kept = set(plan.emptied) - set(champion.emptied)
    return replace(plan, stale=tuple(each for each in plan.stale if each not in kept))


def _pin_of(run: Run, champion: Resolution) -> str | None:
    """Returns the challenger as name/number or name@alias; null: no version comes after the champion."""
    config = run.config.challenger
    if config is not None and config.pin is not None:
        return config.pin
    following = [each for each in champion.candidates if each.rank is not None and not each.is_selected]
    best = min(following, key=lambda each: each.rank or 0, default=None)
    return f"{best.model_name}/{best.model_version}" if best else None


def _diagnose(run: Run, scope: Scope) -> Diagnosis:
    return diagnose_windows(run, scope=scope, role=CHALLENGER, predictions=run.challengers)
