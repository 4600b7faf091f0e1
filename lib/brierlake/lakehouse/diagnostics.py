"""The tables of diagnostics: what they hold now, what that was made from, and replacing what is out of date."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from brierlake.errors import StorageError
from brierlake.lakehouse.labels import as_utc
from brierlake.lakehouse.predictions import is_conflict
from brierlake.lakehouse.tables import STORAGE_FAULTS, Table, is_there, read_table, reason_of, replace_rows
from brierlake.lakehouse.windows import Window, filter_condition
from brierlake.names import quoted_text

CHAMPION, CHALLENGER = "champion", "challenger"
"""Values of `role` in the tables of diagnostics."""
Figures = Mapping[str, Any]
"""One row of the metrics table."""

_ATTEMPTS = 4


@dataclass(frozen=True)
class Provenance:
    """What the diagnostics of one window were made from."""

    predictions_id: str
    labels_version: int | None
    labels_as_of: datetime | None
    labels_id: str | None = None
    """Delta's id of the labels table; None: no labels, or written before this was kept."""
    recipe: str | None = None
    """Hash of the settings; None: written before this was kept."""


def read_published(table: Table, *, job: str, role: str) -> list[Figures]:
    """Return the metrics as published, over all rows, of each window, month and the total; none without the table."""
    if not is_there(table):
        return []
    rows = read_table(table).where((F.col("job") == job) & (F.col("role") == role))
    return [row.asDict() for row in rows.where("slice_key IS NULL AND model_name IS NULL").collect()]


def find_provenances(published: Iterable[Figures]) -> Mapping[Window, Provenance]:
    """Return what each window's metrics were made from."""
    return {
        row["window_start"]: Provenance(
            predictions_id=row["predictions_id"],
            labels_version=row["labels_version"],
            labels_as_of=as_utc(row["labels_as_of"]),
            labels_id=row.get("labels_id"),
            recipe=row.get("diagnostics_recipe"),
        )
        for row in published
        if row["grain"] == "window"
    }


def part_condition(
    *, job: str, role: str, windows: Collection[Window], months: Collection[Window], has_total: bool
) -> str:
    """Return a SQL condition for the rows that a diagnose of these windows replaces, at each grain they touch."""
    parts = [f"(grain = 'window' AND {filter_condition(windows)})", f"(grain = 'month' AND {filter_condition(months)})"]
    if has_total:
        parts.append("grain = 'all'")
    return f"job = {quoted_text(job)} AND role = {quoted_text(role)} AND ({' OR '.join(parts)})"


def read_cells(table: Table, *, job: str, role: str) -> DataFrame:
    return read_table(table).where((F.col("job") == job) & (F.col("role") == role))


def replace_part(rows: DataFrame, table: Table, *, where: str, tag: str) -> None:
    """Replace what `where` holds for, by one file; try again when another commit came first.

    Raises:
        StorageError: The write failed, or others kept writing.
    """
    for _ in range(_ATTEMPTS):
        try:
            replace_rows(rows, table, where=where, tag=tag)
        except STORAGE_FAULTS as error:
            if is_conflict(error):
                continue
            raise StorageError.failed("write", table.name, reason_of(error)) from error
        return
    raise StorageError.conflict(table.name, _ATTEMPTS)


def read_figures(
    table: Table,
    *,
    job: str,
    grain: str,
    slices: Collection[str | None],
    windows: Collection[Window] | None,
) -> list[Figures]:
    """Return the champion's metrics as published, of one grain.

    Args:
        slices: Columns sliced by; None among them: all rows.
        windows: Only these; None: all.
    """
    if not is_there(table):
        return []
    is_wanted = F.col("slice_key").isin([each for each in slices if each is not None])
    is_wanted = is_wanted | F.col("slice_key").isNull() if None in slices else is_wanted
    rows = read_table(table).where((F.col("job") == job) & (F.col("role") == CHAMPION))
    rows = rows.where(F.col("model_name").isNull() & (F.col("grain") == grain) & is_wanted)
    return [row.asDict() for row in (rows if windows is None else rows.where(filter_condition(windows))).collect()]
