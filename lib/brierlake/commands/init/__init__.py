"""Init: asks the registry and the features table, and writes a commented config that works with what it found."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from brierlake.commands.init.draft import Choice, Place, config_text
from brierlake.commands.init.outcomes import find_beside, labels_in, own_outcomes
from brierlake.commands.init.survey import ModelFindings, Outcomes, TableFindings, is_key, look_at_models, look_at_table
from brierlake.config import MlflowConfig, SessionConfig
from brierlake.configfile import read_config
from brierlake.errors import ConfigError, ContractError
from brierlake.lakehouse.tables import Table, pin_table, read_table
from brierlake.registry import connect
from brierlake.run.context import Say
from brierlake.session import start_session
from brierlake.summaries import InitSummary
from brierlake.summary_parts import FoundModelPart

_SQLITE = "sqlite:///"


def init(
    *,
    tracking_uri: str,
    features: str,
    labels: str | None,
    root: str | None,
    catalog: str | None,
    silver: str,
    names: tuple[str, ...],
    key: tuple[str, ...],
    output: str,
    say: Say,
    is_debug: bool,
) -> InitSummary:
    """Write the config to `output`, which must not be there yet.

    Raises:
        ConfigError: There is such a file, or the table's name says no place.
        ModelError: The registry can't be asked, or has no versions.
        ContractError: No model can be fed from the table, or nothing names its rows.
    """
    if Path(output).exists():
        raise ConfigError.file_in_the_way(output)
    place = find_place(features, root=root, catalog=catalog, silver=silver)
    uri = _absolute(tracking_uri)
    there = frozenset(os.environ)  # before MLflow, which sets its own address there
    say("Asking the registry")
    client = connect(MlflowConfig(tracking_uri=uri))
    say("Starting Spark")
    spark = start_session(SessionConfig(), app_name="brierlake init", is_debug=is_debug)
    rows = _rows(place.locate(spark, place.table), setting="--features")
    say(f"Looking at {place.table}")
    table = look_at_table(rows)
    models = look_at_models(client, rows.schema, names=names, table=place.table)
    fitting = [each for each in models if each.fault is None]
    if not fitting:
        raise ContractError.no_fitting_model(place.table, [f"{each.name}: {each.fault}" for each in models])
    chosen = key or _key(rows, table, models=fitting, name=place.table)
    choice = Choice(
        place=place,
        tracking_uri=uri,
        key=chosen,
        table=table,
        labels=_labels(spark, place, labels, key=chosen, table=table, models=fitting, say=say),
        models=models,
        metric=choose_metric(fitting),
    )
    return _write(choice, output, unset=[name for name in choice.variables if name not in there], say=say)


def find_place(features: str, *, root: str | None, catalog: str | None, silver: str) -> Place:
    """Read root, layer and name from a whole path or name, where they aren't given."""
    if root or catalog:
        return Place(_absolute(root) if root else None, catalog, silver, features)
    if "/" in features:
        head, layer, name = ["", "", *features.rstrip("/").rsplit("/", 2)][-3:]
        if head:
            return Place(_absolute(head), None, layer, name)
    parts = features.split(".")
    if len(parts) == 3:
        return Place(None, *parts)
    raise ConfigError.no_place(features)


def _absolute(uri: str) -> str:
    if uri.startswith(_SQLITE):
        return _SQLITE + str(Path(uri.removeprefix(_SQLITE)).resolve())
    return uri if "://" in uri or uri.startswith("databricks") else str(Path(uri).expanduser().resolve())


def _rows(table: Table, *, setting: str) -> DataFrame:
    return read_table(pin_table(table, setting=setting).table)


def _labels(
    spark: SparkSession,
    place: Place,
    given: str | None,
    *,
    key: Sequence[str],
    table: TableFindings,
    models: Sequence[ModelFindings],
    say: Say,
) -> Outcomes | None:
    """Look where it is told to; else among the columns that no model takes, then at the tables beside."""
    event_at = next(iter(table.times), None)
    if given:
        found = look_at_table(_rows(place.locate(spark, given), setting="--labels"))
        return labels_in(given, found, key=key, event_at=event_at)
    taken = {*key, *(name for each in models for name in (*each.inputs, *each.columns))}
    if own := own_outcomes(table, taken=taken):
        return own
    say(f"Looking for outcomes in the tables beside {place.table}")
    return find_beside(spark, place, key=key, types=table, event_at=event_at)


def _key(rows: DataFrame, table: TableFindings, *, models: Sequence[ModelFindings], name: str) -> tuple[str, ...]:
    inputs = {column for each in models for column in each.inputs}
    outcomes = set(table.outcomes)
    likely = sorted(table.keys, key=lambda key: (bool(outcomes & set(key)), bool(inputs & set(key))))
    found = next((key for key in likely if is_key(rows, key)), None)
    if found is None:
        raise ContractError.no_key(name, list(table.types))
    return found


def choose_metric(models: Sequence[ModelFindings]) -> str:
    """Return `brier` where it was logged, else a name with it, else what most runs logged."""
    seen: Counter[str] = Counter()
    for each in models:
        seen.update(each.metrics)
    named = [name for name, _ in seen.most_common() if "brier" in name.lower()]
    return "brier" if "brier" in seen or not seen else named[0] if named else seen.most_common(1)[0][0]


def _write(choice: Choice, output: str, *, unset: Sequence[str], say: Say) -> InitSummary:
    path = Path(output)
    with path.open("x", encoding="utf-8") as file:
        file.write(config_text(choice))
    if unset:
        say(f"Set {' and '.join(unset)} before you use it: an address with a password in it isn't written down")
    else:
        read_config(path)
    return InitSummary(
        job=choice.place.table,
        output=output,
        key=list(choice.key),
        metric=choice.metric,
        models=[
            FoundModelPart(name=each.name, versions=each.version_count, fault=each.fault) for each in choice.models
        ],
    )
