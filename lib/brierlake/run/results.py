"""After a run has published: its report, its MLflow run, and tags on the versions. Nothing here can fail the run."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from brierlake import __version__
from brierlake.errors import BrierlakeError, ConfigError, first_line
from brierlake.page import Tables, find_verdict, render_page
from brierlake.redaction import redacted, without_login
from brierlake.registry import Result, Source, connect, log_result, tag_version
from brierlake.run.context import Run
from brierlake.run.gold import read_tables
from brierlake.summaries import DiagnoseSummary, ScoreSummary

Made = TypeVar("Made")
Told = TypeVar("Told", ScoreSummary, DiagnoseSummary)

_LASTING_MONTHS = 3
_PARAMS = (
    "job", "action", "status", "scope", "model_digest", "recipe", "features_table", "features_version",
    "predictions_table", "predictions_version",
)  # fmt: skip
_COUNTS = ("rows_in", "rows_scored", "rows_with_issue")


def with_results(run: Run, summary: Told) -> Told:
    """Add to a summary where the report and the MLflow run are, and a note on whatever could not be made.

    An unchanged run leaves nothing anywhere.
    """
    config = run.config
    if summary.status == "unchanged" or not (config.report.path or config.mlflow.log_runs):
        return summary
    notes: list[str] = []
    run.say("Writing the report" if config.report.path else "Telling MLflow")

    def attempt(what: str, make: Callable[[], Made]) -> Made | None:
        try:
            return make()
        except BrierlakeError as error:
            notes.append(f"{what}: {error}")
        except Exception as error:  # a published run stays published, whatever a drawing or a server does
            notes.append(redacted(f"{what}: {type(error).__name__}: {first_line(error)}"))
        return None

    results: dict[str, Any] = {}
    tables = attempt("No report, and no tags on the version", lambda: read_tables(run))
    page = attempt("No report", lambda: render_page(tables, made_at=run.started_at)) if tables else None
    if page and config.report.path:
        path = Path(config.report.path)
        if attempt("No report", lambda: write_page(page, output=path)):
            results["report"] = str(path)
    if config.mlflow.log_runs:
        logged = attempt("Not logged to MLflow", lambda: _log(run, summary, tables=tables, page=page))
        results.update(logged or {})
    return summary.model_copy(update={**results, "notes": notes})


def write_page(page: str, *, output: Path) -> Path:
    """Write the page over what is there.

    Raises:
        ConfigError: The file can't be written.
    """
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigError.unwritable(str(output), error.strerror or str(error)) from error
    return output


def _log(
    run: Run, summary: ScoreSummary | DiagnoseSummary, *, tables: Tables | None, page: str | None
) -> dict[str, str]:
    config = run.config.mlflow
    client = connect(config)
    run_id = log_result(client, config, _as_result(run, summary, tables=tables, page=page))
    for name, version, tags in _version_tags(run, tables) if tables else []:
        tag_version(client, config, name, version, tags)
    where = f"run {run_id} in experiment {config.experiment}"
    if config.tracking_uri.startswith("http"):
        experiment_id = client.get_run(run_id).info.experiment_id
        where = f"{without_login(config.tracking_uri).rstrip('/')}/#/experiments/{experiment_id}/runs/{run_id}"
    return {"mlflow": where, "mlflow_run_id": run_id}


def _as_result(run: Run, summary: ScoreSummary | DiagnoseSummary, *, tables: Tables | None, page: str | None) -> Result:
    diagnostics, model = summary.diagnostics, summary.model if isinstance(summary, ScoreSummary) else None
    params = {name: getattr(summary, name, None) for name in _PARAMS} | {
        "run_id": run.run_id,
        "model_name": model and model.name,
        "model_version": model and model.version,
        "labels_version": diagnostics and diagnostics.labels_version,
        "brierlake": __version__,
    }
    total = diagnostics.total if diagnostics else None
    numbers = {**{name: getattr(summary, name, None) for name in _COUNTS}, **(vars(total) if total else {})}
    verdict = find_verdict(tables.total()) if tables else None
    tags = {"brierlake.job": run.config.job, "brierlake.run_id": run.run_id}
    if verdict:
        tags["mlflow.note.content"] = f"**{verdict.mark} {verdict.words}** (all rows, as published). {verdict.reason}"
    return Result(
        name=f"{run.config.job} {summary.action} {run.run_id.partition('.')[0]}",
        params={name: str(value) for name, value in params.items() if value is not None},
        metrics={name: float(value) for name, value in numbers.items() if _is_number(value)},
        tags=tags,
        source=_source(summary) if isinstance(summary, ScoreSummary) else None,
        page=page,
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _source(summary: ScoreSummary) -> Source:
    return Source(summary.features_table, summary.features_id, summary.features_version)


def _version_tags(run: Run, tables: Tables) -> list[tuple[str, int, dict[str, str]]]:
    """Name, number and tags of the versions that scored rows of the latest months, where labels are known."""
    months = tables.of_versions("month")
    latest = sorted({row["window_start"] for row in months if row["window_start"]})[-_LASTING_MONTHS:]
    tagged = []
    for row in tables.of_versions("all"):
        key = (row["model_name"], row["model_version"])
        own = [each["window_start"] for each in months if (each["model_name"], each["model_version"]) == key]
        if row["n_labelled"] and (not latest or set(own) & set(latest)):
            dated = sorted(each for each in own if each)
            tags = {
                "brier_production": f"{row['brier']:.6g}",
                "brier_production_base_rate": f"{row['base_rate']:.6g}",
                "brier_production_rows": str(int(row["n_labelled"])),
                "brier_production_coverage": f"{row['coverage']:.6g}",
                "brier_production_window": f"{dated[0]:%Y-%m}/{dated[-1]:%Y-%m}" if dated else "all",
                "brier_production_run_id": run.run_id,
            }
            tagged.append((str(key[0]), int(key[1]), tags))
    return tagged
