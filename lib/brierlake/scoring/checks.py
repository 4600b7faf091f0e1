"""Checks before any row is scored of what could otherwise fail a run when its predictions are published already."""

from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from brierlake.config import AUTO
from brierlake.diagnosis.counting import FEW_ROWS, validate_clusters
from brierlake.diagnosis.grouping import CLUSTER
from brierlake.diagnosis.recomputation import Subject, open_subject
from brierlake.diagnosis.stale import has_strange
from brierlake.lakehouse.diagnostics import find_provenances, read_published
from brierlake.lakehouse.label_checks import validate_classes, validate_label_types, validate_label_values
from brierlake.lakehouse.labels import Labels, as_keys
from brierlake.lakehouse.tables import is_there, read_table
from brierlake.lakehouse.windows import WINDOW, Scope, other_condition, scope_condition, whole_months
from brierlake.names import column_of
from brierlake.run.context import Run
from brierlake.scoring.planning import Plan


def check_labels(run: Run, plan: Plan) -> None:
    """Raise ContractError where labels or clusters would fail the diagnostics of what the plan publishes."""
    subject = open_subject(run, find_trained=dict)
    published = _read_published_rows(subject, plan.scope)
    if (labels := subject.labels) is not None:
        schemas = [plan.features.schema, *([published.schema] if published is not None else [])]
        for schema in schemas:
            validate_label_types(labels, keyed=schema)
        # a row of the features has one outcome, where the predictions carry it
        if labels.config.table is not None or labels.config.outcome not in subject.features.carry:
            _check_values(labels, plan, subject, published=published)
        else:
            validate_classes(labels, keys=_scored_keys(plan), as_of=subject.stamp.at)
    _check_clusters(plan, name=subject.settings.cluster, published=published)


def _read_published_rows(subject: Subject, scope: Scope) -> DataFrame | None:
    """The published rows that the diagnostics will read beside what is scored now; None: none that have today's key."""
    if not is_there(subject.predictions):
        return None
    rows = read_table(subject.predictions)
    if not {*subject.features.key} <= {*rows.columns}:
        return None  # what becomes of such a table is told where it is to be written
    scope = whole_months(scope)
    if not scope.is_full:
        known = find_provenances(read_published(subject.lake.metrics, job=subject.stamp.job, role=subject.role))
        scope = Scope() if has_strange(subject, known) else scope
    return rows.where(scope_condition(scope))


def _scored_keys(plan: Plan) -> DataFrame:
    return as_keys(plan.features.of_scope(plan.scope), plan.features.config)


def _check_values(labels: Labels, plan: Plan, subject: Subject, *, published: DataFrame | None) -> None:
    keys = _scored_keys(plan)
    is_few = sum(plan.rows_by_window.values()) <= FEW_ROWS
    if published is not None:
        keys = keys.unionByName(as_keys(published, subject.features))
        is_few = is_few and plan.scope.is_full and sum(each.rows for each in plan.states.values()) <= FEW_ROWS
    validate_label_values(labels, keys=keys, is_few=is_few, as_of=subject.stamp.at)


def _check_clusters(plan: Plan, *, name: str | None, published: DataFrame | None) -> None:
    stale = set(plan.stale)
    if name in (None, AUTO, "window_start") or not stale:
        return
    parts = [plan.features.of_windows(stale).select(column_of(name).alias(CLUSTER), F.col(WINDOW))]
    if published is not None and name in published.columns:
        kept = published.where(other_condition(stale))
        parts.append(kept.select(column_of(name).alias(CLUSTER), F.col("window_start").alias(WINDOW)))
    validate_clusters(reduce(DataFrame.unionByName, parts), name=name)
