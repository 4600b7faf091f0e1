"""Delta tables by name or path: find, read at a version, append, replace. Knows nothing of scoring."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from inspect import signature
from typing import Any, cast

import pyarrow as pa
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_schema

from brierlake.config import LakehouseConfig
from brierlake.errors import StorageError
from brierlake.names import column_of, quoted_name
from brierlake.redaction import redacted

STORAGE_FAULTS = (PySparkException, Py4JJavaError)
"""What Spark and Delta raise; see `condition_of`."""

_JAVA_CLASS = re.compile(r"^(?:[a-z]\w*\.)+\w+(?:Exception|Error): ")
_CONDITION = re.compile(r"\[([A-Z][A-Z0-9_]+(?:\.[A-Z0-9_]+)*)\]")


@dataclass(frozen=True)
class Table:
    """Where a table is: `name` as a person writes it, `sql` as Spark SQL does; `path` is None in a catalog."""

    name: str
    sql: str
    path: str | None
    spark: SparkSession = field(repr=False, compare=False)
    seen: set[str] = field(default_factory=set, repr=False, compare=False)
    """Its name, once it was found to be there: a run asks once."""


@dataclass(frozen=True)
class Pin:
    """One version of a table, as it was when the run looked."""

    table: Table
    table_id: str
    version: int
    partitioned_by: tuple[str, ...] = ()
    size_bytes: int = 0

    @property
    def spark(self) -> SparkSession:
        return self.table.spark


def locate_table(spark: SparkSession, config: LakehouseConfig, *, layer: str, name: str) -> Table:
    if config.root is not None:
        path = f"{config.root.rstrip('/')}/{layer}/{name}"
        return Table(name=path, sql=f"delta.{quoted_name(path)}", path=path, spark=spark)
    quoted = ".".join(quoted_name(part) for part in (config.catalog or "", layer, name))
    return Table(name=f"{config.catalog}.{layer}.{name}", sql=quoted, path=None, spark=spark)


def condition_of(error: BaseException) -> str:
    """Return the error condition that Spark or Delta names; some come only as text from the JVM."""
    named = error.getCondition() if isinstance(error, PySparkException) else None
    found = _CONDITION.search(str(error))
    return named or (found.group(1) if found else type(error).__name__)


def is_gone(error: BaseException) -> bool:
    """Whether a version's files or log entries were removed, so that it can't be read any more."""
    found = f"{condition_of(error)} {str(error)[:2000]}"
    return any(
        word in found for word in ("FILE_NOT_EXIST", "FileNotFound", "VERSION_NOT_FOUND", "TRUNCATED_TRANSACTION")
    )


def reason_of(error: BaseException) -> str:
    """Return the first line that says something."""
    told = [line.strip(": ") for line in str(error).splitlines() if not line.startswith("An error occurred")]
    lines = [line for line in told if line]
    return redacted(_JAVA_CLASS.sub("", lines[0]) if lines else type(error).__name__)[:300]


def is_there(table: Table) -> bool:
    """Whether a Delta table is there, or was when this run first looked; starts no Spark job.

    Raises:
        StorageError: The place can't be looked at.
    """
    if table.seen:
        return True
    if table.path is not None:
        return find_properties(table) is not None
    try:
        is_found = table.spark.catalog.tableExists(table.sql)
    except STORAGE_FAULTS as error:
        raise StorageError.failed("read", table.name, reason_of(error)) from error
    if is_found:
        table.seen.add(table.name)
    return is_found


def find_properties(table: Table) -> dict[str, str] | None:
    """Return the properties of a Delta table; None: it isn't there."""
    if table.path is None:
        return read_properties(table) if is_there(table) else None
    try:  # in SQL, as all here: Delta's own Python API needs a plugin in a Spark Connect server
        properties = read_properties(table)
    except STORAGE_FAULTS as error:
        if condition_of(error) == "DELTA_MISSING_DELTA_TABLE":
            return None
        raise StorageError.failed("read", table.name, reason_of(error)) from error
    table.seen.add(table.name)
    return properties


def has_files(spark: SparkSession, path: str) -> bool:
    try:
        return not spark.read.format("binaryFile").option("recursiveFileLookup", "true").load(path).limit(1).isEmpty()
    except STORAGE_FAULTS:
        return False


def as_stored(rows: DataFrame, schema: T.StructType) -> DataFrame:
    """Rows in the types of a table that may hold more, or wider, columns than what they were made for."""
    there = set(rows.columns)
    columns = (
        column_of(each.name).cast(each.dataType) if each.name in there else F.lit(None).cast(each.dataType)
        for each in schema
    )
    return rows.select(*(column.alias(each.name) for column, each in zip(columns, schema, strict=True)))


def read_properties(table: Table) -> dict[str, str]:
    """Return the table's properties; start no Spark job, where DESCRIBE DETAIL gathers the whole log."""
    return {row["key"]: row["value"] for row in table.spark.sql(f"SHOW TBLPROPERTIES {table.sql}").collect()}


def read_detail(table: Table) -> dict[str, Any]:
    """Return DESCRIBE DETAIL: id, properties, partitionColumns and more. Gathers the table's log."""
    rows = table.spark.sql(f"DESCRIBE DETAIL {table.sql}").collect()
    return rows[0].asDict(recursive=True)


def pin_table(table: Table, *, setting: str) -> Pin:
    """Return the table's id and latest version.

    Args:
        setting: Config key that names the table, for the message.

    Raises:
        StorageError: There is no such table, or it isn't Delta.
    """
    if not is_there(table):
        if table.path is not None and has_files(table.spark, table.path):
            raise StorageError.not_delta(table.name, setting=setting)
        raise StorageError.no_table(table.name, setting=setting)
    try:
        detail = read_detail(table)
        if detail["format"] != "delta":
            raise StorageError.not_delta(table.name, setting=setting)
        version, partitioned_by = read_version(table), tuple(detail["partitionColumns"])
        size = int(detail["sizeInBytes"] or 0)
        return Pin(table=table, table_id=detail["id"], version=version, partitioned_by=partitioned_by, size_bytes=size)
    except STORAGE_FAULTS as error:
        raise StorageError.failed("read", table.name, reason_of(error)) from error


def read_version(table: Table) -> int:
    """Return the table's latest version; one Spark job."""
    return int(table.spark.sql(f"DESCRIBE HISTORY {table.sql} LIMIT 1").collect()[0]["version"])


def read_table(table: Table, *, version: int | None = None) -> DataFrame:
    if version is None:
        return table.spark.read.table(table.sql)
    return table.spark.sql(f"SELECT * FROM {table.sql} VERSION AS OF {version}")


def local_frame(spark: SparkSession, records: Sequence[Mapping[str, Any]], schema: T.StructType | str) -> DataFrame:
    """A few records as a relation that the planner itself holds: to read it starts no Spark job."""
    kind = cast("T.StructType", schema if isinstance(schema, T.StructType) else T.StructType.fromDDL(schema))
    table: Any = pa.Table.from_pylist(list(records), schema=_arrow_schema(kind))
    return spark.createDataFrame(table, schema=kind)


def _arrow_schema(schema: T.StructType) -> pa.Schema:
    # Spark 4.2 wants the zone by name, before it was UTC of itself; platforms bring later parts to earlier versions
    zone: dict[str, Any] = {"timezone": "UTC"} if "timezone" in signature(to_arrow_schema).parameters else {}
    return to_arrow_schema(schema, **zone)


def append_rows(rows: DataFrame, table: Table, *, tag: str | None = None) -> None:
    """Append; columns are matched by name. The commit's userMetadata is `tag`."""
    writer = rows.write.format("delta").mode("append").options(**({"userMetadata": tag} if tag else {}))
    try:
        writer.save(table.path) if table.path is not None else writer.saveAsTable(table.sql)
    except STORAGE_FAULTS as error:
        raise StorageError.failed("write", table.name, reason_of(error)) from error


def replace_rows(rows: DataFrame, table: Table, *, where: str, tag: str) -> None:
    """Replace in one commit what `where` holds for; the commit's userMetadata is `tag`.

    Raises:
        Whatever Delta raises on a conflict: the caller knows whether to try again.
    """
    writer = rows.write.format("delta").mode("overwrite").option("replaceWhere", where).option("userMetadata", tag)
    writer.save(table.path) if table.path is not None else writer.saveAsTable(table.sql)


def read_commits(table: Table, *, most: int = 50) -> dict[str, dict[str, Any]]:
    """Return the history rows of runs' commits by run id, among the last `most` commits.

    A run's commit is the one whose userMetadata is JSON with its `run_id`; all that it tells is added as `told`.
    """
    found: dict[str, dict[str, Any]] = {}
    for row in table.spark.sql(f"DESCRIBE HISTORY {table.sql} LIMIT {most}").collect():
        told = _told(row["userMetadata"])
        if run_id := told.get("run_id"):
            found.setdefault(run_id, {**row.asDict(recursive=True), "told": told})
    return found


def _told(text: str | None) -> dict[str, Any]:
    """What a commit of ours tells; nothing where another tool wrote what it liked."""
    try:
        told = json.loads(text or "")
    except ValueError:
        return {}
    return told if isinstance(told, dict) and isinstance(told.get("run_id"), str) else {}


def optimize_table(table: Table) -> None:
    """Put small files together; no commit where there is nothing to do."""
    _maintained(f"OPTIMIZE {table.sql}", table)


def vacuum_table(table: Table, *, retain_days: int) -> None:
    """Remove files that no version of the last days needs."""
    _maintained(f"VACUUM {table.sql} RETAIN {retain_days * 24} HOURS", table)


def _maintained(statement: str, table: Table) -> None:
    try:
        table.spark.sql(statement).collect()
    except STORAGE_FAULTS as error:
        raise StorageError.failed("maintain", table.name, reason_of(error)) from error
