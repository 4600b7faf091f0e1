"""Looked at before any row is scored: what could otherwise fail a run when its predictions are published already."""

from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from brierlake.errors import ContractError
from brierlake.jobs.pinning import pin_labels
from brierlake.jobs.plan import Plan
from brierlake.jobs.run import Run
from brierlake.lakehouse.features import filter_scope, filter_windows
from brierlake.lakehouse.label_checks import validate_label_types, validate_label_values
from brierlake.lakehouse.labels import as_keys
from brierlake.lakehouse.tables import is_there, read_table
from brierlake.lakehouse.windows import WINDOW, filter_condition, month_of, scope_condition
from brierlake.names import column_of, internal

_FEW_ROWS = 300_000
_CLUSTER, _FIRST, _LAST = internal("cluster"), internal("first"), internal("last")


def check_labels(run: Run, plan: Plan) -> None:
    """Raises ContractError where labels or clusters would fail the diagnostics of what the plan publishes."""
    config = run.config
    pin = pin_labels(run, features=plan.pin)
    if config.labels is not None and pin is not None:
        validate_label_types(run.spark, pin, config.labels, config.features, keyed=plan.features.schema)
        is_few = not plan.scope.is_incremental and sum(plan.rows_by_window.values()) <= _FEW_ROWS
        keys = _judged_keys(run, plan)
        validate_label_values(
            run.spark, pin, config.labels, config.features, keys=keys, is_few=is_few, as_of=run.started_at
        )
    _check_clusters(run, plan)


def _judged_keys(run: Run, plan: Plan) -> DataFrame:
    """Keys whose labels the diagnostics will read: of the scope's features, and of what is published in it."""
    features = run.config.features
    scored = plan.features.transform(filter_scope, features, scope=plan.scope, pin=plan.pin)
    parts = [as_keys(scored, features)]
    if is_there(run.spark, run.predictions):
        condition = "true" if plan.scope.is_incremental else scope_condition(plan.scope)
        parts.append(as_keys(read_table(run.spark, run.predictions).where(condition), features))
    return reduce(DataFrame.unionByName, parts)


def _check_clusters(run: Run, plan: Plan) -> None:
    name, stale = run.config.diagnostics.cluster, set(plan.stale)
    if name is None or name == "window_start":
        return
    rows = filter_windows(plan.features, run.config.features, windows=stale, pin=plan.pin)
    parts = [rows.select(column_of(name).alias(_CLUSTER), F.col(WINDOW))]
    if is_there(run.spark, run.predictions):
        months = {month_of(window) for window in stale}
        kept = [each for each in plan.states if each not in stale and month_of(each) in months]
        there = read_table(run.spark, run.predictions).where(filter_condition(kept))
        if name in there.columns:
            parts.append(there.select(column_of(name).alias(_CLUSTER), F.col("window_start").alias(WINDOW)))
    validate_clusters(reduce(DataFrame.unionByName, parts), name=name)


def validate_clusters(rows: DataFrame, *, name: str) -> None:
    """Raises ContractError with examples unless each cluster lies within one window."""
    spans = rows.groupBy(_CLUSTER).agg(F.min(WINDOW).alias(_FIRST), F.max(WINDOW).alias(_LAST))
    is_split = column_of(_CLUSTER).isNotNull() & (column_of(_FIRST) != column_of(_LAST))
    if examples := spans.where(is_split).limit(3).collect():
        shown = [f"{row[_CLUSTER]} ({row[_FIRST]} to {row[_LAST]})" for row in examples]
        raise ContractError.clusters_over_windows(name, shown)
