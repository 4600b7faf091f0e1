"""From features to predictions: contract, environment and sample first, then the model as a UDF."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from brierlake.jobs.plan import Plan
from brierlake.jobs.run import Run
from brierlake.lakehouse.features import filter_windows, key_text, null_key_issue, validate_unique_key
from brierlake.lakehouse.predictions import Issue, spec_for
from brierlake.lakehouse.windows import WINDOW
from brierlake.model import (
    ISSUE,
    PROBABILITY,
    Contract,
    Differences,
    build_contract,
    build_udf,
    compare_environment,
    describe_differences,
    explain_rows,
    is_vague,
    prepare_adapter,
    read_environment,
    select_inputs,
    try_sample,
    validate_environment,
    with_predictions,
    words_of,
)
from brierlake.names import column_of
from brierlake.registry import connect, fetch_model
from brierlake.schemas import TableSpec

_KEY = "__brierlake_key"
_MOST_EXPLAINED = 100


@dataclass(frozen=True)
class Checked:
    """A model that was fetched and tried out on the stale windows' features, before any row is scored."""

    digest: str
    contract: Contract
    adapter: Path
    """What executors load; in the folder that was given, for as long as that is there."""
    differences: Differences
    """Between what the model asks for and what is installed; empty where `scoring.environment` is ignore."""
    seen: tuple[str, ...]
    """Issues of the sample's rows."""


def stale_features(run: Run, plan: Plan) -> DataFrame:
    return filter_windows(plan.features, run.config.features, windows=plan.stale, pin=plan.pin)


def check_model(run: Run, plan: Plan, *, folder: Path) -> Checked:
    """Fetches the plan's version into a folder, and checks keys, contract, environment and a sample; writes nothing.

    Raises:
        ModelError: The version can't be fetched or trusted.
        ContractError: The rows aren't what the model takes, or it doesn't give probabilities on a sample of them.
    """
    config, table, features = run.config, plan.pin.table.name, stale_features(run, plan)
    if not config.features.trust_unique_key:
        validate_unique_key(features, key=config.features.key, table=table)
    run.say(f"Fetching {plan.resolution.model_name} version {plan.resolution.model_version}")
    fetched = fetch_model(connect(config.mlflow), plan.resolution, config.model, folder=folder / "fetched")
    contract = build_contract(
        fetched.path,
        plan.features.schema,
        features=config.features.columns,
        run_features=plan.resolution.features,
        positive_class=config.model.positive_class,
        reserved=(config.labels.outcome,) if config.labels and config.labels.table is None else (),
        table=table,
    )
    adapter = prepare_adapter(
        fetched.path, contract=contract, positive_class=config.model.positive_class, folder=folder
    )
    differences = _check_environment(run, fetched.path)
    sample = select_inputs(features, contract=contract).limit(config.scoring.sample_rows).toPandas()
    share = config.scoring.max_issue_share
    result = try_sample(adapter, sample, contract=contract, max_issue_share=share, table=table)
    for note in result.notes:
        run.say(note)
    seen = tuple(issue for issue, _ in result.issues)
    return Checked(digest=fetched.digest, contract=contract, adapter=adapter, differences=differences, seen=seen)


def _check_environment(run: Run, model_path: Path) -> Differences:
    mode = run.config.scoring.environment
    if mode == "ignore":
        return Differences((), ())
    differences = compare_environment(read_environment(model_path), spark=run.spark)
    validate_environment(differences, mode=mode)
    for line in describe_differences(differences):
        run.say(line)
    return differences


def build_predictions(run: Run, plan: Plan, checked: Checked) -> tuple[DataFrame, TableSpec]:
    """Returns the predictions of the stale windows, not computed yet, and the table's spec."""
    udf = build_udf(run.spark, checked.adapter)
    features = stale_features(run, plan)
    scored = features.transform(with_predictions, udf=udf, contract=checked.contract, seen=checked.seen)
    spec = spec_for(run.config.features, plan.features.schema)
    return scored.transform(as_predictions, run=run, plan=plan, spec=spec), spec


def explain_issues(run: Run, plan: Plan, checked: Checked, issues: Mapping[str, Issue]) -> Mapping[str, Issue]:
    """Adds what the model says to the first example of each issue whose rows hold only the kind of error."""
    firsts = {issue: each.examples[0] for issue, each in issues.items() if is_vague(issue)}
    if not firsts:
        return issues
    named = key_text(plan.features.schema, run.config.features.key)
    rows = stale_features(run, plan).where(named.isin(*firsts.values())).limit(_MOST_EXPLAINED)
    found = select_inputs(rows, contract=checked.contract, beside=[named.alias(_KEY)]).toPandas()
    said = dict(zip(found[_KEY], explain_rows(checked.adapter, found, contract=checked.contract), strict=True))
    told = {issue: f"{key} ({words_of(said[key])})" for issue, key in firsts.items() if said.get(key)}
    return {
        issue: replace(each, examples=(told[issue], *each.examples[1:])) if issue in told else each
        for issue, each in issues.items()
    }


def as_predictions(scored: DataFrame, *, run: Run, plan: Plan, spec: TableSpec) -> DataFrame:
    """Rows with a probability or an issue, in the shape of the predictions table."""
    event_at, key = run.config.features.event_at, run.config.features.key
    unnamed = null_key_issue(key)
    made = {
        "window_start": F.col(WINDOW),
        "event_at": column_of(event_at) if event_at else F.lit(None),
        "model_name": F.lit(plan.resolution.model_name),
        "model_version": F.lit(plan.resolution.model_version),
        "recipe": F.lit(plan.recipe),
        "run_id": F.lit(run.run_id),
        "features_version": F.lit(plan.pin.version),
        "scored_at": F.lit(run.started_at),
        "probability": F.when(unnamed.isNull(), F.col(PROBABILITY)),
        "issue": F.coalesce(unnamed, F.col(ISSUE)),
    }
    return scored.select(
        *(made.get(each.name, column_of(each.name)).cast(each.dataType).alias(each.name) for each in spec.schema)
    )
