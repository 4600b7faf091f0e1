"""Commands that only read: the report, and the tables as a person wants them."""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from brierlake.config import Config
from brierlake.errors import ConfigError, StorageError
from brierlake.jobs.report import read_tables, write_report
from brierlake.jobs.run import Run, Say, start_run, start_spark
from brierlake.jobs.summary import summarise_report
from brierlake.lakehouse.tables import is_there, read_table
from brierlake.lakehouse.windows import Window, filter_condition, month_of
from brierlake.report import Tables, judge

_RUN_COLUMNS = (
    "run_id", "action", "status", "started_at", "finished_at", "model_name", "model_version", "scope", "window_count",
    "rows_in", "rows_with_issue", "brier", "base_rate", "coverage", "error",
)  # fmt: skip
_CANDIDATE_COLUMNS = (
    "rank", "model_name", "model_version", "metric_name", "value", "step", "logged_at", "value_source", "is_eligible",
    "reason", "is_selected", "is_tied", "run_id", "looked_at",
)  # fmt: skip
_MONTH = re.compile(r"\d{4}-\d{2}")


def run_report(config: Config, *, output: str | None, say: Say, is_debug: bool) -> dict[str, Any]:
    run = _begin(config, say=say, is_debug=is_debug)
    path = write_report(run, output=Path(output or config.report.path or f"{config.job}-report.html"))
    return summarise_report(run, path)


def list_runs(config: Config, *, most: int, say: Say, is_debug: bool) -> dict[str, Any]:
    """The latest runs, newest first."""
    run = _begin(config, say=say, is_debug=is_debug)
    rows = _rows(run, config.lakehouse.tables.runs, order_by=F.col("run_id").desc(), columns=_RUN_COLUMNS, most=most)
    return {"action": "runs", "job": config.job, "rows": rows}


def list_candidates(config: Config, *, run_id: str | None, say: Say, is_debug: bool) -> dict[str, Any]:
    """Every version that a run looked at, the best first; without an id, that the last run looked at."""
    run = _begin(config, say=say, is_debug=is_debug)
    name = config.lakehouse.tables.candidates
    order = F.col("run_id").desc(), F.col("rank").asc_nulls_last(), F.col("model_name"), F.col("model_version")
    rows = _rows(run, name, order_by=order, columns=_CANDIDATE_COLUMNS, most=10_000, run_id=run_id)
    return {
        "action": "candidates",
        "job": config.job,
        "rows": [row for row in rows if row["run_id"] == rows[0]["run_id"]],
    }


def show_window(config: Config, *, window: str, say: Say, is_debug: bool) -> dict[str, Any]:
    """What one window (2013-12-31) or month (2013-12) holds, who made it, and what it is worth."""
    grain, start = _parsed(window)
    run = _begin(config, say=say, is_debug=is_debug)
    tables = read_tables(run)
    row = next((each for each in tables.published(grain) if each["window_start"] == start), None)
    if row is None:
        raise ConfigError.no_such_window(window, _known(tables, grain))
    verdict = judge(row)
    return {
        "action": "show",
        "job": config.job,
        "grain": grain,
        "made_by": _made_by(run, grain=grain, start=start),
        "verdict": {"level": str(verdict.level), "words": verdict.words, "reason": verdict.reason},
        "metrics": {name: _plain(value) for name, value in row.items()},
    }


def _begin(config: Config, *, say: Say, is_debug: bool) -> Run:
    return start_run(start_spark(config, say=say, is_debug=is_debug), config, say=say)


def _rows(
    run: Run, name: str, *, order_by: Any, columns: Sequence[str], most: int, run_id: str | None = None
) -> list[dict[str, Any]]:
    table = run.gold(name)
    if not is_there(run.spark, table):
        raise StorageError.no_table(table.name, setting="lakehouse.tables; `score` makes it:")
    rows = read_table(run.spark, table).where(F.col("job") == run.config.job)
    if run_id is not None:
        rows = rows.where(F.col("run_id") == run_id)
    times = [name for name in columns if name.endswith("_at")]
    utc = {name: F.date_format(F.to_utc_timestamp(name, F.current_timezone()), "yyyy-MM-dd HH:mm:ss") for name in times}
    ordered = rows.withColumns(utc).orderBy(*(order_by if isinstance(order_by, tuple) else (order_by,))).limit(most)
    found = [row.asDict() for row in ordered.select(*columns).collect()]
    if not found:
        raise ConfigError.nothing_recorded(run.config.job, run_id)
    return found


def _parsed(window: str) -> tuple[str, date]:
    grain = "month" if _MONTH.fullmatch(window) else "window"
    try:
        return grain, date.fromisoformat(f"{window}-01" if grain == "month" else window)
    except ValueError as error:
        raise ConfigError.bad_window(window, "isn't a date like 2013-12-31 or a month like 2013-12.") from error


def _known(tables: Tables, grain: str) -> str:
    starts = [row["window_start"] for row in tables.published(grain) if row["window_start"]]
    return f"{min(starts)} to {max(starts)}" if starts else "none with a date"


def _made_by(run: Run, *, grain: str, start: Window) -> list[Mapping[str, Any]]:
    rows = read_table(run.spark, run.predictions)
    inside = rows.where(filter_condition([start])) if grain == "window" else _of_month(rows, start)
    counted = inside.groupBy("run_id", "model_name", "model_version", "features_version").agg(
        F.count(F.lit(1)).alias("rows"),
        F.count("issue").alias("issues"),
        F.countDistinct("window_start").alias("windows"),
    )
    return [row.asDict() for row in counted.orderBy("run_id").collect()]


def _of_month(rows: DataFrame, start: Window) -> DataFrame:
    windows = [row["window_start"] for row in rows.select("window_start").distinct().collect()]
    return rows.where(filter_condition([each for each in windows if month_of(each) == start]))


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date | datetime) else value
