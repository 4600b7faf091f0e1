"""Delta tables made from a spec, compared with it ever after, and grown in place."""

import re
from collections.abc import Iterable, Mapping

from pyspark.sql import types as T

from brierlake.errors import StorageError
from brierlake.lakehouse.growth import Growth, find_growth
from brierlake.lakehouse.tables import (
    STORAGE_FAULTS,
    Table,
    find_properties,
    has_files,
    is_there,
    read_properties,
    read_table,
    reason_of,
)
from brierlake.names import quoted_name, quoted_text
from brierlake.schemas import FORMAT_VERSION, TableSpec

_UNWRITABLE = re.compile(r"[ ,;{}()\n\t=]")
_MAPPING = "delta.columnMapping.mode"
JOB_PROPERTY = "brierlake.job"
FORMAT_PROPERTY = "brierlake.format"


def create_table(table: Table, spec: TableSpec, *, job: str | None = None) -> Growth:
    """Create the table where it is absent; where it is there, adds and widens columns that the spec has anew.

    Args:
        job: Job that the table belongs to; None: any job may write.

    Returns:
        What was added and widened.

    Raises:
        StorageError: Other files are in the way, the table has another owner or a newer format, or it can't become
            what the spec says without losing something.
    """
    properties = find_properties(table)
    if properties is None:
        if table.path is not None and has_files(table.spark, table.path):
            raise StorageError.in_the_way(table.name)
        _create(table, spec, job=job)
        if table.path is not None and not is_there(table):
            _create_anew(table, spec, job=job)
    growth = check_table(table, spec, job=job, properties=properties)
    if growth:
        _grow(table, spec, growth)
    return growth


def _create(table: Table, spec: TableSpec, *, job: str | None) -> None:
    constraints = {f"delta.constraints.{name}": check for name, check in spec.constraints.items()}
    listed = _listed({**_properties(spec, job=job), **constraints})
    columns = ", ".join(map(quoted_name, spec.partitioned_by))
    try:
        table.spark.sql(
            f"CREATE TABLE IF NOT EXISTS {table.sql} ({', '.join(map(_declared, spec.schema))}) USING delta "
            f"{f'PARTITIONED BY ({columns}) ' if columns else ''}TBLPROPERTIES ({listed})"
        )
    except STORAGE_FAULTS as error:
        if is_there(table):  # another run came first; whether its shape is ours is looked at next
            return
        raise StorageError.failed("create", table.name, reason_of(error)) from error


def _declared(field: T.StructField) -> str:
    comment = quoted_text((field.metadata or {}).get("comment", ""))
    null = "" if field.nullable else " NOT NULL"
    return f"{quoted_name(field.name)} {field.dataType.simpleString()}{null} COMMENT {comment}"


def _create_anew(table: Table, spec: TableSpec, *, job: str | None) -> None:
    """Create a table whose maker was killed before the first commit: CREATE takes its empty log for a table.

    Nothing here replaces what another run may have written meanwhile.
    """
    try:
        rows = table.spark.createDataFrame([], schema=spec.schema)
        writer = rows.write.format("delta").options(**_mapping(spec.schema.fieldNames())).mode("append")
        writer.partitionBy(*spec.partitioned_by).save(table.path)
        table.spark.sql(f"ALTER TABLE {table.sql} SET TBLPROPERTIES ({_listed(_properties(spec, job=job))})")
        for name, check in spec.constraints.items():
            table.spark.sql(f"ALTER TABLE {table.sql} ADD CONSTRAINT {name} CHECK ({check})")
    except STORAGE_FAULTS as error:
        raise StorageError.failed("create", table.name, reason_of(error)) from error


def _properties(spec: TableSpec, *, job: str | None) -> dict[str, str]:
    owner = {JOB_PROPERTY: job} if job else {}
    return {**spec.properties, **_mapping(spec.schema.fieldNames()), FORMAT_PROPERTY: str(FORMAT_VERSION), **owner}


def _mapping(names: Iterable[str]) -> dict[str, str]:
    """Delta keeps some characters out of a name unless the files call the column something else."""
    return {_MAPPING: "name"} if any(_UNWRITABLE.search(name) for name in names) else {}


def _listed(properties: Mapping[str, str]) -> str:
    return ", ".join(f"{quoted_text(name)} = {quoted_text(value)}" for name, value in properties.items())


def check_table(
    table: Table, spec: TableSpec, *, job: str | None, properties: Mapping[str, str] | None = None
) -> Growth:
    """Return what the table lacks of the spec and can get.

    Args:
        properties: The table's, where they are known already.

    Raises:
        StorageError: It may not be written by the job, or can't become what the spec says without losing something.
    """
    properties = read_properties(table) if properties is None else properties
    found_format = int(properties.get(FORMAT_PROPERTY, FORMAT_VERSION))
    if found_format > FORMAT_VERSION:
        raise StorageError.newer_format(table.name, found_format, FORMAT_VERSION)
    if job is not None and (owner := properties.get(JOB_PROPERTY)) not in (None, job):
        raise StorageError.other_owner(table.name, str(owner), job)
    growth = find_growth(read_table(table).schema, spec, is_ours=FORMAT_PROPERTY in properties)
    if growth.faults:
        raise StorageError.other_shape(table.name, growth.faults)
    return growth


def _grow(table: Table, spec: TableSpec, growth: Growth) -> None:
    """Add and widens in place: no file is written anew, and earlier versions stay readable."""
    properties = {FORMAT_PROPERTY: str(FORMAT_VERSION), **_mapping(each.name for each in growth.added)}
    if growth.widened:
        properties["delta.enableTypeWidening"] = "true"
    if any("timestamp_ntz" in each.dataType.simpleString() for each in (*growth.added, *growth.widened)):
        properties["delta.feature.timestampNtz"] = "supported"  # a new table gets it by itself
    statements = [f"SET TBLPROPERTIES ({_listed(properties)})"]
    if growth.added:
        statements.append(f"ADD COLUMNS ({', '.join(map(_declared, growth.added))})")
    statements += [
        f"ALTER COLUMN {quoted_name(each.name)} TYPE {each.dataType.simpleString()}" for each in growth.widened
    ]
    try:
        for statement in statements:
            table.spark.sql(f"ALTER TABLE {table.sql} {statement}")
    except STORAGE_FAULTS as error:
        if not find_growth(read_table(table).schema, spec, is_ours=True):
            return  # another run was doing the same
        raise StorageError.failed("change", table.name, reason_of(error)) from error
