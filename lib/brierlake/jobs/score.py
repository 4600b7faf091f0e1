"""Score: the best registered version, the windows that need it, one commit, and what it is worth."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from brierlake.errors import BrierlakeError
from brierlake.jobs.diagnose import Diagnosis, diagnose_windows, validate_labels
from brierlake.jobs.plan import Plan, make_plan
from brierlake.jobs.predict import build_predictions
from brierlake.jobs.publish import publish, undo_interrupted
from brierlake.jobs.run import Run, record_failure, record_run
from brierlake.lakehouse.features import filter_windows, validate_unique_key
from brierlake.lakehouse.ledger import append_records
from brierlake.lakehouse.predictions import Commit
from brierlake.lakehouse.tables import create_table
from brierlake.lakehouse.windows import Scope
from brierlake.registry import connect, fetch_model
from brierlake.schemas import CANDIDATES


@dataclass(frozen=True)
class Scored:
    """What a score run did."""

    run_id: str
    status: str
    plan: Plan
    digest: str | None = None
    commit: Commit | None = None
    issues: Mapping[str, int] = field(default_factory=dict)
    diagnosis: Diagnosis | None = None

    @property
    def rows_with_issue(self) -> int:
        return sum(self.issues.values())


def score(run: Run, *, scope: Scope, is_forced: bool = False, is_empty_allowed: bool = False) -> Scored:
    """Scores the stale windows of the scope, publishes them in one commit, diagnoses and records them.

    Raises:
        ModelError: No eligible version, or it can't be fetched or trusted.
        ContractError: The features aren't what the model and the config ask for.
        GateError: Too many rows could not be scored; the windows hold what they held before.
        StorageError: A table can't be read or written, or other jobs kept writing the same windows.
    """
    try:
        return _score(run, scope=scope, is_forced=is_forced, is_empty_allowed=is_empty_allowed)
    except BrierlakeError as error:
        record_failure(run, action="score", error=error)
        raise


def _score(run: Run, *, scope: Scope, is_forced: bool, is_empty_allowed: bool) -> Scored:
    plan = make_plan(run, scope=scope, is_forced=is_forced, is_empty_allowed=is_empty_allowed)
    plan = plan if is_forced else undo_interrupted(run, plan)
    scored = Scored(run_id=run.run_id, status="unchanged", plan=plan)
    if plan.stale:
        validate_labels(run)
        scored = _publish(run, plan)
    # labels of other windows may have landed: an incremental run looks at them all
    diagnosis = diagnose_windows(run, scope=Scope() if scope.is_incremental else scope)
    scored = replace(scored, diagnosis=diagnosis)
    if scored.status == "unchanged" and diagnosis.windows:
        scored = replace(scored, status="diagnosed")
    if scored.status != "unchanged":
        _record(run, scored)
    return scored


def _publish(run: Run, plan: Plan) -> Scored:
    features = filter_windows(plan.features, run.config.features, windows=plan.stale)
    if not run.config.features.trust_unique_key:
        validate_unique_key(features, key=run.config.features.key, table=plan.pin.table.name)
    with tempfile.TemporaryDirectory(prefix="brierlake-") as folder:
        run.say(f"Fetching {plan.resolution.model_name} version {plan.resolution.model_version}")
        fetched = fetch_model(
            connect(run.config.mlflow), plan.resolution, run.config.model, folder=Path(folder) / "fetched"
        )
        predictions, spec = build_predictions(run, plan, features, fetched, folder=Path(folder))
        create_table(run.spark, run.predictions, spec, job=run.config.job)
        run.say(f"Scoring {plan.rows:,} rows in {len(plan.stale):,} windows")
        published = publish(run, plan, predictions, run.predictions)
    return Scored(
        run_id=run.run_id,
        status="published" if published.commit else "unchanged",
        plan=published.plan,
        digest=fetched.digest,
        commit=published.commit,
        issues=published.issues,
    )


def _record(run: Run, scored: Scored) -> None:
    plan, resolution = scored.plan, scored.plan.resolution
    ours = {"run_id": run.run_id, "job": run.config.job, "looked_at": run.started_at}
    candidates = [{**vars(each), "model_run_id": each.run_id, **ours} for each in resolution.candidates]
    append_records(run.spark, run.gold(run.config.lakehouse.tables.candidates), CANDIDATES, candidates)
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
        "predictions_table": run.predictions.name,
        "predictions_version": scored.commit.version if scored.commit else None,
        "labels_version": scored.diagnosis.labels_version if scored.diagnosis else None,
        "rows_in": plan.rows,
        "rows_scored": plan.rows - scored.rows_with_issue,
        "rows_with_issue": scored.rows_with_issue,
        "issues": dict(scored.issues),
        **headline,
    }
    record_run(run, action="score", status="published", exit_code=0, facts=facts)
