"""Report: from the gold tables to one HTML file. Reads, and writes nothing but that file."""

from pathlib import Path

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from brierlake.config import ReferenceWindow
from brierlake.errors import ConfigError, StorageError
from brierlake.jobs.run import Run
from brierlake.lakehouse.diagnostics import CHAMPION
from brierlake.lakehouse.tables import Table, is_there, read_table
from brierlake.names import column_of
from brierlake.redaction import redacted_data
from brierlake.report import COMPARED, Tables, render_page

_WINDOWS, _MONTHS, _SLICE_MONTHS, _RUNS = 400, 36, 12, 200
_ISSUES = 20


def write_report(run: Run, *, output: Path) -> Path:
    """Writes the report of the config's job to `output`, over what is there.

    Raises:
        StorageError: The job has published no predictions yet, or a table can't be read.
        ConfigError: The file can't be written.
    """
    return write_page(render_page(read_tables(run), made_at=run.started_at), output=output)


def write_page(page: str, *, output: Path) -> Path:
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigError.unwritable(str(output), error.strerror or str(error)) from error
    return output


def read_tables(run: Run) -> Tables:
    """Returns what the report is made of, the newest windows first to be kept."""
    config, names = run.config, run.config.lakehouse.tables
    metrics_table = run.gold(names.metrics)
    if not is_there(run.spark, metrics_table):
        raise StorageError.no_table(metrics_table.name, setting="lakehouse.tables.metrics; `score` makes it:")
    metrics = _metrics(_of_job(run, metrics_table).where(F.col("role") == CHAMPION))
    reference = config.diagnostics.reference
    return Tables(
        job=config.job,
        grain=config.features.window,
        metrics=metrics,
        reliability=_reliability(run, run.gold(names.reliability)),
        candidates=_told(_last_candidates(run, run.gold(names.candidates))),
        runs=_told(_newest(_read(run, run.runs), by="run_id", most=_RUNS)),
        issues=_issues(run, has_issues=bool((metrics["n_rows"] > metrics["n_scored"]).any())),
        comparison=_comparison(run),
        reference=(reference.start, reference.end) if isinstance(reference, ReferenceWindow) else None,
        places=redacted_data(
            {
                "predictions": run.predictions.name,
                "metrics": metrics_table.name,
                "reliability": run.gold(names.reliability).name,
                "candidates": run.gold(names.candidates).name,
                "runs": run.runs.name,
            }
        ),
    )


def _told(frame: pd.DataFrame) -> pd.DataFrame:
    """The same rows without credentials: an older release may have written some."""
    texts = [str(name) for name in frame.columns if frame[name].dtype == object]
    return frame.assign(**{name: frame[name].map(redacted_data) for name in texts})


def _of_job(run: Run, table: Table) -> DataFrame:
    return read_table(run.spark, table).where(F.col("job") == run.config.job)


def _to_pandas(rows: DataFrame) -> pd.DataFrame:
    """Collects; times in UTC, whatever the session's time zone is."""
    times = [each.name for each in rows.schema if isinstance(each.dataType, T.TimestampType)]
    frame = rows.withColumns({name: F.col(name).cast("double") for name in times}).toPandas()
    return frame.assign(**{name: pd.to_datetime(frame[name], unit="s", utc=True) for name in times})


def _read(run: Run, table: Table) -> DataFrame | None:
    return _of_job(run, table) if is_there(run.spark, table) else None


def _newest(rows: DataFrame | None, *, by: str, most: int) -> pd.DataFrame:
    if rows is None:
        return pd.DataFrame({"status": [], "action": [], by: []})
    return _to_pandas(rows.orderBy(F.col(by).desc()).limit(most))


def _metrics(rows: DataFrame) -> pd.DataFrame:
    """Windows as published, months and the total by version too; slices as published; only the newest of each."""
    is_published, is_whole = F.col("model_name").isNull(), F.col("slice_key").isNull()
    kept = rows.where(
        is_published & (is_whole | (F.col("grain") != "window")) | is_whole & (F.col("grain") != "window")
    )
    frame = _to_pandas(kept)
    is_slice = frame["slice_key"].notna()
    old = _older(frame[frame["grain"] == "window"], most=_WINDOWS)
    old |= _older(frame[(frame["grain"] == "month") & ~is_slice], most=_MONTHS)
    old |= _older(frame[(frame["grain"] == "month") & is_slice], most=_SLICE_MONTHS)
    return frame.drop(index=list(old)).reset_index(drop=True)


def _older(frame: pd.DataFrame, *, most: int) -> set[int]:
    """Index of the rows before the last `most` windows."""
    newest = sorted(frame["window_start"].dropna().unique())[-most:]
    return set(frame.index[frame["window_start"].notna() & ~frame["window_start"].isin(newest)])


def _reliability(run: Run, table: Table) -> pd.DataFrame:
    rows = _read(run, table)
    if rows is None:
        return pd.DataFrame()
    whole = rows.where((F.col("role") == CHAMPION) & F.col("slice_key").isNull() & F.col("model_name").isNull())
    return _to_pandas(whole.where(F.col("grain") != "window"))


def _comparison(run: Run) -> pd.DataFrame | None:
    """Champion against challenger by month and in total; null where nothing was compared."""
    rows = _read(run, run.gold(getattr(run.config.lakehouse.tables, "compare", "brier_compare")))
    if rows is None:
        return None
    frame = _to_pandas(rows.where(F.col("grain") != "window").select("grain", *COMPARED))
    return frame if len(frame) else None


def _last_candidates(run: Run, table: Table) -> pd.DataFrame:
    rows = _read(run, table)
    if rows is None:
        return pd.DataFrame()
    last = rows.agg(F.max("run_id").alias("run_id"))
    return _to_pandas(rows.join(F.broadcast(last), on="run_id", how="inner"))


def _issues(run: Run, *, has_issues: bool) -> pd.DataFrame:
    """One row an issue, most frequent first, with the keys of a few rows that have it."""
    if not has_issues or not is_there(run.spark, run.predictions):
        return pd.DataFrame({"issue": [], "n": [], "examples": []})
    key = F.concat_ws(", ", *(column_of(name).cast("string") for name in run.config.features.key))
    rows = read_table(run.spark, run.predictions).where("issue IS NOT NULL").select("issue", key.alias("example"))
    counts = rows.groupBy("issue").agg(
        F.count("*").alias("n"), F.min("example").alias("first"), F.max("example").alias("last")
    )
    frame = _to_pandas(counts.orderBy(F.col("n").desc(), "issue").limit(_ISSUES))
    frame["examples"] = [sorted({first, last}) for first, last in zip(frame["first"], frame["last"], strict=True)]
    return frame[["issue", "n", "examples"]]
