"""Registers what an experiment's runs have trained: the good ones, once each, and says why not the others."""

import math
import re
from collections.abc import Callable, Iterator, Sequence

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from brierlake.config import ModelConfig
from brierlake.errors import ModelError
from brierlake.registry.connection import asking, has_code, point_mlflow_at, registry_uri, without_retries
from brierlake.registry.fetching import read_format
from brierlake.registry.files import find_unfit
from brierlake.registry.trained import TrainedModel, read_trained_models
from brierlake.registry.values import read_measures
from brierlake.registry.versions import Version, origin_of, search_versions
from brierlake.summary_parts import RegistrationPart

_FIELD = re.compile(r"\{([^{}]*)\}")


def register_runs(
    client: MlflowClient,
    config: ModelConfig,
    *,
    experiment: str,
    name: str | None = None,
    filter_string: str = "",
    top: int | None = None,
    is_dry_run: bool = False,
) -> list[RegistrationPart]:
    """Register the models of an experiment's runs whose metric counts and that have a signature.

    What is registered already stays, counts among the best, and isn't registered again. So running it twice, or
    again after it broke off, does nothing twice.

    Args:
        client: From `connect`.
        config: Metric, direction, rule, range and what may be loaded.
        experiment: Name of the experiment.
        name: Registered model to register under. `{model}` (the name it was logged under), `{params.x}` and
            `{tags.x}` spread the runs over several. None: the one name in the config.
        filter_string: MLflow's search syntax, for example `params.kind = 'tree' and metrics.brier < 0.2`.
        top: Only the best this many under each name; None: all.
        is_dry_run: Says what would be done, and does nothing.

    Returns:
        A row for each model of each run, by name and best first; then those without a place.

    Raises:
        ModelError: No such experiment, a bad filter or name, or MLflow fails.
    """
    point_mlflow_at(client)
    template = _template(name, config)
    trained = read_trained_models(client, experiment, filter_string=filter_string)
    drafts = [_draft(model, template, config) for model in trained]
    valued = _with_values(client, trained, drafts, config)
    rows: list[RegistrationPart] = []
    for target in sorted({each.model_name for each in valued if each.model_name}):
        ranked = sorted((each for each in valued if each.model_name == target), key=_place(config))
        rows.extend(_register(client, target, ranked, config, top=top, is_dry_run=is_dry_run))
    return [*rows, *(each for each in valued if each.model_name is None)]


def _template(name: str | None, config: ModelConfig) -> str:
    template = name or (config.names[0] if len(config.names) == 1 else "")
    if not template:
        raise ModelError.bad_template("", "isn't given, and the config names several models or none")
    if unknown := [each for each in _FIELD.findall(template) if not re.fullmatch(r"model|(params|tags)\..+", each)]:
        raise ModelError.bad_template(template, f"holds {{{unknown[0]}}}, which isn't known")
    return template


def _draft(model: TrainedModel, template: str, config: ModelConfig) -> RegistrationPart:
    target, fault = (None, model.fault) if model.fault else _named(template, model)
    return RegistrationPart(
        run_id=model.run.run_id,
        run_name=model.run_name,
        model=model.model,
        source=model.source,
        model_name=target,
        model_version=None,
        metric_name=config.metric,
        value=None,
        is_registered=False,
        reason=fault,
    )


def _named(template: str, model: TrainedModel) -> tuple[str | None, str | None]:
    """Return the registered model's name, or why there is none."""
    absent: list[str] = []

    def filled(match: re.Match[str]) -> str:
        kind, _, key = match.group(1).partition(".")
        value = model.model if kind == "model" else getattr(model.run, kind).get(key)
        if not value:
            absent.append(f"its run has no {kind.removesuffix('s')} {key}")
        return str(value or "")

    name = _FIELD.sub(filled, template)
    if absent:
        return None, absent[0]
    if re.search(r"[/:]", name):
        return None, f"{name!r} can't name a registered model"
    return name, None


def _with_values(
    client: MlflowClient, trained: Sequence[TrainedModel], drafts: Sequence[RegistrationPart], config: ModelConfig
) -> list[RegistrationPart]:
    """Add what resolving would find as each model's value, or why it would find none."""
    versions = [
        Version(draft.model_name, place, model.run.run_id, model.source, "READY", {}, model.origin)
        for place, (model, draft) in enumerate(zip(trained, drafts, strict=True))
        if draft.model_name and model.source
    ]
    runs = {model.run.run_id: model.run for model in trained}
    valued = list(drafts)
    for measure in read_measures(client, versions, runs, config):
        finding, place = measure.finding, measure.version.number
        value = None if finding.value is None or math.isnan(finding.value) else finding.value
        valued[place] = valued[place].model_copy(update={"value": value, "reason": finding.fault})
    return valued


def _place(config: ModelConfig) -> Callable[[RegistrationPart], tuple[bool, float, str]]:
    sign = -1.0 if config.direction == "max" else 1.0
    return lambda row: (row.reason is not None, sign * (row.value or 0.0), row.run_id)


def _register(
    client: MlflowClient,
    target: str,
    ranked: Sequence[RegistrationPart],
    config: ModelConfig,
    *,
    top: int | None,
    is_dry_run: bool,
) -> Iterator[RegistrationPart]:
    """Register down the ranking until there are enough; what is there already counts."""
    there = {version.origin: version.number for version in search_versions(client, [target])}
    taken = 0
    for place, row in enumerate(ranked, start=1):
        number = there.get(origin_of(str(row.source)))
        reason = row.reason or (
            f"place {place}, and the best {top} are wanted" if top is not None and taken >= top else None
        )
        if reason is None and number is not None:
            taken, reason = taken + 1, f"already registered as {target}/{number}"
        if reason is None:
            reason = _refusal(client, str(row.source), config)
        if reason is not None:
            yield row.model_copy(update={"model_version": number, "reason": reason})
            continue
        taken += 1
        made = None if is_dry_run else _create_version(client, target, row)
        yield row.model_copy(update={"model_version": made, "is_registered": True})


def _refusal(client: MlflowClient, source: str, config: ModelConfig) -> str | None:
    return find_unfit(read_format(client, source), config.allow)


def _create_version(client: MlflowClient, target: str, row: RegistrationPart) -> int:
    uri = registry_uri(client)
    with asking(uri, f"register {row.source} under {target}", needs="EDIT"):
        try:
            client.create_registered_model(target)
        except MlflowException as error:
            if not has_code(error, "RESOURCE_ALREADY_EXISTS"):
                raise
        source = str(row.source)
        logged = source.removeprefix("models:/") if source.startswith("models:/") else None
        # a server refuses a logged model's address without its id
        with without_retries():
            made = client.create_model_version(target, source, row.run_id, await_creation_for=0, model_id=logged)
    return int(made.version)
