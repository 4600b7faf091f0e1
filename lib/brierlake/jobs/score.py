"""Score: the best registered version, the windows that need it, one commit, and what it is worth."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from pyspark.sql import functions as F

from brierlake.errors import BrierlakeError, GateError, StorageError
from brierlake.jobs.audit import Staged, audit, clear_published, find_staged
from brierlake.jobs.checks import check_labels
from brierlake.jobs.diagnose import Diagnosis, diagnose_windows
from brierlake.jobs.gates import Breach, gate_facts, judge_published
from brierlake.jobs.plan import Plan, make_plan, validate_kept
from brierlake.jobs.predict import Checked, build_predictions, check_model, explain_issues
from brierlake.jobs.progress import watched
from brierlake.jobs.publish import Published, publish, validate_issues
from brierlake.jobs.recovery import pay_debts, recover
from brierlake.jobs.run import Run, make_table, record_failure, record_run
from brierlake.lakehouse.ledger import append_records
from brierlake.lakehouse.predictions import Commit, Issue, read_issues, remove_rows, spec_for
from brierlake.lakehouse.staging import owned_condition, read_staged, stage_predictions
from brierlake.lakehouse.tables import STORAGE_FAULTS, Table, reason_of
from brierlake.lakehouse.windows import Scope, Window
from brierlake.model import is_vague
from brierlake.schemas import CANDIDATES
from brierlake.summaries import ScoreStatus


@dataclass(frozen=True)
class Scored:
    """What a score run did."""

    run_id: str
    status: ScoreStatus
    plan: Plan
    """Its stale windows are those that the run wrote."""
    checked: Checked | None = None
    """The model as it was checked; null: nothing was scored."""
    commit: Commit | None = None
    issues: Mapping[str, Issue] = field(default_factory=dict)
    diagnosis: Diagnosis | None = None
    held: tuple[Window, ...] = ()
    """Windows that are staged and not published, for what the gates say of them."""
    breaches: tuple[Breach, ...] = ()
    is_accepted: bool = False
    """Whether a person released windows in spite of the breaches."""

    @property
    def digest(self) -> str | None:
        return self.checked.digest if self.checked else None

    @property
    def rows_with_issue(self) -> int:
        return sum(each.rows for each in self.issues.values())

    @property
    def exit_code(self) -> int:
        return GateError.exit_code if self.breaches and not self.is_accepted else 0


@dataclass(frozen=True)
class Asked:
    """What the command line asks of a run beside its config."""

    is_forced: bool = False
    """Take all windows of the scope as stale."""
    is_empty_allowed: bool = False
    """A scope without rows is no mistake."""
    is_accepted: bool = False
    """Publish what is held back, whatever the gates say of it."""


def score(run: Run, *, scope: Scope, asked: Asked = Asked()) -> Scored:
    """Scores the stale windows of the scope, publishes them in one commit, diagnoses and records them.

    Raises:
        ModelError: No eligible version, or it can't be fetched or trusted.
        ContractError: The features aren't what the model and the config ask for, or the labels aren't what the config
            says of them.
        GateError: Too many rows could not be scored; the windows hold what they held before.
        StorageError: A table can't be read or written, or other jobs kept writing the same windows.
    """
    try:
        settled = pay_debts(run, run.predictions)
        plan = make_plan(run, scope=scope, is_forced=asked.is_forced, is_empty_allowed=asked.is_empty_allowed)
        plan = recover(run, plan, run.predictions, settled=settled, action="score", is_forced=asked.is_forced)
        if not asked.is_empty_allowed:
            validate_kept(run, plan)
        scored = Scored(run_id=run.run_id, status="unchanged", plan=plan)
        if plan.stale:
            check_labels(run, plan)
            scored = _publish(run, plan, asked=asked)
    except BrierlakeError as error:
        record_failure(run, action="score", error=error)
        raise
    try:
        return _finish(run, scored, scope=scope)
    except Exception as error:
        record_unfinished(run, scored, error, action="score", table=run.predictions)
        raise


def _finish(run: Run, scored: Scored, *, scope: Scope) -> Scored:
    """Diagnoses, judges and records what was published."""
    known = None if scope.is_incremental else scored.plan.states_after(run.run_id)
    # labels of other windows may have landed: an incremental run looks at them all
    whole = Scope() if scope.is_incremental else scope
    diagnosis = diagnose_windows(run, scope=whole, states=known, features=scored.plan.pin)
    scored = _judged(run, replace(scored, diagnosis=diagnosis))
    if scored.status == "unchanged" and diagnosis.windows:
        scored = replace(scored, status="diagnosed")
    if scored.status != "unchanged":
        _record_candidates(run, scored.plan)
        record_scored(run, scored, action="score", table=run.predictions)
    return scored


def record_unfinished(run: Run, scored: Scored, error: Exception, *, action: str, table: Table) -> None:
    """Records what was published before something failed, so that nobody takes it for owed; the next run finishes it.

    Where nothing was published, the failure is recorded as any other.
    """
    if scored.commit is None:
        if isinstance(error, BrierlakeError):
            record_failure(run, action=action, error=error)
        return
    try:
        record_scored(run, scored, action=action, table=table, error=error)
    except (StorageError, *STORAGE_FAULTS) as fault:
        run.say(f"What was published could not be recorded: {reason_of(fault)}")


def _publish(run: Run, plan: Plan, *, asked: Asked) -> Scored:
    if run.config.publish == "audited":
        return _publish_audited(run, plan, asked=asked)
    published, checked = score_into(run, plan, run.predictions)
    return scored_of(run, published, checked=checked)


def _publish_audited(run: Run, plan: Plan, *, asked: Asked) -> Scored:
    spec = spec_for(run.config.features, plan.features.schema)
    for table in (run.predictions, run.staged):
        make_table(run, table, spec, job=run.config.job)
    there = Staged({}, 0) if asked.is_forced else find_staged(run, plan)
    lacking = replace(plan, stale=_lacking(plan, there))
    staged, known, checked = there, dict[str, Issue](), None
    if lacking.stale:
        version, known, checked = stage(run, lacking)
        owners = {**there.owners, **dict.fromkeys(lacking.stale, run.run_id)}
        staged = Staged(owners, version)
    audited = audit(run, plan, staged, is_accepted=asked.is_accepted)
    passed = replace(plan, stale=audited.passed)
    published = Published(plan=passed, commit=None, issues={})
    if passed.stale:
        chosen = staged.of(passed.stale)
        rows = read_staged(run.spark, run.staged, chosen, version=staged.version)
        rows = rows.withColumn("run_id", F.lit(run.run_id))  # who publishes can put back; the commit names who scored
        told = {"model_digest": checked and checked.digest, "staged_by": sorted(set(chosen.values()))}
        published = publish(run, passed, rows, run.predictions, told=told, explain=partial(_with_examples, known))
        clear_published(run, staged, passed.stale)
    scored = scored_of(run, published, checked=checked)
    status: ScoreStatus = "held" if audited.held and scored.status == "unchanged" else scored.status
    return replace(scored, status=status, held=audited.held, breaches=audited.breaches, is_accepted=audited.is_accepted)


def _lacking(plan: Plan, staged: Staged) -> tuple[Window, ...]:
    """Stale windows with rows, of which nothing is staged that would do."""
    return tuple(each for each in plan.stale if plan.rows_by_window.get(each, 0) and each not in staged.owners)


def _with_examples(known: Mapping[str, Issue], issues: Mapping[str, Issue]) -> Mapping[str, Issue]:
    """What the model said of rows when they were staged is told again."""
    return {
        text: replace(each, examples=known.get(text, each).examples) if is_vague(text) else each
        for text, each in issues.items()
    }


def scored_of(run: Run, published: Published, *, checked: Checked | None) -> Scored:
    return Scored(
        run_id=run.run_id,
        status="published" if published.commit else "unchanged",
        plan=published.plan,
        checked=checked,
        commit=published.commit,
        issues=published.issues,
    )


def score_into(run: Run, plan: Plan, table: Table) -> tuple[Published, Checked]:
    """Scores the plan's stale windows into a table; returns what came of it, and the model as it was checked."""
    with tempfile.TemporaryDirectory(prefix="brierlake-") as folder:
        checked = check_model(run, plan, folder=Path(folder))
        predictions, spec = build_predictions(run, plan, checked)
        make_table(run, table, spec, job=run.config.job)
        run.say(f"Scoring {plan.rows:,} rows in {len(plan.stale):,} windows")
        explain = partial(explain_issues, run, plan, checked)
        told = {"model_digest": checked.digest}
        return publish(run, plan, predictions, table, told=told, explain=explain), checked


def stage(run: Run, plan: Plan) -> tuple[int, dict[str, Issue], Checked]:
    """Scores the plan's stale windows into the staging table, beside what other runs have there.

    Returns:
        The table's version with them, their issues, and the model as it was checked.

    Raises:
        GateError: Too many rows have no probability; they are taken out again.
    """
    with tempfile.TemporaryDirectory(prefix="brierlake-") as folder:
        checked = check_model(run, plan, folder=Path(folder))
        predictions, _ = build_predictions(run, plan, checked)
        run.say(f"Scoring {plan.rows:,} rows in {len(plan.stale):,} windows")
        told = {"model_digest": checked.digest}
        with watched(run.spark, say=run.say, what="Scoring", rows=plan.rows):
            commit = stage_predictions(
                run.spark, predictions, run.staged, run_id=run.run_id, told=told, expected=plan.rows
            )
        key, mine = run.config.features.key, run.run_id
        found = read_issues(run.spark, run.staged, commit=commit, windows=plan.stale, key=key, run_id=mine)
        issues = explain_issues(run, plan, checked, found)
    where = owned_condition(dict.fromkeys(plan.stale, run.run_id))
    validate_issues(
        run,
        issues,
        rows=commit.rows,
        undo=lambda: remove_rows(run.spark, run.staged, where=where, tag=f"{run.run_id}:cleared"),
    )
    return commit.version, dict(issues), checked


def _judged(run: Run, scored: Scored) -> Scored:
    """Adds what the gates say after publishing; of an unchanged run, what they say of the latest run's windows."""
    if not run.config.gates:
        return scored
    windows = set(scored.plan.stale) | set(scored.diagnosis.windows if scored.diagnosis else ())
    if not windows and scored.plan.states:
        latest = max(state.run_id for state in scored.plan.states.values())
        windows = {window for window, state in scored.plan.states.items() if state.run_id == latest}
    is_audited = run.config.publish == "audited"
    gates = [each for each in run.config.gates if not (is_audited and each.is_judged_before)]
    found = judge_published(run, gates, windows=windows - set(scored.held))
    return replace(scored, breaches=scored.breaches + found)


def _record_candidates(run: Run, plan: Plan) -> None:
    ours = {"run_id": run.run_id, "job": run.config.job, "looked_at": run.started_at}
    candidates = [{**vars(each), "model_run_id": each.run_id, **ours} for each in plan.resolution.candidates]
    append_records(run.spark, run.gold(run.config.lakehouse.tables.candidates), CANDIDATES, candidates)


def record_scored(run: Run, scored: Scored, *, action: str, table: Table, error: Exception | None = None) -> None:
    """Enters the run into the ledger; `error` is what went wrong after it had published."""
    plan, resolution = scored.plan, scored.plan.resolution
    days = [window for window in plan.stale if window is not None]
    headline = scored.diagnosis.headline if scored.diagnosis else {}
    facts: dict[str, Any] = {
        "model_name": resolution.model_name,
        "model_version": resolution.model_version,
        "model_digest": scored.digest,
        "recipe": plan.recipe,
        "metric_name": resolution.metric_name,
        "metric_value": resolution.metric_value,
        "scope": str(plan.scope),
        "window_count": len(plan.stale),
        "first_window": min(days, default=None),
        "last_window": max(days, default=None),
        "features_table": plan.pin.table.name,
        "features_id": plan.pin.table_id,
        "features_version": plan.pin.version,
        "predictions_table": table.name,
        "predictions_version": scored.commit.version if scored.commit else None,
        "labels_version": scored.diagnosis.labels_version if scored.diagnosis else None,
        "rows_in": plan.rows,
        "rows_scored": plan.rows - scored.rows_with_issue,
        "rows_with_issue": scored.rows_with_issue,
        "issues": {text: each.rows for text, each in scored.issues.items()},
        "issue_examples": {text: list(each.examples) for text, each in scored.issues.items()},
        **headline,
        "gates": gate_facts(run.config.gates, scored.breaches, held=scored.held, is_accepted=scored.is_accepted),
    }
    if error is not None:
        facts["error"] = f"published, and then: {error}"
    exit_code = getattr(error, "exit_code", 1) if error else scored.exit_code
    status = "held" if scored.held else "published"
    record_run(run, action=action, status=status, exit_code=exit_code, facts=facts)
