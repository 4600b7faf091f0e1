"""What a score run did, and how it is entered in the ledger."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from brierlake.diagnosis.diagnose_run import Diagnosis
from brierlake.diagnosis.gates import Breach, gate_facts
from brierlake.errors import BrierlakeError, GateError, StorageError
from brierlake.lakehouse.predictions import Commit, Issue
from brierlake.lakehouse.tables import STORAGE_FAULTS, Table, reason_of
from brierlake.lakehouse.windows import Window
from brierlake.run.context import Run
from brierlake.run.ledger import append_records, record_failure, record_run
from brierlake.schemas import CANDIDATES
from brierlake.scoring.planning import Plan
from brierlake.scoring.prepare import PreparedModel
from brierlake.summary_parts import ScoreStatus


@dataclass(frozen=True)
class ScoreResult:
    """What a score run did."""

    run_id: str
    status: ScoreStatus
    plan: Plan
    """Its stale windows are those that the run wrote."""
    prepared: PreparedModel | None = None
    """None: nothing was scored."""
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
        return self.prepared.digest if self.prepared else None

    @property
    def rows_with_issue(self) -> int:
        return sum(each.rows for each in self.issues.values())

    @property
    def exit_code(self) -> int:
        return GateError.exit_code if self.breaches and not self.is_accepted else 0


def record_unfinished(run: Run, scored: ScoreResult, error: Exception, *, action: str, table: Table) -> None:
    """Record what was published before something failed, so that it isn't taken for a debt; the next run finishes it.

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


def record_candidates(run: Run, plan: Plan) -> None:
    ours = {"run_id": run.run_id, "job": run.config.job, "looked_at": run.started_at}
    candidates = [{**vars(each), "model_run_id": each.run_id, **ours} for each in plan.resolution.candidates]
    append_records(run.lake.candidates, CANDIDATES, candidates)


def record_scored(run: Run, scored: ScoreResult, *, action: str, table: Table, error: Exception | None = None) -> None:
    """Enter the run into the ledger; `error` is what went wrong after it had published."""
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
        "trained_until": resolution.trained_until and resolution.trained_until.moment,
        "trained_until_source": resolution.trained_until and resolution.trained_until.source,
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
