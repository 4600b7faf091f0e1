"""Score: the best registered version, the windows that need it, one commit, and what it is worth."""

import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from brierlake.errors import BrierlakeError, ContractError, GateError, StorageError
from brierlake.jobs.diagnose import Diagnosis, diagnose_windows, validate_labels
from brierlake.jobs.recipe import compute_recipe
from brierlake.jobs.run import Run, record_failure, record_run
from brierlake.lakehouse.changes import read_changed_windows
from brierlake.lakehouse.features import count_windows, filter_windows, read_features, validate_unique_key
from brierlake.lakehouse.ledger import append_records
from brierlake.lakehouse.predictions import (
    Commit,
    ConflictError,
    WindowState,
    find_stale,
    oldest_version,
    publish_predictions,
    put_back,
    read_issues,
    read_window_states,
    spec_for,
)
from brierlake.lakehouse.tables import Pin, create_table, is_there, pin_table, read_version
from brierlake.lakehouse.windows import Scope, Window, filter_condition
from brierlake.model import (
    Contract,
    build_contract,
    build_udf,
    compare_environment,
    prepare_adapter,
    read_environment,
    select_inputs,
    try_sample,
    validate_environment,
    with_predictions,
)
from brierlake.registry import FetchedModel, Resolution, connect, fetch_model, resolve_model
from brierlake.schemas import CANDIDATES, TableSpec

_ATTEMPTS = 4


@dataclass(frozen=True)
class Plan:
    """What a run would do: the version, the pinned features, and which windows are stale."""

    resolution: Resolution
    pin: Pin
    recipe: str
    scope: Scope
    features: DataFrame
    rows_by_window: Mapping[Window, int]
    stale: tuple[Window, ...]
    current_count: int

    @property
    def rows(self) -> int:
        return sum(self.rows_by_window.get(window, 0) for window in self.stale)


@dataclass(frozen=True)
class Scored:
    """What a score run did."""

    run_id: str
    status: str
    plan: Plan
    digest: str | None = None
    commit: Commit | None = None
    rows_with_issue: int = 0
    issues: Mapping[str, int] | None = None
    diagnosis: Diagnosis | None = None


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
        record_failure(run, action="score", error=error, exit_code=error.exit_code)
        raise


def _score(run: Run, *, scope: Scope, is_forced: bool, is_empty_allowed: bool) -> Scored:
    plan = make_plan(run, scope=scope, is_forced=is_forced, is_empty_allowed=is_empty_allowed)
    if not plan.stale:
        diagnosis = diagnose_windows(run, scope=scope)
        if not diagnosis.windows:
            return Scored(run_id=run.run_id, status="unchanged", plan=plan, diagnosis=diagnosis)
        scored = Scored(run_id=run.run_id, status="diagnosed", plan=plan, diagnosis=diagnosis)
    else:
        validate_labels(run)
        scored = _publish(run, plan)
        scored = replace(scored, diagnosis=diagnose_windows(run, scope=scope))
    if scored.status != "unchanged":
        _record(run, scored)
    return scored


def make_plan(run: Run, *, scope: Scope, is_forced: bool, is_empty_allowed: bool) -> Plan:
    """Resolves the version, pins the features and compares; writes nothing."""
    config = run.config
    run.say("Looking for the best registered version")
    resolution = resolve_model(connect(config.mlflow), config.model)
    run.say(f"Chose {resolution.model_name} version {resolution.model_version}; comparing windows")
    pin = pin_table(run.spark, run.silver(config.features.table), setting="features.table")
    features = read_features(run.spark, pin, config.features)
    counted = count_windows(features, table=pin.table.name)
    rows_by_window = {window: rows for window, rows in counted.items() if scope.has(window)}
    if not rows_by_window and not is_empty_allowed:
        raise ContractError.empty_scope(pin.table.name, "the table" if scope.is_full else f"the scope {scope}")
    recipe = compute_recipe(config, resolution=resolution, pin=pin)
    stale = _find_stale(run, scope, rows_by_window, recipe=recipe, pin=pin, is_forced=is_forced)
    return Plan(
        resolution=resolution,
        pin=pin,
        recipe=recipe,
        scope=scope,
        features=features,
        rows_by_window=rows_by_window,
        stale=tuple(stale),
        current_count=len(set(rows_by_window) - set(stale)),
    )


def _find_stale(
    run: Run, scope: Scope, rows_by_window: Mapping[Window, int], *, recipe: str, pin: Pin, is_forced: bool
) -> list[Window]:
    states: Mapping[Window, WindowState] = {}
    if is_there(run.spark, run.predictions):
        states = read_window_states(run.spark, run.predictions, scope=scope)
    if is_forced:
        states = {window: replace(state, is_mixed=True) for window, state in states.items()}
    oldest = oldest_version(states, recipe=recipe)
    changed_at: Mapping[Window, int] | None = {}
    if oldest is not None and oldest != pin.version:
        changed_at = read_changed_windows(run.spark, pin, run.config.features, since=oldest)
    return find_stale(rows_by_window, states, recipe=recipe, features_version=pin.version, changed_at=changed_at)


def _publish(run: Run, plan: Plan) -> Scored:
    features = filter_windows(plan.features, run.config.features, windows=plan.stale)
    if not run.config.features.trust_unique_key:
        validate_unique_key(features, key=run.config.features.key, table=plan.pin.table.name)
    with tempfile.TemporaryDirectory(prefix="brierlake-") as folder:
        run.say(f"Fetching {plan.resolution.model_name} version {plan.resolution.model_version}")
        fetched = fetch_model(
            connect(run.config.mlflow), plan.resolution, run.config.model, folder=Path(folder) / "fetched"
        )
        predictions, spec = _predictions(run, plan, features, fetched, folder=Path(folder))
        create_table(run.spark, run.predictions, spec, job=run.config.job)
        run.say(f"Scoring {plan.rows:,} rows in {len(plan.stale):,} windows")
        scored = _publish_until_current(run, plan, predictions)
    return replace(scored, digest=fetched.digest)


def _predictions(
    run: Run, plan: Plan, features: DataFrame, fetched: FetchedModel, *, folder: Path
) -> tuple[DataFrame, TableSpec]:
    config, table = run.config, plan.pin.table.name
    contract = build_contract(
        fetched.path,
        plan.features.schema,
        features=config.features.columns,
        run_features=plan.resolution.features,
        positive_class=config.model.positive_class,
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
        for each in differences.packages:
            run.say(
                f"The model asks for {each.package}{each.required}: driver {each.driver}, executors {each.executors}"
            )
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


def _publish_until_current(run: Run, plan: Plan, predictions: DataFrame) -> Scored:
    stale: Collection[Window] = plan.stale
    for _ in range(_ATTEMPTS):
        expected = sum(plan.rows_by_window.get(window, 0) for window in stale)
        before = read_version(run.spark, run.predictions)
        rows = predictions if len(stale) == len(plan.stale) else predictions.where(filter_condition(stale))
        try:
            commit = publish_predictions(
                run.spark, rows, run.predictions, windows=stale, run_id=run.run_id, expected=expected
            )
        except ConflictError:
            run.say("Another job wrote the same windows; looking again")
            now_stale = _find_stale(
                run, plan.scope, plan.rows_by_window, recipe=plan.recipe, pin=plan.pin, is_forced=False
            )
            stale = [window for window in stale if window in now_stale]
            if not stale:
                return Scored(run_id=run.run_id, status="unchanged", plan=replace(plan, stale=()))
            continue
        return _checked(run, replace(plan, stale=tuple(stale)), commit, before=before)
    raise StorageError.conflict(run.predictions.name, _ATTEMPTS)


def _checked(run: Run, plan: Plan, commit: Commit, *, before: int) -> Scored:
    issues = read_issues(run.spark, run.predictions, run_id=run.run_id, windows=plan.stale)
    with_issue = sum(issues.values())
    if commit.rows and with_issue / commit.rows > run.config.scoring.max_issue_share:
        put_back(run.spark, run.predictions, windows=plan.stale, version=before, tag=f"{run.run_id}:put-back")
        raise GateError.too_many_issues(issues, rows=commit.rows, share=run.config.scoring.max_issue_share)
    return Scored(
        run_id=run.run_id, status="published", plan=plan, commit=commit, rows_with_issue=with_issue, issues=issues
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
        "issues": dict(scored.issues or {}),
        **headline,
    }
    record_run(run, action="score", status="published", exit_code=0, facts=facts)
