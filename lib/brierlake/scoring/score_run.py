"""Score: the best registered version, the windows that need it, one commit, and what it is worth."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from pyspark.sql import functions as F

from brierlake.diagnosis.diagnose_run import diagnose_windows
from brierlake.diagnosis.gates import check_published
from brierlake.diagnosis.recomputation import open_subject
from brierlake.errors import BrierlakeError
from brierlake.lakehouse.predictions import Issue, read_issues, remove_rows, spec_for
from brierlake.lakehouse.staging import owned_condition, read_staged, stage_predictions
from brierlake.lakehouse.tables import Table
from brierlake.lakehouse.windows import Scope, Window
from brierlake.model import is_vague
from brierlake.run.context import Run, make_table
from brierlake.run.ledger import record_failure
from brierlake.run.progress import watched
from brierlake.run.training_ends import gather_trained
from brierlake.scoring.audit import StagedRows, audit, clear_published, find_staged
from brierlake.scoring.checks import check_labels
from brierlake.scoring.planning import Plan, make_plan, validate_kept
from brierlake.scoring.predict import build_predictions, explain_issues
from brierlake.scoring.prepare import PreparedModel, prepare_model
from brierlake.scoring.publish import Publication, publish, validate_issues
from brierlake.scoring.recording import ScoreResult, record_candidates, record_scored, record_unfinished
from brierlake.scoring.recovery import pay_debts, recover
from brierlake.summary_parts import ScoreStatus
from brierlake.threads import both


@dataclass(frozen=True)
class ScoreOptions:
    """What the command line asks of a run beside its config."""

    is_forced: bool = False
    """Take all windows of the scope as stale."""
    is_empty_allowed: bool = False
    """A scope without rows is no mistake."""
    is_accepted: bool = False
    """Publish what is held back, whatever the gates say of it."""


def score_windows(run: Run, *, scope: Scope, options: ScoreOptions = ScoreOptions()) -> ScoreResult:
    """Score the stale windows of the scope, publish them in one commit, diagnose and record them.

    Raises:
        ModelError: No eligible version, or it can't be fetched or trusted.
        ContractError: The features aren't what the model and the config ask for, or the labels aren't what the config
            says of them.
        GateError: Too many rows could not be scored; the windows hold what they held before.
        StorageError: A table can't be read or written, or other jobs kept writing the same windows.
    """
    try:
        with run.timed("resolve"):
            plan = _settle(run, scope=scope, options=options)
        scored = ScoreResult(run_id=run.run_id, status="unchanged", plan=plan)
        if plan.stale:
            scored = _publish(run, plan, options=options)
    except BrierlakeError as error:
        record_failure(run, action="score", error=error)
        raise
    try:
        return _finish(run, scored, scope=scope)
    except Exception as error:
        record_unfinished(run, scored, error, action="score", table=run.lake.predictions)
        raise


def _settle(run: Run, *, scope: Scope, options: ScoreOptions) -> Plan:
    """Plan, once what killed runs left behind is put back or recorded."""

    def look() -> Plan:
        return make_plan(run, scope=scope, is_forced=options.is_forced, is_empty_allowed=options.is_empty_allowed)

    debts, plan = both(lambda: pay_debts(run, run.lake.predictions), look)
    plan = look() if debts.is_paid else plan
    plan = recover(run, plan, run.lake.predictions, settled=debts.settled, action="score", is_forced=options.is_forced)
    if not options.is_empty_allowed:
        validate_kept(plan)
    return plan


def _finish(run: Run, scored: ScoreResult, *, scope: Scope) -> ScoreResult:
    """Diagnose, check and record what was published."""
    known = None if scope.is_incremental else scored.plan.states_after(run.run_id)
    # labels of other windows may have landed: an incremental run looks at them all
    whole = Scope() if scope.is_incremental else scope

    def record_choice() -> None:
        if scored.commit is not None:
            record_candidates(run, scored.plan)

    with run.timed("diagnose"):
        find_trained = partial(gather_trained, run, [scored.plan.resolution])
        subject = open_subject(run, find_trained=find_trained)
        diagnosis, _ = both(lambda: diagnose_windows(subject, scope=whole, states=known, say=run.say), record_choice)
        scored = _with_breaches(run, replace(scored, diagnosis=diagnosis))
    if scored.status == "unchanged" and diagnosis.windows:
        scored = replace(scored, status="diagnosed")
    if scored.status != "unchanged":
        if scored.commit is None:
            record_candidates(run, scored.plan)
        with run.timed("record"):
            record_scored(run, scored, action="score", table=run.lake.predictions)
    return scored


def _publish(run: Run, plan: Plan, *, options: ScoreOptions) -> ScoreResult:
    check = partial(check_labels, run, plan)
    if run.config.publish == "audited":
        check()
        return _publish_audited(run, plan, options=options)
    publication, prepared = score_into(run, plan, run.lake.predictions, check=check)
    return result_of(run, publication, prepared=prepared)


def _publish_audited(run: Run, plan: Plan, *, options: ScoreOptions) -> ScoreResult:
    spec = spec_for(plan.features.config, plan.features.schema)
    for table in (run.lake.predictions, run.lake.staged):
        make_table(table, spec, say=run.say, job=run.config.job)
    there = StagedRows({}, 0) if options.is_forced else find_staged(run, plan)
    lacking = replace(plan, stale=_lacking(plan, there))
    staged, known, prepared = there, dict[str, Issue](), None
    if lacking.stale:
        version, known, prepared = stage(run, lacking)
        owners = {**there.owners, **dict.fromkeys(lacking.stale, run.run_id)}
        staged = StagedRows(owners, version)
    audited = audit(run, plan, staged, is_accepted=options.is_accepted)
    passed = replace(plan, stale=audited.passed)
    publication = Publication(plan=passed, commit=None, issues={})
    if passed.stale:
        chosen = staged.of(passed.stale)
        rows = read_staged(run.lake.staged, chosen, version=staged.version)
        rows = rows.withColumn("run_id", F.lit(run.run_id))  # who publishes can put back; the commit names who scored
        told = {"model_digest": prepared and prepared.digest, "staged_by": sorted(set(chosen.values()))}
        publication = publish(
            run, passed, rows, run.lake.predictions, told=told, explain=partial(_with_examples, known)
        )
        clear_published(run, staged, passed.stale)
    scored = result_of(run, publication, prepared=prepared)
    status: ScoreStatus = "held" if audited.held and scored.status == "unchanged" else scored.status
    return replace(scored, status=status, held=audited.held, breaches=audited.breaches, is_accepted=audited.is_accepted)


def _lacking(plan: Plan, staged: StagedRows) -> tuple[Window, ...]:
    """Stale windows with rows, of which nothing is staged that would do."""
    return tuple(each for each in plan.stale if plan.rows_by_window.get(each, 0) and each not in staged.owners)


def _with_examples(known: Mapping[str, Issue], issues: Mapping[str, Issue]) -> Mapping[str, Issue]:
    """What the model said of rows when they were staged is told again."""
    return {
        text: replace(each, examples=known.get(text, each).examples) if is_vague(text) else each
        for text, each in issues.items()
    }


def result_of(run: Run, publication: Publication, *, prepared: PreparedModel | None) -> ScoreResult:
    return ScoreResult(
        run_id=run.run_id,
        status="published" if publication.commit else "unchanged",
        plan=publication.plan,
        prepared=prepared,
        commit=publication.commit,
        issues=publication.issues,
    )


def score_into(
    run: Run, plan: Plan, table: Table, *, check: Callable[[], None] | None = None
) -> tuple[Publication, PreparedModel]:
    """Score the plan's stale windows into a table; return what came of it, and the prepared model.

    Args:
        check: What must hold beside the model's own checks, before anything is written.
    """
    with tempfile.TemporaryDirectory(prefix="brierlake-") as folder:
        with run.timed("prepare"):
            prepared, _ = both(lambda: prepare_model(run, plan, folder=Path(folder)), check or (lambda: None))
            predictions, spec = build_predictions(plan, prepared, stamp=run.stamp)
            make_table(table, spec, say=run.say, job=run.config.job)
        run.say(f"Scoring {plan.rows:,} rows in {len(plan.stale):,} windows")
        explain = partial(explain_issues, plan, prepared)
        told = {"model_digest": prepared.digest}
        with run.timed("score"):
            return publish(run, plan, predictions, table, told=told, explain=explain), prepared


def stage(run: Run, plan: Plan) -> tuple[int, dict[str, Issue], PreparedModel]:
    """Score the plan's stale windows into the staging table, beside what other runs have there.

    Returns:
        The table's version with them, their issues, and the prepared model.

    Raises:
        GateError: Too many rows have no probability; they are taken out again.
    """
    with tempfile.TemporaryDirectory(prefix="brierlake-") as folder:
        prepared = prepare_model(run, plan, folder=Path(folder))
        predictions, _ = build_predictions(plan, prepared, stamp=run.stamp)
        run.say(f"Scoring {plan.rows:,} rows in {len(plan.stale):,} windows")
        told = {"model_digest": prepared.digest}
        with watched(run.spark, say=run.say, what="Scoring", rows=plan.rows):
            commit = stage_predictions(predictions, run.lake.staged, run_id=run.run_id, told=told, expected=plan.rows)
        key, mine = plan.features.config.key, run.run_id
        found = read_issues(run.lake.staged, commit=commit, windows=plan.stale, key=key, run_id=mine)
        issues = explain_issues(plan, prepared, found)
    where = owned_condition(dict.fromkeys(plan.stale, run.run_id))
    validate_issues(
        run,
        issues,
        rows=commit.rows,
        undo=lambda: remove_rows(run.lake.staged, where=where, tag=f"{run.run_id}:cleared"),
    )
    return commit.version, dict(issues), prepared


def _with_breaches(run: Run, scored: ScoreResult) -> ScoreResult:
    """Add what the gates say after publishing; of an unchanged run, what they say of the latest run's windows."""
    if not run.config.gates:
        return scored
    windows = set(scored.plan.stale) | set(scored.diagnosis.windows if scored.diagnosis else ())
    if not windows and scored.plan.states:
        latest = max(state.run_id for state in scored.plan.states.values())
        windows = {window for window, state in scored.plan.states.items() if state.run_id == latest}
    is_audited = run.config.publish == "audited"
    gates = [each for each in run.config.gates if not (is_audited and each.is_checked_before)]
    found = check_published(run.lake.metrics, gates, job=run.config.job, windows=windows - set(scored.held))
    return replace(scored, breaches=scored.breaches + found)
