"""Challenger: a second version on the champion's pinned rows and windows, in a table and a run of its own."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from brierlake.diagnosis.compare import compare
from brierlake.diagnosis.diagnose_run import Diagnosis, diagnose_windows
from brierlake.diagnosis.recomputation import open_subject
from brierlake.errors import BrierlakeError
from brierlake.lakehouse.diagnostics import CHALLENGER, Figures
from brierlake.lakehouse.tables import is_there
from brierlake.lakehouse.windows import Scope
from brierlake.registry import Resolution, connect, resolve_model
from brierlake.run.context import Run, start_run
from brierlake.run.ledger import record_failure
from brierlake.run.recipe import compute_recipe, former_recipes
from brierlake.run.training_ends import gather_trained
from brierlake.scoring.mapped import is_mappable, map_champion
from brierlake.scoring.planning import Plan, compared
from brierlake.scoring.recording import ScoreResult, record_scored, record_unfinished
from brierlake.scoring.recovery import pay_debts, recover
from brierlake.scoring.score_run import result_of, score_into
from brierlake.summary_parts import ChallengerPart, ChallengeStatus, ComparisonPart


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
    """Score what is stale of the challenger in the champion's scope, diagnose it and compare the two.

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
        return _finish(run, scored, champion=plan.resolution)
    except Exception as error:
        record_unfinished(run, scored, error, action="challenge", table=run.lake.challengers)
        return _failed(run, error)


def compare_again(champion: Run, *, scope: Scope) -> Challenge:
    """Diagnose the challenger again where labels have landed, and compare; score nothing. Never fails either."""
    run = start_run(champion.spark, champion.config, say=champion.say)
    try:
        if not is_there(run.lake.challengers):
            return Challenge(status="absent")
        diagnosis, comparison = _diagnose(run, scope, resolutions=())
        return Challenge(status="diagnosed" if diagnosis.windows else "unchanged", comparison=comparison)
    except Exception as error:
        return _failed(run, error)


def _failed(run: Run, error: Exception) -> Challenge:
    run.say(f"The challenger failed, the champion isn't touched by it: {error}")
    return Challenge(status="failed", error=str(error))


def _as_challenger(run: Run, pin: str) -> Run:
    model = run.config.model.model_copy(update={"names": (), "pin": pin, "digest": None})
    return replace(run, config=run.config.model_copy(update={"model": model}))


def _publish(run: Run, champion: Plan) -> ScoreResult:
    resolution = resolve_model(connect(run.config.mlflow), run.config.model)
    plan = _plan(run, champion, resolution)
    if not plan.stale:
        return ScoreResult(run_id=run.run_id, status="unchanged", plan=plan)
    run.say(f"Challenger: {resolution.model_name} version {resolution.model_version}")
    if is_mappable(run, plan, champion=champion):
        return result_of(run, map_champion(run, plan), prepared=None)
    publication, prepared = score_into(run, plan, run.lake.challengers)
    return result_of(run, publication, prepared=prepared)


def _finish(run: Run, scored: ScoreResult, *, champion: Resolution) -> Challenge:
    plan = scored.plan
    scope = Scope() if plan.scope.is_incremental else plan.scope
    diagnosis, comparison = _diagnose(run, scope, resolutions=[champion, plan.resolution])
    if scored.status == "published":
        record_scored(run, replace(scored, diagnosis=diagnosis), action="challenge", table=run.lake.challengers)
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
    debts = pay_debts(run, run.lake.challengers)
    plan = recover(
        run,
        compared(plan, run.lake.challengers, say=run.say),
        run.lake.challengers,
        settled=debts.settled,
        action="challenge",
    )
    kept = set(plan.emptied) - set(champion.emptied)
    return replace(plan, stale=tuple(each for each in plan.stale if each not in kept))


def _pin_of(run: Run, champion: Resolution) -> str | None:
    """Return the challenger as name/number or name@alias; None: no version comes after the champion."""
    config = run.config.challenger
    if config is not None and config.pin is not None:
        return config.pin
    following = [each for each in champion.candidates if each.rank is not None and not each.is_selected]
    best = min(following, key=lambda each: each.rank or 0, default=None)
    return f"{best.model_name}/{best.model_version}" if best else None


def _diagnose(run: Run, scope: Scope, *, resolutions: Iterable[Resolution]) -> tuple[Diagnosis, tuple[Figures, ...]]:
    """Diagnose the challenger, and compare it with the champion by the same labels."""
    subject = open_subject(run, role=CHALLENGER, find_trained=partial(gather_trained, run, resolutions))
    diagnosis = diagnose_windows(subject, scope=scope, say=run.say)
    return diagnosis, compare(subject, say=run.say)


def describe_challenge(challenge: Challenge) -> ChallengerPart:
    """Return the part of a summary that tells what became of the challenger, of the pair that serves now."""
    rows = {
        grain: [_comparison_part(row) for row in challenge.comparison if row["grain"] == grain and row["is_current"]]
        for grain in ("month", "all")
    }
    return ChallengerPart(
        status=challenge.status,
        model_name=challenge.model_name,
        model_version=challenge.model_version,
        windows=challenge.windows,
        error=challenge.error,
        months=rows["month"],
        total=next(iter(rows["all"]), None),
    )


def _comparison_part(row: Mapping[str, Any]) -> ComparisonPart:
    # a table of an earlier release has fewer columns
    return ComparisonPart.model_validate({name: row.get(name) for name in ComparisonPart.model_fields})
