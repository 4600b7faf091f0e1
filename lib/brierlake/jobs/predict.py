"""From features to predictions: contract, sample and environment first, then the model as a UDF."""

from pathlib import Path

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from brierlake.jobs.plan import Plan
from brierlake.jobs.run import Run
from brierlake.lakehouse.predictions import spec_for
from brierlake.model import (
    Contract,
    build_contract,
    build_udf,
    compare_environment,
    describe_differences,
    prepare_adapter,
    read_environment,
    select_inputs,
    try_sample,
    validate_environment,
    with_predictions,
)
from brierlake.registry import FetchedModel
from brierlake.schemas import TableSpec


def build_predictions(
    run: Run, plan: Plan, features: DataFrame, fetched: FetchedModel, *, folder: Path
) -> tuple[DataFrame, TableSpec]:
    """Returns the predictions of these rows, not computed yet, and the table's spec.

    Raises:
        ContractError: The rows aren't what the model takes, or it doesn't give probabilities on a sample of them.
    """
    config, table = run.config, plan.pin.table.name
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
    _try_out(run, features, fetched, contract=contract, adapter=adapter, table=table)
    scored = features.transform(with_predictions, udf=build_udf(run.spark, adapter), contract=contract)
    spec = spec_for(config.features, plan.features.schema)
    return scored.transform(as_predictions, run=run, plan=plan, spec=spec), spec


def _try_out(
    run: Run, features: DataFrame, fetched: FetchedModel, *, contract: Contract, adapter: Path, table: str
) -> None:
    mode = run.config.scoring.environment
    if mode != "ignore":
        differences = compare_environment(read_environment(fetched.path), spark=run.spark)
        validate_environment(differences, mode=mode)
        for line in describe_differences(differences):
            run.say(line)
    sample = select_inputs(features, contract=contract).limit(run.config.scoring.sample_rows).toPandas()
    share = run.config.scoring.max_issue_share
    for note in try_sample(adapter, sample, contract=contract, max_issue_share=share, table=table).notes:
        run.say(note)


def as_predictions(scored: DataFrame, *, run: Run, plan: Plan, spec: TableSpec) -> DataFrame:
    """Rows with a probability or an issue, in the shape of the predictions table."""
    event_at = run.config.features.event_at
    made = {
        "event_at": F.col(event_at) if event_at else F.lit(None),
        "model_name": F.lit(plan.resolution.model_name),
        "model_version": F.lit(plan.resolution.model_version),
        "recipe": F.lit(plan.recipe),
        "run_id": F.lit(run.run_id),
        "features_version": F.lit(plan.pin.version),
        "scored_at": F.lit(run.started_at),
    }
    return scored.select(
        *(made.get(each.name, F.col(each.name)).cast(each.dataType).alias(each.name) for each in spec.schema)
    )
