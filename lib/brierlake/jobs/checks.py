"""Looked at before any row is scored: what could otherwise fail a run when its predictions are published already."""

from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from brierlake.config import LabelsConfig
from brierlake.errors import ContractError
from brierlake.jobs.pinning import pin_labels
from brierlake.jobs.plan import Plan
from brierlake.jobs.recipe import compute_diagnostics_recipe
from brierlake.jobs.run import Run
from brierlake.jobs.touched import find_strange
from brierlake.lakehouse.diagnostics import CHAMPION, find_made, read_published
from brierlake.lakehouse.features import filter_scope, filter_windows
from brierlake.lakehouse.label_checks import validate_classes, validate_label_types, validate_label_values
from brierlake.lakehouse.labels import as_keys
from brierlake.lakehouse.tables import Pin, is_there, read_table
from brierlake.lakehouse.windows import WINDOW, Scope, other_condition, scope_condition, whole_months
from brierlake.names import column_of, internal

_FEW_ROWS = 300_000
_CLUSTER, _FIRST, _LAST = internal("cluster"), internal("first"), internal("last")


def check_labels(run: Run, plan: Plan) -> None:
    """Raises ContractError where labels or clusters would fail the diagnostics of what the plan publishes."""
    config = run.config
    labels, pin = config.labels, pin_labels(run, features=plan.pin)
    published = _read_judged(run, plan, labels_id=pin.table_id if pin else None)
    if labels is not None and pin is not None:
        schemas = [plan.features.schema, *([published.schema] if published is not None else [])]
        for schema in schemas:
            validate_label_types(run.spark, pin, labels, config.features, keyed=schema)
        # a row of the features has one outcome, where the predictions carry it
        if labels.table is not None or labels.outcome not in config.features.carry:
            _check_values(run, plan, labels, pin, published=published)
        else:
            _check_classes(run, plan, labels, pin)
    _check_clusters(run, plan, published=published)


def _read_judged(run: Run, plan: Plan, *, labels_id: str | None) -> DataFrame | None:
    """The published rows that the diagnostics will read beside what is scored now; null: none that have today's key."""
    if not is_there(run.spark, run.predictions):
        return None
    rows = read_table(run.spark, run.predictions)
    if not {*run.config.features.key} <= {*rows.columns}:
        return None  # what becomes of such a table is told where it is to be written
    scope = whole_months(plan.scope)
    if not scope.is_full:
        made = find_made(read_published(run.spark, run.metrics, job=run.config.job, role=CHAMPION))
        recipe = compute_diagnostics_recipe(run.config)
        scope = Scope() if any(find_strange(made, recipe=recipe, labels_id=labels_id).values()) else scope
    return rows.where(scope_condition(scope))


def _scored_keys(run: Run, plan: Plan) -> DataFrame:
    scored = plan.features.transform(filter_scope, run.config.features, scope=plan.scope, pin=plan.pin)
    return as_keys(scored, run.config.features)


def _check_classes(run: Run, plan: Plan, labels: LabelsConfig, pin: Pin) -> None:
    keys = _scored_keys(run, plan)
    validate_classes(run.spark, pin, labels, run.config.features, keys=keys, as_of=run.started_at)


def _check_values(run: Run, plan: Plan, labels: LabelsConfig, pin: Pin, *, published: DataFrame | None) -> None:
    features, keys = run.config.features, _scored_keys(run, plan)
    is_few = sum(plan.rows_by_window.values()) <= _FEW_ROWS
    if published is not None:
        keys = keys.unionByName(as_keys(published, features))
        is_few = is_few and plan.scope.is_full and sum(each.rows for each in plan.states.values()) <= _FEW_ROWS
    validate_label_values(run.spark, pin, labels, features, keys=keys, is_few=is_few, as_of=run.started_at)


def _check_clusters(run: Run, plan: Plan, *, published: DataFrame | None) -> None:
    name, stale = run.config.diagnostics.cluster, set(plan.stale)
    if name is None or name == "window_start" or not stale:
        return
    rows = filter_windows(plan.features, run.config.features, windows=stale, pin=plan.pin)
    parts = [rows.select(column_of(name).alias(_CLUSTER), F.col(WINDOW))]
    if published is not None and name in published.columns:
        kept = published.where(other_condition(stale))
        parts.append(kept.select(column_of(name).alias(_CLUSTER), F.col("window_start").alias(WINDOW)))
    validate_clusters(reduce(DataFrame.unionByName, parts), name=name)


def validate_clusters(rows: DataFrame, *, name: str) -> None:
    """Raises ContractError with examples unless each cluster lies within one window."""
    spans = rows.groupBy(_CLUSTER).agg(F.min(WINDOW).alias(_FIRST), F.max(WINDOW).alias(_LAST))
    is_split = column_of(_CLUSTER).isNotNull() & (column_of(_FIRST) != column_of(_LAST))
    if examples := spans.where(is_split).limit(3).collect():
        shown = [f"{row[_CLUSTER]} ({row[_FIRST]} to {row[_LAST]})" for row in examples]
        raise ContractError.clusters_over_windows(name, shown)
