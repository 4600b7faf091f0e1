"""Where outcomes may be found for a features table: in it, or in a table that lies beside it."""

from collections.abc import Collection, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from brierlake.commands.init.draft import Place
from brierlake.commands.init.survey import Outcomes, TableFindings, look_at_table
from brierlake.errors import StorageError
from brierlake.lakehouse.tables import is_there, read_table
from brierlake.names import quoted_name
from brierlake.session import hadoop_path, is_remote

_MOST_LOOKED_AT = 20
_TOLD = ("outcome", "label", "target", "result", "happened", "y")
_TIMED = ("known", "labelled", "labeled", "updated", "recorded")


def own_outcomes(table: TableFindings, *, taken: Collection[str]) -> Outcomes | None:
    """Return the likeliest outcome among the columns that are neither the key's nor the models'; None: none."""
    free = [name for name in table.outcomes if name not in taken]
    return _outcomes(None, table, free, taken=()) if free else None


def labels_in(name: str, found: TableFindings, *, key: Collection[str], event_at: str | None) -> Outcomes:
    free = [each for each in found.outcomes if each not in key]
    return _outcomes(name, found, free, taken=() if event_at is None else (event_at,))


def find_beside(
    spark: SparkSession, place: Place, *, key: Sequence[str], types: TableFindings, event_at: str | None
) -> Outcomes | None:
    """Return labels from the first of a handful of the layer's tables that has the key and an outcome; None: none."""
    names = [name for name in list_tables(spark, place) if name != place.table]
    for name in sorted(names, key=lambda each: (not _is_told(each), each))[:_MOST_LOOKED_AT]:
        try:
            if not is_there(table := place.locate(spark, name)):
                continue
            rows = read_table(table)
            there = {each.name: each.dataType.simpleString() for each in rows.schema}
            if all(there.get(each) == types.types[each] for each in key):
                labels = labels_in(name, look_at_table(rows), key=key, event_at=event_at)
                if labels.column is not None:
                    return labels
        except (StorageError, PySparkException, Py4JError):
            continue  # a table that can't be read holds no labels
    return None


def list_tables(spark: SparkSession, place: Place) -> list[str]:
    """Return the names in the layer; nothing where it can't be listed: object stores over Spark Connect."""
    if place.root is None:
        layer = f"{quoted_name(str(place.catalog))}.{quoted_name(place.silver)}"
        try:
            rows = spark.sql(f"SHOW TABLES IN {layer}").collect()
        except PySparkException:
            return []
        return [row["tableName"] for row in rows if not row["isTemporary"]]
    uri = f"{place.root.rstrip('/')}/{place.silver}"
    where = urlsplit(uri)
    if where.scheme in ("", "file"):
        folder = Path(where.path)
        return [each.parent.name for each in folder.glob("*/_delta_log")] if folder.is_dir() else []
    return [] if is_remote(spark) else _listed_by_hadoop(spark, uri)


def _listed_by_hadoop(spark: SparkSession, uri: str) -> list[str]:
    try:
        system, folder = hadoop_path(spark, uri)
        return [each.getPath().getName() for each in system.listStatus(folder) if each.isDirectory()]
    except Py4JError:
        return []


def _outcomes(name: str | None, found: TableFindings, free: Sequence[str], *, taken: Collection[str]) -> Outcomes:
    likely = sorted(free, key=lambda each: not _is_told(each))
    column = next(iter(likely), None)
    times = sorted(
        (each for each in found.times if each not in taken), key=lambda each: not each.lower().startswith(_TIMED)
    )
    return Outcomes(
        table=name,
        column=column,
        is_boolean=column is not None and found.types[column] == "boolean",
        known_at=next(iter(times), None) if name is not None else None,
        found=found,
    )


def _is_told(name: str) -> bool:
    words = name.lower().split("_")
    return any(word.startswith(told) if len(told) > 1 else word == told for word in words for told in _TOLD)
