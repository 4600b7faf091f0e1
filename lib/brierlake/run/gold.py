"""What the page is made of, from the gold tables of a job."""

from collections.abc import Sequence

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from brierlake.config import ReferenceWindow
from brierlake.errors import StorageError
from brierlake.lakehouse.diagnostics import CHAMPION
from brierlake.lakehouse.tables import Table, is_there, read_table
from brierlake.names import column_of
from brierlake.page import COMPARED, Tables
from brierlake.redaction import redacted_data
from brierlake.run.context import Run
from brierlake.threads import both

_WINDOWS, _MONTHS, _SLICE_MONTHS, _RUNS = 400, 36, 12, 200
_ISSUES = 20


def read_tables(run: Run) -> Tables:
    """Return what the report is made of, the newest windows first to be kept."""
    config, lake, job = run.config, run.lake, run.config.job
    if not is_there(lake.metrics):
        raise StorageError.no_table(lake.metrics.name, setting="lakehouse.tables.metrics; `score` makes it:")
    (metrics, reliability), (candidates, runs) = both(
        lambda: (
            _metrics(_of_job(lake.metrics, job).where(F.col("role") == CHAMPION)),
            _reliability(lake.reliability, job),
        ),
        lambda: (
            _told(_last_candidates(lake.candidates, job)),
            _told(_newest(_read(lake.runs, job), by="run_id", most=_RUNS)),
        ),
    )
    reference = config.diagnostics.reference
    return Tables(
        job=job,
        grain=config.features.window,
        metrics=metrics,
        reliability=reliability,
        candidates=candidates,
        runs=runs,
        issues=_issues(
            lake.predictions, config.features.key, has_issues=bool((metrics["n_rows"] > metrics["n_scored"]).any())
        ),
        comparison=_comparison(lake.compare, job),
        threshold=config.decision.at if config.decision else None,
        drift_alert=config.diagnostics.drift_alert,
        reference=(reference.start, reference.end) if isinstance(reference, ReferenceWindow) else None,
        places=redacted_data(
            {
                "predictions": lake.predictions.name,
                "metrics": lake.metrics.name,
                "reliability": lake.reliability.name,
                "candidates": lake.candidates.name,
                "runs": lake.runs.name,
            }
        ),
    )


def _told(frame: pd.DataFrame) -> pd.DataFrame:
    """The same rows without credentials: an older release may have written some."""
    texts = [str(name) for name in frame.columns if frame[name].dtype == object]
    return frame.assign(**{name: frame[name].map(redacted_data) for name in texts})


def _of_job(table: Table, job: str) -> DataFrame:
    return read_table(table).where(F.col("job") == job)


def _to_pandas(rows: DataFrame) -> pd.DataFrame:
    """Collects; times in UTC, whatever the session's time zone is."""
    times = [each.name for each in rows.schema if isinstance(each.dataType, T.TimestampType)]
    frame = rows.withColumns({name: F.col(name).cast("double") for name in times}).toPandas()
    return frame.assign(**{name: pd.to_datetime(frame[name], unit="s", utc=True) for name in times})


def _read(table: Table, job: str) -> DataFrame | None:
    return _of_job(table, job) if is_there(table) else None


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


def _reliability(table: Table, job: str) -> pd.DataFrame:
    rows = _read(table, job)
    if rows is None:
        return pd.DataFrame()
    whole = rows.where((F.col("role") == CHAMPION) & F.col("slice_key").isNull() & F.col("model_name").isNull())
    return _to_pandas(whole.where(F.col("grain") != "window"))


def _comparison(table: Table, job: str) -> pd.DataFrame | None:
    """Champion against challenger by month and in total; None where nothing was compared."""
    rows = _read(table, job)
    if rows is None:
        return None
    if "is_current" not in rows.columns:  # by an earlier release; the next comparison writes it
        return None
    there = [name for name in COMPARED if name in rows.columns]  # an earlier release wrote fewer
    frame = _to_pandas(rows.where("grain != 'window'").select("grain", *there)).reindex(columns=["grain", *COMPARED])
    return frame if len(frame) else None


def _last_candidates(table: Table, job: str) -> pd.DataFrame:
    rows = _read(table, job)
    if rows is None:
        return pd.DataFrame()
    last = rows.agg(F.max("run_id").alias("run_id"))
    return _to_pandas(rows.join(F.broadcast(last), on="run_id", how="inner"))


def _issues(predictions: Table, names: Sequence[str], *, has_issues: bool) -> pd.DataFrame:
    """One row an issue, most frequent first, with the keys of a few rows that have it."""
    if not has_issues or not is_there(predictions):
        return pd.DataFrame({"issue": [], "n": [], "examples": []})
    key = F.concat_ws(", ", *(column_of(name).cast("string") for name in names))
    rows = read_table(predictions).where("issue IS NOT NULL").select("issue", key.alias("example"))
    counts = rows.groupBy("issue").agg(
        F.count("*").alias("n"), F.min("example").alias("first"), F.max("example").alias("last")
    )
    frame = _to_pandas(counts.orderBy(F.col("n").desc(), "issue").limit(_ISSUES))
    frame["examples"] = [sorted({first, last}) for first, last in zip(frame["first"], frame["last"], strict=True)]
    return frame[["issue", "n", "examples"]]
