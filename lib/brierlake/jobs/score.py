"""Score: the best registered version, the windows that need it, one commit, and what it is worth."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from brierlake.errors import BrierlakeError, GateError
from brierlake.jobs.audit import audit, clear_staged, plan_staging, read_staged
from brierlake.jobs.diagnose import Diagnosis, diagnose_windows, validate_labels
from brierlake.jobs.gates import Breach, gate_facts, judge_published
from brierlake.jobs.plan import Plan, make_plan
from brierlake.jobs.predict import Checked, build_predictions, check_model, explain_issues
from brierlake.jobs.publish import Published, publish
from brierlake.jobs.recovery import recover
from brierlake.jobs.run import Run, record_failure, record_run
from brierlake.lakehouse.ledger import append_records
from brierlake.lakehouse.predictions import Commit, Issue, spec_for
from brierlake.lakehouse.tables import Table, create_table
from brierlake.lakehouse.windows import Scope, Window
from brierlake.model import is_vague
from brierlake.schemas import CANDIDATES


@dataclass(frozen=True)
class Scored:
    """What a score run did."""

    run_id: str
    status: str
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
        ContractError: The features aren't what the model and the config ask for.
        GateError: Too many rows could not be scored; the windows hold what they held before.
        StorageError: A table can't be read or written, or other jobs kept writing the same windows.
    """
    try:
        return _score(run, scope=scope, asked=asked)
    except BrierlakeError as error:
        record_failure(run, action="score", error=error)
        raise


def _score(run: Run, *, scope: Scope, asked: Asked) -> Scored:
    plan = make_plan(run, scope=scope, is_forced=asked.is_forced, is_empty_allowed=asked.is_empty_allowed)
    plan = plan if asked.is_forced else recover(run, plan)
    scored = Scored(run_id=run.run_id, status="unchanged", plan=plan)
    if plan.stale:
        validate_labels(run, features=plan.pin)
        scored = _publish(run, plan, asked=asked)
    # what was staged by an earlier run keeps that run's id: such windows are looked at
    is_known = not scope.is_incremental and (scored.status == "unchanged" or run.config.publish == "direct")
    known = scored.plan.states_after(run.run_id) if is_known else None
    # labels of other windows may have landed: an incremental run looks at them all
    whole = Scope() if scope.is_incremental else scope
    diagnosis = diagnose_windows(run, scope=whole, states=known, features=scored.plan.pin)
    scored = _judged(run, replace(scored, diagnosis=diagnosis))
    if scored.status == "unchanged" and diagnosis.windows:
        scored = replace(scored, status="diagnosed")
    if scored.status != "unchanged":
        _record_candidates(run, plan)
        record_scored(run, scored, action="score", table=run.predictions)
    return scored


def _publish(run: Run, plan: Plan, *, asked: Asked) -> Scored:
    if run.config.publish == "audited":
        return _publish_audited(run, plan, asked=asked)
    published, checked = score_into(run, plan, run.predictions)
    return scored_of(run, published, checked=checked)


def _publish_audited(run: Run, plan: Plan, *, asked: Asked) -> Scored:
    create_table(run.spark, run.predictions, spec_for(run.config.features, plan.features.schema), job=run.config.job)
    staging, checked = plan_staging(run, plan, is_forced=asked.is_forced), None
    known: Mapping[str, Issue] = {}
    if staging.stale:
        staged, checked = score_into(run, staging, run.staged)
        known = staged.issues
    audited = audit(run, plan, is_accepted=asked.is_accepted)
    passed = replace(plan, stale=audited.passed)
    published = Published(plan=passed, commit=None, issues={})
    if passed.stale:
        rows, told = read_staged(run, passed.stale), {"model_digest": checked and checked.digest}
        published = publish(run, passed, rows, run.predictions, told=told, explain=partial(_with_examples, known))
        clear_staged(run, passed.stale)
    scored = scored_of(run, published, checked=checked)
    status = "held" if audited.held and scored.status == "unchanged" else scored.status
    return replace(scored, status=status, held=audited.held, breaches=audited.breaches, is_accepted=audited.is_accepted)


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
        create_table(run.spark, table, spec, job=run.config.job)
        run.say(f"Scoring {plan.rows:,} rows in {len(plan.stale):,} windows")
        explain = partial(explain_issues, run, plan, checked)
        told = {"model_digest": checked.digest}
        return publish(run, plan, predictions, table, told=told, explain=explain), checked


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


def record_scored(run: Run, scored: Scored, *, action: str, table: Table) -> None:
    plan, resolution = scored.plan, scored.plan.resolution
    days = [window for window in plan.stale if window is not None]
    headline = scored.diagnosis.headline if scored.diagnosis else {}
    facts = {
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
    status = "held" if scored.held else "published"
    record_run(run, action=action, status=status, exit_code=scored.exit_code, facts=facts)
