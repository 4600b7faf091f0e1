"""Recalibrate: fit maps on earlier windows, try them on later ones, and register the one that is proved to help."""

import hashlib
import tempfile
from datetime import UTC, date, datetime, time
from pathlib import Path

from pyspark.sql import SparkSession

from brierlake.brier import Trial, TriedMap
from brierlake.brier.evidence import describe_evidence
from brierlake.config import Config
from brierlake.diagnosis.trials import Split, split_windows, try_on_windows, validate_unchanged
from brierlake.errors import ConfigError, ModelError
from brierlake.lakehouse.windows import Scope, parse_scope, window_end
from brierlake.model import Calibration, save_recalibrated
from brierlake.page import draw_maps
from brierlake.registry import (
    Offer,
    Resolution,
    connect,
    fetch_model,
    find_registered,
    register_recalibrated,
    resolve_model,
)
from brierlake.registry.recalibrations import ALIAS, KIND_TAG
from brierlake.run.context import Run, Say, open_run, told_seconds
from brierlake.run.ledger import record_run
from brierlake.run.results import write_page
from brierlake.summaries import RecalibrateSummary
from brierlake.summary_parts import MapPart, SpanPart
from brierlake.terminal.speaker import Speaker
from brierlake.training import FEATURES_TAG, RECALIBRATES_TAG, TRAINED_UNTIL_TAG, told_features

_PICTURE = "recalibration.svg"
_RECORDED = {"model", "recalibrates", "version", "fitted_on", "tried_on", "rows", "brier", "chosen", "maps"}


def recalibrate(
    config: Config,
    *,
    spark: SparkSession | None = None,
    model: str | None = None,
    start: str | None = None,
    fit_until: str | None = None,
    end: str | None = None,
    picture: str | None = None,
    is_dry_run: bool = False,
    say: Say | None = None,
    is_debug: bool = False,
) -> RecalibrateSummary:
    """Fit each kind of map on a version's earlier windows, and register the best one that later windows prove.

    Reads brier_cells and no prediction. Twice registers once.

    Args:
        config: From `read_config`.
        spark: Session to work in; None: the one that there is, or one as the config's `session` says.
        model: name/number or name@alias; None: the version that `score` would choose.
        start: First window, inclusive: a date or UTC timestamp; None: the first after the version's training.
        fit_until: First window that maps are tried on; None: half of them.
        end: End of the windows, exclusive.
        picture: File to draw the maps to, as SVG.
        is_dry_run: Say what would be registered, and register nothing.
        say: Takes each line of progress; None: they go to stderr.

    Raises:
        ConfigError: A bound is no date, or they aren't in order.
        ModelError: No such version, it is itself recalibrated, or the registry refuses; nothing is registered.
        ContractError: Too few windows or events, or windows that were scored anew since.
        StorageError: Nothing was diagnosed yet, or a table can't be read.
    """
    scope, first = _bounds(config, start=start, fit_until=fit_until, end=end)
    run = open_run(config, spark=spark, say=say or Speaker(), is_debug=is_debug)
    client = connect(config.mlflow)
    wanted = config.model if model is None else config.model.model_copy(update={"names": (), "pin": model})
    resolution = resolve_model(client, wanted)
    if made_of := resolution.recalibration:
        raise ModelError.is_recalibrated(resolution.uri, f"{made_of.model_name}/{made_of.model_version}")
    version = resolution.model_name, resolution.model_version
    with run.pace.interpreting(), run.timed("try"):
        run.say(f"Fitting maps for {version[0]} version {version[1]}")
        trained_until = resolution.trained_until.moment if resolution.trained_until else None
        split = split_windows(
            run.lake, job=config.job, version=version, trained_until=trained_until, scope=scope, fit_until=first
        )
        trial = try_on_windows(run.lake, split, job=config.job, version=version)
    drawn = draw_maps(trial)
    if picture is not None:
        write_page(drawn, output=Path(picture))
    summary = _summarise(run, resolution, split, trial, picture=picture)
    if trial.chosen is None:
        return summary
    digest = _digest(resolution, trial.chosen, split)
    there = find_registered(client, resolution.model_name, digest)
    if there is not None or is_dry_run:
        status = "planned" if there is None else "unchanged"
        return summary.model_copy(update={"status": status, "version": there, "alias": ALIAS})
    with tempfile.TemporaryDirectory(prefix="brierlake-") as folder, run.timed("register"):
        run.say(f"Registering {version[0]} version {version[1]}, recalibrated ({trial.chosen.kind})")
        fetched = fetch_model(client, resolution, wanted, folder=Path(folder) / "fetched")
        calibration = Calibration(trial.chosen.map, config.model.positive_class, _facts(resolution, split, trial))
        saved = save_recalibrated(fetched.path, calibration=calibration, folder=Path(folder))
        validate_unchanged(run.lake, split, job=config.job, version=version)
        offer = _offer(run, resolution, split, trial, trial.chosen, saved=saved, digest=digest, drawn=drawn)
        number = register_recalibrated(client, config.mlflow, offer)
    done = {"status": "published", "version": number, "alias": ALIAS, "seconds": told_seconds(run)}
    summary = summary.model_copy(update=done)
    recorded = {
        "model_name": resolution.model_name,
        "model_version": number,
        "metric_name": "difference",
        "metric_value": trial.chosen.difference,
        "recalibration": summary.model_dump_json(include=_RECORDED),
    }
    record_run(run, action="recalibrate", status="published", exit_code=0, facts=recorded)
    return summary


def _bounds(config: Config, *, start: str | None, fit_until: str | None, end: str | None) -> tuple[Scope, date | None]:
    scope = parse_scope(start, end, features=config.features)
    if fit_until is None:
        return scope, None
    first = parse_scope(fit_until, None, features=config.features).start
    if first is None or not ((scope.start is None or scope.start < first) and (scope.end is None or first < scope.end)):
        raise ConfigError.bad_window(fit_until, "must lie between --from and --to: maps are fitted before it.")
    return scope, first


def _digest(resolution: Resolution, chosen: TriedMap, split: Split) -> str:
    """The same where the same version gets the same map from the same windows."""
    of = (resolution.uri, resolution.selected.source, chosen.map.to_json(), str(split.fitted_on))
    return hashlib.sha256("\n".join(of).encode()).hexdigest()[:16]


def _fitted_until(split: Split, *, window: str) -> datetime:
    """First moment that the map was not fitted on: the end of the last window."""
    return datetime.combine(window_end(split.fitted_on[-1], window=window), time(), UTC)


def _facts(resolution: Resolution, split: Split, trial: Trial) -> dict[str, object]:
    chosen = trial.chosen
    return {
        "recalibrates": f"{resolution.model_name}/{resolution.model_version}",
        "cells_version": split.cells_version,
        "fitted_on": [str(day) for day in split.fitted_on],
        "tried_on": [str(day) for day in split.tried_on],
        "rows_tried_on": trial.n,
        "brier_before": trial.brier,
        "brier": chosen and chosen.brier,
        "difference": chosen and chosen.difference,
        "log_e_value": chosen and chosen.log_e_value,
    }


def _offer(
    run: Run,
    resolution: Resolution,
    split: Split,
    trial: Trial,
    chosen: TriedMap,
    *,
    saved: Path,
    digest: str,
    drawn: str,
) -> Offer:
    inner = f"{resolution.model_name}/{resolution.model_version}"
    span = f"{split.tried_on[0]} to {split.tried_on[-1]}"
    tags = {
        RECALIBRATES_TAG: inner,
        KIND_TAG: chosen.kind,
        TRAINED_UNTIL_TAG: _fitted_until(split, window=run.config.features.window).isoformat(),
        **({FEATURES_TAG: told_features(resolution.features)} if resolution.features else {}),
    }
    return Offer(
        name=resolution.model_name,
        folder=saved,
        digest=digest,
        run_name=f"{run.config.job} recalibrate {run.run_id.partition('.')[0]}",
        description=(
            f"Version {resolution.model_version} recalibrated ({chosen.kind}), fitted on windows from "
            f"{split.fitted_on[0]} to {split.fitted_on[-1]}. On {trial.n:,} rows from {span}: Brier {chosen.brier:.4f} "
            f"instead of {trial.brier:.4f}, {describe_evidence(chosen.log_e_value, chosen.n_windows)}. Loading it "
            "needs the Python package brierlake beside what the model itself needs."
        ),
        params={
            "job": run.config.job,
            "recalibrates": inner,
            "calibration": chosen.kind,
            "fitted_on": f"{split.fitted_on[0]} to {split.fitted_on[-1]}",
            "brier_measured_on": f"{trial.n} rows, {len(split.tried_on)} windows from {span}",
        },
        metrics={
            name: float(value)
            for name, value in {
                "brier": chosen.brier,
                "brier_before": trial.brier,
                "brier_difference": chosen.difference,
                "log_e_value": chosen.log_e_value,
            }.items()
            if value is not None
        },
        tags=tags,
        pictures={_PICTURE: drawn},
    )


def _summarise(
    run: Run, resolution: Resolution, split: Split, trial: Trial, *, picture: str | None
) -> RecalibrateSummary:
    def span(days: tuple[date, ...]) -> SpanPart:
        return SpanPart(first=days[0], last=days[-1], windows=len(days))

    return RecalibrateSummary(
        run_id=run.run_id,
        job=run.config.job,
        status="nothing_to_win",
        model=resolution.model_name,
        recalibrates=resolution.model_version,
        version=None,
        alias=None,
        fitted_on=span(split.fitted_on),
        tried_on=span(split.tried_on),
        rows=trial.n,
        brier=trial.brier,
        chosen=trial.chosen.kind if trial.chosen else None,
        maps=[_map_part(each) for each in trial.maps],
        picture=picture,
        seconds=told_seconds(run),
    )


def _map_part(tried: TriedMap) -> MapPart:
    return MapPart(
        kind=tried.kind,
        status=tried.map.status,
        parameters=dict(tried.map.parameters),
        knots=[list(each) for each in tried.map.knots],
        brier=tried.brier,
        difference=tried.difference,
        log_e_value=tried.log_e_value,
        n_windows=tried.n_windows,
        evidence_status=tried.evidence_status,
        error=tried.error,
    )
