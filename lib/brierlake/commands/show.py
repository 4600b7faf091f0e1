"""Show: the ledger, the candidates and the windows as a person wants them. Reads only."""

import re
from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from pyspark.sql import functions as F

from brierlake.config import Config
from brierlake.errors import ConfigError, StorageError
from brierlake.lakehouse.diagnostics import CHAMPION
from brierlake.lakehouse.tables import Table, is_there, read_table
from brierlake.page import find_months_verdict, find_verdict, pool_months
from brierlake.run.context import Run, Say, open_run
from brierlake.summaries import CandidatesSummary, RunsSummary, ShowSummary
from brierlake.summary_parts import Row, VerdictPart, as_row

_RUN_COLUMNS = (
    "run_id", "action", "status", "started_at", "finished_at", "model_name", "model_version", "scope", "window_count",
    "rows_in", "rows_with_issue", "brier", "base_rate", "coverage", "error",
)  # fmt: skip
_CANDIDATE_COLUMNS = (
    "rank", "model_name", "model_version", "metric_name", "value", "step", "logged_at", "value_source", "is_eligible",
    "reason", "is_selected", "is_tied", "recalibrates", "run_id", "looked_at",
)  # fmt: skip
_YEAR, _MONTH = re.compile(r"\d{4}"), re.compile(r"\d{4}-\d{2}")


def runs(config: Config, *, most: int, say: Say, is_debug: bool) -> RunsSummary:
    """The latest runs, newest first."""
    run = open_run(config, spark=None, say=say, is_debug=is_debug)
    rows = _rows(run.lake.runs, config.job, order_by=F.col("run_id").desc(), columns=_RUN_COLUMNS, most=most)
    return RunsSummary(job=config.job, rows=rows)


def candidates(config: Config, *, run_id: str | None, say: Say, is_debug: bool) -> CandidatesSummary:
    """Every version that a run looked at, the best first; without an id, that the last run looked at."""
    run = open_run(config, spark=None, say=say, is_debug=is_debug)
    order = F.col("run_id").desc(), F.col("rank").asc_nulls_last(), F.col("model_name"), F.col("model_version")
    rows = _rows(
        run.lake.candidates, config.job, order_by=order, columns=_CANDIDATE_COLUMNS, most=10_000, run_id=run_id
    )
    return CandidatesSummary(job=config.job, rows=[row for row in rows if row["run_id"] == rows[0]["run_id"]])


def show(config: Config, *, window: str, say: Say, is_debug: bool) -> ShowSummary:
    """What one window (2013-12-31), month (2013-12) or year (2013) holds, who made it, and what it is worth."""
    span = _span(window)
    run = open_run(config, spark=None, say=say, is_debug=is_debug)
    rows = _published(run.lake.metrics, span, window, job=config.job)
    is_year = span.grain == "year"
    row = pool_months(rows, year=span.first.year) if is_year else rows[0]
    verdict = find_months_verdict(rows) if is_year else find_verdict(row)
    return ShowSummary(
        job=config.job,
        window=window,
        grain=span.grain,
        made_by=_made_by(run, span),
        verdict=VerdictPart(level=verdict.level.value, words=verdict.words, reason=verdict.reason),
        metrics=as_row(row),
        months=[as_row(each) for each in rows] if is_year else [],
    )


@dataclass(frozen=True)
class _Span:
    """The days that are asked for, and the grain of the rows that tell of them."""

    grain: Literal["window", "month", "year"]
    first: date
    last: date


def _rows(
    table: Table, job: str, *, order_by: Any, columns: Sequence[str], most: int, run_id: str | None = None
) -> list[dict[str, Any]]:
    if not is_there(table):
        raise StorageError.no_table(table.name, setting="lakehouse.tables; `score` makes it:")
    rows = read_table(table).where(F.col("job") == job)
    if run_id is not None:
        rows = rows.where(F.col("run_id") == run_id)
    columns = [name for name in columns if name in rows.columns]  # an earlier release wrote fewer
    times = [name for name in columns if name.endswith("_at")]
    utc = {name: F.date_format(F.to_utc_timestamp(name, F.current_timezone()), "yyyy-MM-dd HH:mm:ss") for name in times}
    ordered = rows.withColumns(utc).orderBy(*(order_by if isinstance(order_by, tuple) else (order_by,))).limit(most)
    found = [row.asDict() for row in ordered.select(*columns).collect()]
    if not found:
        raise ConfigError.nothing_recorded(job, run_id)
    return found


def _span(window: str) -> _Span:
    try:
        if _YEAR.fullmatch(window):
            return _Span("year", date(int(window), 1, 1), date(int(window), 12, 31))
        if _MONTH.fullmatch(window):
            first = date.fromisoformat(f"{window}-01")
            return _Span("month", first, first.replace(day=monthrange(first.year, first.month)[1]))
        day = date.fromisoformat(window)
    except ValueError as error:
        text = "isn't a date like 2013-12-31, a month like 2013-12 or a year like 2013."
        raise ConfigError.bad_window(window, text) from error
    return _Span("window", day, day)


def _published(metrics: Table, span: _Span, window: str, *, job: str) -> list[dict[str, Any]]:
    """Rows of the metrics table: the one of a window or month, or those of a year's months."""
    if not is_there(metrics):
        raise StorageError.no_table(metrics.name, setting="lakehouse.tables.metrics; `score` makes it:")
    grain = "month" if span.grain == "year" else span.grain
    rows = read_table(metrics).where(
        (F.col("job") == job)
        & (F.col("role") == CHAMPION)
        & (F.col("grain") == grain)
        & F.col("model_name").isNull()
        & F.col("slice_key").isNull()
    )
    found = rows.where(F.col("window_start").between(span.first, span.last)).orderBy("window_start").collect()
    if not found:
        first, last = rows.agg(F.min("window_start"), F.max("window_start")).collect()[0]
        raise ConfigError.no_such_window(window, f"{first} to {last}" if first else "none with a date")
    return [row.asDict(recursive=True) for row in found]


def _made_by(run: Run, span: _Span) -> list[Row]:
    inside = read_table(run.lake.predictions).where(F.col("window_start").between(span.first, span.last))
    counted = inside.groupBy("run_id", "model_name", "model_version", "features_version").agg(
        F.count(F.lit(1)).alias("rows"),
        F.count("issue").alias("issues"),
        F.countDistinct("window_start").alias("windows"),
    )
    made_of = _recalibrations(run.lake.candidates, job=run.config.job)
    rows = [row.asDict() for row in counted.orderBy("run_id").collect()]
    return [{**row, "recalibrates": made_of.get((row["model_name"], row["model_version"]))} for row in rows]


def _recalibrations(candidates: Table, *, job: str) -> dict[tuple[str, int], str]:
    """What each recalibrated version is, as the runs that looked at it say."""
    if not is_there(candidates) or "recalibrates" not in read_table(candidates).columns:  # of an earlier release
        return {}
    rows = read_table(candidates).where((F.col("job") == job) & F.col("recalibrates").isNotNull())
    found = rows.select("model_name", "model_version", "recalibrates").distinct().collect()
    return {(row["model_name"], row["model_version"]): row["recalibrates"] for row in found}
