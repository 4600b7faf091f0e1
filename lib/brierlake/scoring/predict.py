"""Predict: the prepared model as a UDF over the stale windows' features, in the shape of the predictions table."""

from collections.abc import Mapping
from dataclasses import replace

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from brierlake.lakehouse.features import key_text, null_key_issue
from brierlake.lakehouse.predictions import Issue, spec_for
from brierlake.lakehouse.windows import WINDOW
from brierlake.model import (
    ISSUE,
    PROBABILITY,
    build_udf,
    explain_rows,
    is_vague,
    select_inputs,
    with_predictions,
    words_of,
)
from brierlake.names import column_of, internal
from brierlake.run.context import Stamp
from brierlake.schemas import TableSpec
from brierlake.scoring.planning import Plan
from brierlake.scoring.prepare import PreparedModel

_KEY = internal("key")
_MOST_EXPLAINED = 100


def build_predictions(plan: Plan, prepared: PreparedModel, *, stamp: Stamp) -> tuple[DataFrame, TableSpec]:
    """Return the predictions of the stale windows, not computed yet, and the table's spec."""
    udf = build_udf(plan.pin.spark, prepared.adapter)
    features = plan.features.of_windows(plan.stale)
    scored = features.transform(with_predictions, udf=udf, contract=prepared.contract, seen=prepared.seen)
    spec = spec_for(plan.features.config, plan.features.schema)
    return scored.transform(as_predictions, plan=plan, stamp=stamp, spec=spec), spec


def explain_issues(plan: Plan, prepared: PreparedModel, issues: Mapping[str, Issue]) -> Mapping[str, Issue]:
    """Add what the model says to the first example of each issue whose rows hold only the kind of error."""
    firsts = {issue: each.examples[0] for issue, each in issues.items() if is_vague(issue)}
    if not firsts:
        return issues
    named = key_text(plan.features.schema, plan.features.config.key)
    rows = plan.features.of_windows(plan.stale).where(named.isin(*firsts.values())).limit(_MOST_EXPLAINED)
    found = select_inputs(rows, contract=prepared.contract, beside=[named.alias(_KEY)]).toPandas()
    said = dict(zip(found[_KEY], explain_rows(prepared.adapter, found, contract=prepared.contract), strict=True))
    told = {issue: f"{key} ({words_of(said[key])})" for issue, key in firsts.items() if said.get(key)}
    return {
        issue: replace(each, examples=(told[issue], *each.examples[1:])) if issue in told else each
        for issue, each in issues.items()
    }


def stamp_columns(plan: Plan, stamp: Stamp) -> dict[str, Column]:
    """The columns that say who scored, with what, and when."""
    return {
        "model_name": F.lit(plan.resolution.model_name),
        "model_version": F.lit(plan.resolution.model_version),
        "recipe": F.lit(plan.recipe),
        "run_id": F.lit(stamp.run_id),
        "features_version": F.lit(plan.pin.version),
        "scored_at": F.lit(stamp.at),
    }


def as_predictions(scored: DataFrame, *, plan: Plan, stamp: Stamp, spec: TableSpec) -> DataFrame:
    """Rows with a probability or an issue, in the shape of the predictions table."""
    event_at, key = plan.features.config.event_at, plan.features.config.key
    unnamed = null_key_issue(key)
    made = {
        **stamp_columns(plan, stamp),
        "window_start": F.col(WINDOW),
        "event_at": column_of(event_at) if event_at else F.lit(None),
        "probability": F.when(unnamed.isNull(), F.col(PROBABILITY)),
        "issue": F.coalesce(unnamed, F.col(ISSUE)),
    }
    return scored.select(
        *(made.get(each.name, column_of(each.name)).cast(each.dataType).alias(each.name) for each in spec.schema)
    )
