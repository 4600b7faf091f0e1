"""Which logged value counts for a version, where it is from, and why it may not count."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from mlflow import MlflowClient

from brierlake.config import ModelConfig
from brierlake.registry.connection import map_at_once
from brierlake.registry.histories import History, read_histories
from brierlake.registry.points import choose_point, read_linked_points, read_model_points, tell_apart
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
    """Null: the value is from a tag, or there is none."""
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
    """Finds each version's value: its run's; its own where the run logged several models; else its tag's.

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
