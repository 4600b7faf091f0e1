"""Promote: an alias moves to the challenger where the paired comparison supports it, and not otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pyspark.sql import functions as F

from brierlake.brier.evidence import describe_evidence
from brierlake.config import Config, PromotionConfig
from brierlake.lakehouse.tables import Table, is_there, read_table
from brierlake.registry import connect, read_alias, set_alias
from brierlake.run.context import Run, Say, open_run
from brierlake.run.ledger import record_run
from brierlake.summaries import PromoteSummary


@dataclass(frozen=True)
class Decision:
    """Whether the alias moves, to what, and why or why not."""

    is_supported: bool
    reason: str
    model_name: str | None = None
    model_version: int | None = None


def promote(config: Config, *, is_dry_run: bool, say: Say, is_debug: bool) -> PromoteSummary:
    """Set `promotion.alias` to the challenger if it is better on enough rows, and record it.

    Raises:
        ModelError: The registry fails, or doesn't let this user set an alias.
        StorageError: The comparison can't be read.
    """
    run, promotion = open_run(config, spark=None, say=say, is_debug=is_debug), config.promotion
    total = read_total(run.lake.compare, job=config.job)
    decision = decide(total, promotion)
    status: Literal["refused", "unchanged", "planned", "published"] = "refused"
    before = None
    if decision.is_supported and decision.model_name is not None and decision.model_version is not None:
        client = connect(config.mlflow)
        before = read_alias(client, decision.model_name, promotion.alias)
        if before == decision.model_version:
            status = "unchanged"
        elif is_dry_run:
            status = "planned"
        else:
            set_alias(client, decision.model_name, promotion.alias, version=decision.model_version)
            status = "published"
            _record(run, decision, total or {})
    return PromoteSummary(
        run_id=run.run_id,
        job=config.job,
        status=status,
        alias=promotion.alias,
        model=decision.model_name,
        version=decision.model_version,
        version_before=before,
        reason=decision.reason,
    )


def read_total(table: Table, *, job: str) -> Mapping[str, Any] | None:
    """Return the comparison of the two versions that serve now; None: nothing was compared yet."""
    if not is_there(table):
        return None
    rows = read_table(table).where((F.col("job") == job) & (F.col("grain") == "all"))
    if "is_current" not in rows.columns:  # by an earlier release, which had no evidence
        return None
    found = rows.where("is_current").collect()
    return found[0].asDict() if found else None


def decide(total: Mapping[str, Any] | None, config: PromotionConfig) -> Decision:
    """Say yes only to a challenger that has proved better than the champion, on windows that neither was trained on."""
    if total is None:
        return _no("nothing was compared yet: set `challenger` in the config and run score")
    if (status := total["evidence_status"]) in _NO_EVIDENCE:
        return _no(_NO_EVIDENCE[status])
    if total["n"] < config.min_labelled:
        return _no(f"{total['n']:,} labelled rows, and promotion.min_labelled asks for {config.min_labelled:,}")
    names = [f"{total[f'{role}_name']} {total[f'{role}_version']}" for role in ("challenger", "champion")]
    if total["verdict"] != "better":
        return _no(f"{names[0]} against {names[1]}: {total['verdict'].replace('_', ' ')}{_evidence(total)}")
    return Decision(
        is_supported=True,
        reason=f"{names[0]} is better than {names[1]}{_evidence(total)}",
        model_name=total["challenger_name"],
        model_version=total["challenger_version"],
    )


_NO_EVIDENCE = {
    "in_sample": "every window is from before the end of their training, as far as is known: log the end with "
    "log_features(..., trained_until=...), tag the versions brierlake.trained_until, or set model.trained_until",
    "no_windows": "the rows have no time, so that none is known to be from after the training: set features.event_at",
}


def _no(reason: str) -> Decision:
    return Decision(is_supported=False, reason=reason)


def _evidence(total: Mapping[str, Any]) -> str:
    if total["difference"] is None:
        return ""
    found = describe_evidence(total["log_e_value"], total["n_windows"])
    return f": Brier difference {total['difference']:+.4f} on {total['n']:,} rows, {found}"


def _record(run: Run, decision: Decision, total: Mapping[str, Any]) -> None:
    facts = {
        "model_name": decision.model_name,
        "model_version": decision.model_version,
        "metric_name": "difference",
        "metric_value": total.get("difference"),
    }
    record_run(run, action="promote", status="published", exit_code=0, facts=facts)
