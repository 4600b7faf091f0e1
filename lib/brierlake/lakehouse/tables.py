"""Delta tables by name or path: find, create from a spec, compare, read at a version. Knows nothing of scoring."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import pyarrow as pa
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_schema

from brierlake.config import LakehouseConfig
from brierlake.errors import StorageError
from brierlake.names import quoted_name, quoted_text
from brierlake.schemas import FORMAT_VERSION, TableSpec

JOB_PROPERTY = "brierlake.job"
FORMAT_PROPERTY = "brierlake.format"

STORAGE_FAULTS = (PySparkException, Py4JJavaError)
"""What Spark and Delta raise; see `condition_of`."""

_CONDITION = re.compile(r"\[([A-Z][A-Z0-9_]+(?:\.[A-Z0-9_]+)*)\]")


@dataclass(frozen=True)
class Table:
    """Where a table is: `name` as a person writes it, `sql` as Spark SQL does; `path` is null in a catalog."""

    name: str
    sql: str
    path: str | None


@dataclass(frozen=True)
class Pin:
    """One version of a table, as it was when the run looked."""

    table: Table
    table_id: str
    version: int


def locate_table(config: LakehouseConfig, *, layer: str, name: str) -> Table:
    if config.root is not None:
        path = f"{config.root.rstrip('/')}/{layer}/{name}"
        return Table(name=path, sql=f"delta.{quoted_name(path)}", path=path)
    quoted = ".".join(quoted_name(part) for part in (config.catalog or "", layer, name))
    return Table(name=f"{config.catalog}.{layer}.{name}", sql=quoted, path=None)


def condition_of(error: BaseException) -> str:
    """Returns the error condition that Spark or Delta names; some come only as text from the JVM."""
    named = error.getCondition() if isinstance(error, PySparkException) else None
    found = _CONDITION.search(str(error))
    return named or (found.group(1) if found else type(error).__name__)


def reason_of(error: BaseException) -> str:
    """Returns the first line that says something."""
    lines = [
        line.strip() for line in str(error).splitlines() if line.strip() and not line.startswith("An error occurred")
    ]
    return (lines[0] if lines else type(error).__name__)[:300]


def is_there(spark: SparkSession, table: Table) -> bool:
    """Whether a Delta table is there; starts no Spark job.

    Raises:
        StorageError: The place can't be looked at.
    """
    if table.path is None:
        return spark.catalog.tableExists(table.sql)
    try:  # in SQL, as all here: Delta's own Python API needs a plugin in a Spark Connect server
        read_properties(spark, table)
    except STORAGE_FAULTS as error:
        if condition_of(error) == "DELTA_MISSING_DELTA_TABLE":
            return False
        raise StorageError.failed("read", table.name, reason_of(error)) from error
    return True


def create_table(spark: SparkSession, table: Table, spec: TableSpec, *, job: str | None = None) -> None:
    """Creates the table where it is absent, then compares what is there with the spec.

    Args:
        job: Job that the table belongs to; null: any job may write.

    Raises:
        StorageError: Other files are in the way, or the table has another shape, owner or a newer format.
    """
    if not is_there(spark, table):
        if table.path is not None and _has_files(spark, table.path):
            raise StorageError.in_the_way(table.name)
        _create(spark, table, spec, job=job)
        if table.path is not None and not is_there(spark, table):
            _create_anew(spark, table, spec, job=job)
    validate_table(spark, table, spec, job=job)


def _has_files(spark: SparkSession, path: str) -> bool:
    try:
        return not spark.read.format("binaryFile").option("recursiveFileLookup", "true").load(path).limit(1).isEmpty()
    except STORAGE_FAULTS:
        return False


def _create(spark: SparkSession, table: Table, spec: TableSpec, *, job: str | None) -> None:
    constraints = {f"delta.constraints.{name}": check for name, check in spec.constraints.items()}
    listed = _listed({**_properties(spec, job=job), **constraints})
    columns = ", ".join(map(quoted_name, spec.partitioned_by))
    try:
        spark.sql(
            f"CREATE TABLE IF NOT EXISTS {table.sql} ({spec.schema.toDDL()}) USING delta "
            f"{f'PARTITIONED BY ({columns}) ' if columns else ''}TBLPROPERTIES ({listed})"
        )
    except STORAGE_FAULTS as error:
        if is_there(spark, table):  # another run came first; whether its shape is ours is looked at next
            return
        raise StorageError.failed("create", table.name, reason_of(error)) from error


def _create_anew(spark: SparkSession, table: Table, spec: TableSpec, *, job: str | None) -> None:
    """Creates a table whose maker was killed before the first commit: CREATE takes its empty log for a table.

    Nothing here replaces what another run may have written meanwhile.
    """
    try:
        rows = spark.createDataFrame([], schema=spec.schema)
        rows.write.format("delta").mode("append").partitionBy(*spec.partitioned_by).save(table.path)
        spark.sql(f"ALTER TABLE {table.sql} SET TBLPROPERTIES ({_listed(_properties(spec, job=job))})")
        for name, check in spec.constraints.items():
            spark.sql(f"ALTER TABLE {table.sql} ADD CONSTRAINT {name} CHECK ({check})")
    except STORAGE_FAULTS as error:
        raise StorageError.failed("create", table.name, reason_of(error)) from error


def _properties(spec: TableSpec, *, job: str | None) -> dict[str, str]:
    return {**spec.properties, FORMAT_PROPERTY: str(FORMAT_VERSION), **({JOB_PROPERTY: job} if job else {})}


def _listed(properties: Mapping[str, str]) -> str:
    return ", ".join(f"{quoted_text(name)} = {quoted_text(value)}" for name, value in properties.items())


def validate_table(spark: SparkSession, table: Table, spec: TableSpec, *, job: str | None) -> None:
    """Raises StorageError unless the table is of the spec's shape and may be written by the job."""
    properties = read_properties(spark, table)
    found_format = int(properties.get(FORMAT_PROPERTY, FORMAT_VERSION))
    if found_format > FORMAT_VERSION:
        raise StorageError.newer_format(table.name, found_format, FORMAT_VERSION)
    if job is not None and (owner := properties.get(JOB_PROPERTY)) not in (None, job):
        raise StorageError.other_owner(table.name, str(owner), job)
    if differences := _differences(read_table(spark, table).schema, spec.schema):
        raise StorageError.other_shape(table.name, differences)


def _differences(found: T.StructType, wanted: T.StructType) -> list[str]:
    there, asked = ({each.name: each.dataType.simpleString() for each in schema} for schema in (found, wanted))
    lacking = [f"column {name} ({kind}) is missing" for name, kind in asked.items() if name not in there]
    extra = [f"column {name} ({kind}) is not ours" for name, kind in there.items() if name not in asked]
    other = [f"column {n} is {there[n]}, not {kind}" for n, kind in asked.items() if n in there and there[n] != kind]
    return [*lacking, *extra, *other]


def read_properties(spark: SparkSession, table: Table) -> dict[str, str]:
    """Returns the table's properties; starts no Spark job, where DESCRIBE DETAIL gathers the whole log."""
    return {row["key"]: row["value"] for row in spark.sql(f"SHOW TBLPROPERTIES {table.sql}").collect()}


def read_detail(spark: SparkSession, table: Table) -> dict[str, Any]:
    """Returns DESCRIBE DETAIL: id, properties, partitionColumns and more. Gathers the table's log."""
    rows = spark.sql(f"DESCRIBE DETAIL {table.sql}").collect()
    return rows[0].asDict(recursive=True)


def pin_table(spark: SparkSession, table: Table, *, setting: str) -> Pin:
    """Returns the table's id and latest version.

    Args:
        setting: Config key that names the table, for the message.

    Raises:
        StorageError: There is no such table, or it isn't Delta.
    """
    if not is_there(spark, table):
        if table.path is not None and _has_files(spark, table.path):
            raise StorageError.not_delta(table.name, setting=setting)
        raise StorageError.no_table(table.name, setting=setting)
    try:
        detail = read_detail(spark, table)
        if detail["format"] != "delta":
            raise StorageError.not_delta(table.name, setting=setting)
        return Pin(table=table, table_id=detail["id"], version=read_version(spark, table))
    except STORAGE_FAULTS as error:
        raise StorageError.failed("read", table.name, reason_of(error)) from error


def read_version(spark: SparkSession, table: Table) -> int:
    """Returns the table's latest version; one Spark job."""
    return int(spark.sql(f"DESCRIBE HISTORY {table.sql} LIMIT 1").collect()[0]["version"])


def read_table(spark: SparkSession, table: Table, *, version: int | None = None) -> DataFrame:
    if version is None:
        return spark.read.table(table.sql)
    return spark.sql(f"SELECT * FROM {table.sql} VERSION AS OF {version}")


def local_frame(spark: SparkSession, records: Sequence[Mapping[str, Any]], schema: T.StructType | str) -> DataFrame:
    """A few records as a relation that the planner itself holds: to read it starts no Spark job."""
    kind = schema if isinstance(schema, T.StructType) else T.StructType.fromDDL(schema)
    table: Any = pa.Table.from_pylist(list(records), schema=to_arrow_schema(cast("T.StructType", kind), timezone="UTC"))
    return spark.createDataFrame(table, schema=cast("T.StructType", kind))


def append_rows(rows: DataFrame, table: Table) -> None:
    """Appends; columns are matched by name."""
    writer = rows.write.format("delta").mode("append")
    try:
        writer.save(table.path) if table.path is not None else writer.saveAsTable(table.sql)
    except STORAGE_FAULTS as error:
        raise StorageError.failed("write", table.name, reason_of(error)) from error


def replace_rows(rows: DataFrame, table: Table, *, where: str, tag: str) -> None:
    """Replaces in one commit what `where` holds for; the commit's userMetadata is `tag`.

    Raises:
        Whatever Delta raises on a conflict: the caller knows whether to try again.
    """
    writer = rows.write.format("delta").mode("overwrite").option("replaceWhere", where).option("userMetadata", tag)
    writer.save(table.path) if table.path is not None else writer.saveAsTable(table.sql)


def read_commits(spark: SparkSession, table: Table, *, most: int = 50) -> dict[str, dict[str, Any]]:
    """Returns the history rows of runs' commits by run id, among the last `most` commits.

    A run's commit is the one whose userMetadata is JSON with its `run_id`; all that it tells is added as `told`.
    """
    found: dict[str, dict[str, Any]] = {}
    for row in spark.sql(f"DESCRIBE HISTORY {table.sql} LIMIT {most}").collect():
        text = row["userMetadata"] or ""
        if text.startswith("{") and (run_id := json.loads(text).get("run_id")):
            found.setdefault(run_id, {**row.asDict(recursive=True), "told": json.loads(text)})
    return found


def optimize_table(spark: SparkSession, table: Table) -> None:
    """Puts small files together; no commit where there is nothing to do."""
    _maintained(spark, f"OPTIMIZE {table.sql}", table)


def vacuum_table(spark: SparkSession, table: Table, *, retain_days: int) -> None:
    """Removes files that no version of the last days needs."""
    _maintained(spark, f"VACUUM {table.sql} RETAIN {retain_days * 24} HOURS", table)


def _maintained(spark: SparkSession, statement: str, table: Table) -> None:
    try:
        spark.sql(statement).collect()
    except STORAGE_FAULTS as error:
        raise StorageError.failed("maintain", table.name, reason_of(error)) from error
