"""From features to predictions: contract, environment and sample first, then the model as a UDF."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brierlake.brier import CalibrationMap
from brierlake.config import Label
from brierlake.errors import ModelError
from brierlake.lakehouse.features import validate_unique_key
from brierlake.model import (
    Contract,
    Differences,
    build_contract,
    compare_environment,
    describe_differences,
    prepare_adapter,
    read_calibration,
    read_environment,
    select_inputs,
    try_sample,
    validate_environment,
)
from brierlake.registry import connect, fetch_model
from brierlake.run.context import Run
from brierlake.scoring.planning import Plan
from brierlake.summary_parts import DifferencePart


@dataclass(frozen=True)
class PreparedModel:
    """A model that was fetched and tried out on the stale windows' features, before any row is scored."""

    digest: str
    contract: Contract
    adapter: Path
    """What executors load; in the folder that was given, for as long as that is there."""
    differences: Differences
    """Between what the model asks for and what is installed; empty where `scoring.environment` is ignore."""
    seen: tuple[str, ...]
    """Issues of the sample's rows."""


def prepare_model(run: Run, plan: Plan, *, folder: Path) -> PreparedModel:
    """Fetch the plan's version into a folder, and check keys, contract, environment and a sample; write nothing.

    Raises:
        ModelError: The version can't be fetched or trusted.
        ContractError: The rows aren't what the model takes, or it doesn't give probabilities on a sample of them.
    """
    config, table, features = run.config, plan.pin.table.name, plan.features.of_windows(plan.stale)
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
    recalibrated, uri = fetched.calibration, plan.resolution.uri
    calibration = find_map(recalibrated, config.model.positive_class, uri=uri) if recalibrated else None
    adapter = prepare_adapter(
        fetched.path,
        digest=fetched.digest,
        contract=contract,
        positive_class=config.model.positive_class,
        calibration=calibration,
        folder=folder,
    )
    differences = _check_environment(run, fetched.path)
    sample = select_inputs(features, contract=contract).limit(config.scoring.sample_rows).toPandas()
    share = config.scoring.max_issue_share
    result = try_sample(adapter, sample, contract=contract, max_issue_share=share, table=table)
    for note in result.notes:
        run.say(note)
    seen = tuple(issue for issue, _ in result.issues)
    return PreparedModel(digest=fetched.digest, contract=contract, adapter=adapter, differences=differences, seen=seen)


def find_map(text: str, positive_class: Label, *, uri: str) -> CalibrationMap:
    """Read a recalibrated version's map.

    Raises:
        ModelError: It is of another class's probability.
    """
    found = read_calibration(text)
    if str(found.positive_class) != str(positive_class):
        raise ModelError.other_class(uri, found.positive_class, positive_class)
    return found.map


def _check_environment(run: Run, model_path: Path) -> Differences:
    mode = run.config.scoring.environment
    if mode == "ignore":
        return Differences((), ())
    differences = compare_environment(read_environment(model_path), spark=run.spark)
    validate_environment(differences, mode=mode)
    for line in describe_differences(differences):
        run.say(line)
    return differences


def describe_model(prepared: PreparedModel | None) -> dict[str, Any]:
    """Return the fields of a summary that tell of the model; None: it was not fetched, for nothing is stale."""
    if prepared is None:
        return dict.fromkeys(("model_digest", "features", "casts", "environment"))
    return {
        "model_digest": prepared.digest,
        "features": list(prepared.contract.features),
        "casts": dict(prepared.contract.casts),
        "environment": [DifferencePart(**vars(each)) for each in prepared.differences.packages],
    }
