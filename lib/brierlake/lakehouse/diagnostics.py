"""The tables of diagnostics: what their windows were made from, and replacing what is out of date."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from brierlake.lakehouse.labels import as_utc
from brierlake.lakehouse.tables import Table, is_there, read_table
from brierlake.lakehouse.windows import Window, filter_condition


@dataclass(frozen=True)
class Made:
    """What the diagnostics of one window were made from."""

    predictions_id: str
    labels_version: int | None
    labels_as_of: datetime | None


def read_made(spark: SparkSession, table: Table, *, job: str, role: str) -> Mapping[Window, Made]:
    """Returns what each window's metrics were made from; none where the table is absent."""
    if not is_there(spark, table):
        return {}
    rows = read_table(spark, table).where(
        (F.col("job") == job) & (F.col("role") == role) & (F.col("grain") == "window") & F.col("slice_key").isNull()
    )
    found = rows.where(F.col("model_name").isNull()).select(
        "window_start", "predictions_id", "labels_version", "labels_as_of"
    )
    return {
        row["window_start"]: Made(row["predictions_id"], row["labels_version"], as_utc(row["labels_as_of"]))
        for row in found.collect()
    }


def part_condition(
    *, job: str, role: str, windows: Collection[Window], months: Collection[Window], has_total: bool
) -> str:
    """Returns a SQL condition for the rows that a diagnose of these windows replaces, at each grain they touch."""
    parts = [f"(grain = 'window' AND {filter_condition(windows)})", f"(grain = 'month' AND {filter_condition(months)})"]
    if has_total:
        parts.append("grain = 'all'")
    return f"job = {quoted(job)} AND role = {quoted(role)} AND ({' OR '.join(parts)})"


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def read_cells(spark: SparkSession, table: Table, *, job: str, role: str, version: int | None = None) -> DataFrame:
    rows = read_table(spark, table, version=version)
    return rows.where((F.col("job") == job) & (F.col("role") == role))


def read_headline(spark: SparkSession, table: Table, *, job: str, role: str, grains: Collection[str]) -> list[Row]:
    """Returns the metrics as published, over all rows, of these grains, in order of time."""
    if not is_there(spark, table):
        return []
    rows = read_table(spark, table).where((F.col("job") == job) & (F.col("role") == role))
    total = rows.where(F.col("slice_key").isNull() & F.col("model_name").isNull() & F.col("grain").isin(*grains))
    return total.orderBy("grain", "window_start").collect()
