"""The runs table and the candidates table: who did what, with which model, and why that one."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from brierlake.lakehouse.tables import Table, append_rows, create_table, is_there, local_frame, read_table
from brierlake.lakehouse.windows import FULL, INCREMENTAL
from brierlake.redaction import redacted_record
from brierlake.schemas import TableSpec

PUBLISHED = "published"
"""Status of a run whose predictions are public."""


def append_records(spark: SparkSession, table: Table, spec: TableSpec, records: Iterable[Mapping[str, Any]]) -> None:
    """Appends one row a record; fields that a record lacks are null. Creates the table where it is absent."""
    create_table(spark, table, spec)
    told = [redacted_record(each, kept=(*spec.key, "job", "model_name", "config")) for each in records]
    append_rows(local_frame(spark, told, spec.schema).coalesce(1), table)


def read_settled(spark: SparkSession, table: Table, *, run_ids: Collection[str]) -> frozenset[str]:
    """Returns those of the run ids that the ledger says have published."""
    if not run_ids or not is_there(spark, table):
        return frozenset()
    is_settled = (F.col("status") == PUBLISHED) | F.col("predictions_version").isNotNull()
    rows = read_table(spark, table).where(F.col("run_id").isin(*run_ids) & is_settled).select("run_id").collect()
    return frozenset(row["run_id"] for row in rows)


def read_last_complete(spark: SparkSession, table: Table, *, job: str, features_id: str) -> int | None:
    """Returns the features version up to which all windows are known to be current; null: nothing says so.

    It is that of the last full or incremental run of the job, on the same features table, that published all that
    it found stale; runs of some windows don't count, nor do failed ones or those that held a window back.
    """
    if not is_there(spark, table):
        return None
    runs = read_table(spark, table).where(
        (F.col("job") == job)
        & (F.col("action") == "score")
        & (F.col("status") == PUBLISHED)
        & F.col("scope").isin(FULL, INCREMENTAL)
        & (F.col("features_id") == features_id)
    )
    found = runs.agg(F.max("features_version")).collect()[0][0]
    return None if found is None else int(found)
