"""The runs table and the candidates table: who did what, with which model, and why that one."""

from collections.abc import Iterable, Mapping
from typing import Any

from pyspark.sql import SparkSession

from brierlake.lakehouse.tables import Table, append_rows, create_table
from brierlake.schemas import TableSpec


def append_records(spark: SparkSession, table: Table, spec: TableSpec, records: Iterable[Mapping[str, Any]]) -> None:
    """Appends one row a record; fields that a record lacks are null. Creates the table where it is absent."""
    names = spec.schema.fieldNames()
    rows = [tuple(record.get(name) for name in names) for record in records]
    create_table(spark, table, spec)
    append_rows(spark.createDataFrame(rows, schema=spec.schema).coalesce(1), table)
