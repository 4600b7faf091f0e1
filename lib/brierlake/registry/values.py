"""The value that each version is ranked by: where it is looked for, and which of the logged ones counts."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from mlflow import MlflowClient

from brierlake.config import ModelConfig, Rule
from brierlake.registry.connection import asking, map_at_once, read_pages
from brierlake.registry.histories import History, read_histories
from brierlake.registry.records import ValueSource
from brierlake.registry.runs import Point, Run
from brierlake.registry.versions import Version, read_tags

_INFINITE = 1.7976931348623157e308  # what MLflow's database makes of an infinity


@dataclass(frozen=True)
class Finding:
    """What was found for one run, or for one logged model."""

    value: float | None
    """As it was logged, NaN included."""
    point: Point | None
    """None: the value is from a tag, or there is none."""
    value_source: ValueSource | None
    fault: str | None
    """Why a version with this can't be chosen."""


@dataclass(frozen=True)
class Measure:
    """A version and what was found for it."""

    version: Version
    finding: Finding


def read_measures(
    client: MlflowClient, versions: Sequence[Version], runs: Mapping[str, Run], config: ModelConfig
) -> tuple[Measure, ...]:
    """Find each version's value: its run's; its own where the run logged several models; else its tag's.

    One call for each run that logged several models, a few at a time; the others' histories come many a call, and by
    the rule `last_step` none is needed.
    """
    alone: dict[str, Run] = {}
    tasks: dict[str, Callable[[], dict[str, Finding]]] = {}
    for version in versions:
        run = runs.get(version.run_id or "")
        if run and _is_one_of_several(version, run):
            tasks[f"models of {run.run_id}"] = partial(_find_apart, client, run, config)
        elif run:
            alone[run.run_id] = run
        elif version.model_id:
            tasks[version.model_id] = partial(_find_by_model, client, version.model_id, config)
    done = map_at_once(lambda task: task(), tasks.values())
    findings = {key: finding for each in done for key, finding in each.items()} | _find_in_runs(client, alone, config)
    measures = [_measured(version, runs.get(version.run_id or ""), findings, config) for version in versions]
    return tuple(map_at_once(partial(_final, client, config=config), measures))


def missing(metric: str) -> str:
    return f"metric {metric} is missing"


def _is_one_of_several(version: Version, run: Run) -> bool:
    return len(run.model_steps) > 1 and version.model_id in run.model_steps


def _find_in_runs(client: MlflowClient, runs: Mapping[str, Run], config: ModelConfig) -> dict[str, Finding]:
    histories: Mapping[str, History] = {}
    if config.rule == "last_logged":
        histories = read_histories(
            client, [run for run in runs.values() if config.metric in run.metrics], config.metric
        )
    return {
        run_id: _found(
            choose_point(histories.get(run_id, ()), config.rule) or run.metrics.get(config.metric), "run", config
        )
        for run_id, run in runs.items()
    }


def _find_apart(client: MlflowClient, run: Run, config: ModelConfig) -> dict[str, Finding]:
    linked = read_linked_points(client, run, config.metric)
    apart = tell_apart(linked, run.model_steps)
    # MLflow 3.8 links no value that was logged without the model's id
    if config.metric in run.metrics and not any((apart or {}).values()):
        fault = f"its run logged several models, and {config.metric} isn't tied to one of them (log it with model_id=)"
        return {model_id: Finding(None, None, None, fault) for model_id in linked}
    return {
        model_id: _found(choose_point(points, config.rule), "logged_model", config)
        for model_id, points in (apart or dict.fromkeys(linked, frozenset())).items()
    }


def _find_by_model(client: MlflowClient, model_id: str, config: ModelConfig) -> dict[str, Finding]:
    linked = read_model_points(client, model_id, config.metric)
    return {model_id: _found(choose_point(linked.points, config.rule), "logged_model", config)}


def _found(point: Point | None, value_source: ValueSource, config: ModelConfig) -> Finding:
    if point is None:
        return Finding(None, None, None, missing(config.metric))
    return Finding(point.value, point, value_source, _value_fault(point.value, config))


def _value_fault(value: float, config: ModelConfig) -> str | None:
    if math.isnan(value):
        return f"{config.metric} is NaN"
    if abs(value) >= _INFINITE:
        return f"{config.metric} is infinite"
    if config.range and not config.range[0] <= value <= config.range[1]:
        return f"{config.metric} is outside {config.range[0]:g} to {config.range[1]:g}"
    return None


def _measured(version: Version, run: Run | None, findings: Mapping[str, Finding], config: ModelConfig) -> Measure:
    key = version.run_id if run and not _is_one_of_several(version, run) else version.model_id
    finding = findings.get(key or "", Finding(None, None, None, missing(config.metric)))
    if run and run.fault:
        finding = replace(finding, fault=run.fault)
    return Measure(version, finding)


def _final(client: MlflowClient, measure: Measure, *, config: ModelConfig) -> Measure:
    """A tag stands in for a value that is missing or can't count; what isn't ready can't count at all."""
    version, finding = measure.version, measure.finding
    tag = read_tags(client, version).get(config.metric) if finding.fault else None
    if tag is not None:
        finding = _tagged(tag, finding, config)
    if version.status != "READY":
        finding = replace(finding, fault=f"its status is {version.status}")
    return Measure(version, finding)


def _tagged(text: str, otherwise: Finding, config: ModelConfig) -> Finding:
    try:
        value = float(text)
    except ValueError:
        return replace(otherwise, fault=f"its tag {config.metric} isn't a number, and {otherwise.fault}")
    return Finding(value, None, "tag", _value_fault(value, config))


@dataclass(frozen=True)
class LoggedPoints:
    """A metric's values that MLflow has linked to one logged model."""

    created: int
    """Milliseconds since 1970, UTC."""
    points: frozenset[Point]


def choose_point(points: Iterable[Point], rule: Rule) -> Point | None:
    """Return the last value by wall clock, or the one at the highest step; MLflow breaks ties the same way."""
    if rule == "last_logged":
        return max(points, key=lambda point: (point.timestamp, point.step, point.value), default=None)
    return max(points, key=lambda point: (point.step, point.timestamp, point.value), default=None)


def tell_apart(models: Mapping[str, LoggedPoints], steps: Mapping[str, int]) -> dict[str, frozenset[Point]] | None:
    """Return the values that are each model's own, of several that one run logged; None: they can't be told apart.

    MLflow keeps no record of whether a value was logged for a model by name. Without a name it links the value to the
    first of the models at the value's step, and links what is there already to each model that follows. So a link
    means something only where the models have different steps (checkpoints), or where, leaving out values older than
    the model, every model has values and no two share one.
    """
    own = {model_id: each.points for model_id, each in models.items()}
    if len({steps.get(model_id) for model_id in models}) == len(models):
        return own
    if _are_distinct(own.values()):
        return own
    later = {
        model_id: frozenset(point for point in each.points if point.timestamp >= each.created)
        for model_id, each in models.items()
    }
    return later if _are_distinct(later.values()) else None


def read_linked_points(client: MlflowClient, run: Run, metric: str) -> dict[str, LoggedPoints]:
    """Read the values linked to each of the models that a run logged; deleted models are left out."""

    def ask(token: str | None) -> Any:
        return client.search_logged_models([run.experiment_id], f"source_run_id = '{run.run_id}'", page_token=token)

    with asking(client.tracking_uri, f"read the logged models of run {run.run_id}"):
        return {model.model_id: _linked(model, metric) for model in read_pages(ask)}


def read_model_points(client: MlflowClient, model_id: str, metric: str) -> LoggedPoints:
    """Read the values linked to a logged model that is from no run."""
    with asking(client.tracking_uri, f"read the logged model {model_id}"):
        return _linked(client.get_logged_model(model_id), metric)


def _linked(model: Any, metric: str) -> LoggedPoints:
    points = (Point(each.value, each.step, each.timestamp) for each in model.metrics or () if each.key == metric)
    return LoggedPoints(created=model.creation_timestamp, points=frozenset(points))


def _are_distinct(sets: Collection[frozenset[Point]]) -> bool:
    return all(sets) and sum(map(len, sets)) == len(frozenset().union(*sets))
