"""From the config's names, pin or alias to one version, with a row for each that was looked at."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from mlflow import MlflowClient

from brierlake.config import ModelConfig
from brierlake.errors import ModelError
from brierlake.registry.fetching import read_format
from brierlake.registry.files import find_unfit
from brierlake.registry.ranking import rank_measures
from brierlake.registry.recalibrations import read_recalibration
from brierlake.registry.records import Candidate, Recalibration, Resolution
from brierlake.registry.runs import Run, read_features
from brierlake.registry.training_period import find_trained_until
from brierlake.registry.values import Measure, read_measures
from brierlake.registry.versions import Version, read_pinned, read_tags, read_version_runs, read_versions


def resolve_model(client: MlflowClient, config: ModelConfig) -> Resolution:
    """Choose one version and pins its number: what happens in the registry afterwards changes nothing.

    A pinned version, or the one that an alias names now, is taken whatever its metric; its row still says what the
    metric is and whether it could have been chosen by it.

    Raises:
        ModelError: A name, version or alias isn't there or may not be seen, or no version can be chosen.
    """
    versions = [read_pinned(client, config.pin)] if config.pin else read_versions(client, config.names)
    runs = read_version_runs(client, versions)
    measures = read_measures(client, versions, runs, config)
    made_of = {each.label: read_recalibration(each, runs.get(each.run_id or "")) for each in versions}
    candidates = _pinned(measures, config) if config.pin else _chosen(client, measures, runs, made_of, config)
    candidates = tuple(_described(each, made_of[f"{each.model_name}/{each.model_version}"]) for each in candidates)
    best = next(each for each in candidates if each.is_selected)
    version = next(each for each in versions if (each.name, each.number) == (best.model_name, best.model_version))
    run = runs.get(version.run_id or "")
    return Resolution(
        model_name=version.name,
        model_version=version.number,
        run_id=version.run_id,
        metric_name=config.metric,
        metric_value=best.value,
        candidates=candidates,
        features=read_features(read_tags(client, version), *((run.tags, run.params) if run else ())),
        trained_until=find_trained_until(client, version, run, config),
        recalibration=made_of[version.label],
    )


def _described(candidate: Candidate, recalibration: Recalibration | None) -> Candidate:
    return replace(candidate, recalibrates=recalibration.described) if recalibration else candidate


def _pinned(measures: Sequence[Measure], config: ModelConfig) -> tuple[Candidate, ...]:
    version: Version = measures[0].version
    if version.status != "READY":
        raise ModelError.not_ready(f"models:/{version.label}", version.status)
    return tuple(replace(each, is_selected=True) for each in rank_measures(measures, config))


def _chosen(
    client: MlflowClient,
    measures: Sequence[Measure],
    runs: Mapping[str, Run],
    made_of: Mapping[str, Recalibration | None],
    config: ModelConfig,
) -> tuple[Candidate, ...]:
    """Mark the best whose files may be used; each that may not gets its reason, and the next is looked at."""
    origins = {(each.version.name, each.version.number): each.version.origin for each in measures}
    refused = {
        each.version.origin: f"{recalibration.described}, measured on other rows than they are: pin it to serve it"
        for each in measures
        if (recalibration := made_of[each.version.label])
    }
    while True:
        candidates = rank_measures(measures, config, refused=refused)
        if not candidates[0].is_eligible:
            reasons = Counter(str(each.reason) for each in candidates)
            metrics = {metric for run in runs.values() for metric in run.metrics}
            raise ModelError.no_eligible(config.names, config.metric, reasons, metrics)
        best = candidates[0]
        reason = find_unfit(read_format(client, f"models:/{best.model_name}/{best.model_version}"), config.allow)
        if reason is None:
            return (replace(best, is_selected=True), *candidates[1:])
        refused[origins[best.model_name, best.model_version]] = reason
