"""What changed in a table between two versions, from its change data feed."""

from collections.abc import Mapping

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from brierlake.config import FeaturesConfig
from brierlake.lakehouse.tables import STORAGE_FAULTS, Pin, Table, read_detail
from brierlake.lakehouse.windows import WINDOW, Window, window_start
from brierlake.names import internal

_VERSION = internal("version")


def has_change_feed(table: Table) -> bool:
    properties = read_detail(table)["properties"] or {}
    return str(properties.get("delta.enableChangeDataFeed", "false")).lower() == "true"


def read_changes(pin: Pin, *, since: int) -> DataFrame | None:
    """Return the rows inserted, deleted and updated (before and after) since a version; None: it can't be told.

    It can't be told where the feed was off for a part of the range, or its files are gone.
    """
    reader = pin.spark.read.format("delta").option("readChangeFeed", "true")
    reader = reader.option("startingVersion", since + 1).option("endingVersion", pin.version)
    try:
        changes = reader.load(pin.table.path) if pin.table.path else reader.table(pin.table.sql)
        changes.limit(0).collect()
    except STORAGE_FAULTS:
        return None
    return changes


def read_changed_windows(pin: Pin, features: FeaturesConfig, *, since: int) -> Mapping[Window, int] | None:
    """Return the last version that changed each window since a version; None: it can't be told."""
    if since > pin.version:
        return None  # the table was restored or made anew: its versions say nothing
    if since == pin.version:
        return {}
    changes = read_changes(pin, since=since)
    if changes is None:
        return None
    try:
        cut = changes.withColumn(WINDOW, window_start(features, changes.schema))
        last = cut.groupBy(WINDOW).agg(F.max("_commit_version").alias(_VERSION))
        return {row[WINDOW]: int(row[_VERSION]) for row in last.collect()}
    except (*STORAGE_FAULTS, KeyError):  # files are gone, or columns weren't there yet
        return None


def read_whole_rewrites(table: Table) -> frozenset[int]:
    """Return the versions that replaced all rows of the table, as far as its history tells."""
    history = table.spark.sql(f"DESCRIBE HISTORY {table.sql}").collect()
    return frozenset(int(row["version"]) for row in history if _is_whole_rewrite(row["operation"], row))


def _is_whole_rewrite(operation: str, row: Row) -> bool:
    told = row["operationParameters"] or {}
    is_overwrite = operation == "WRITE" and told.get("mode") == "Overwrite" and not _condition(told)
    return is_overwrite or operation.startswith(("CREATE OR REPLACE", "REPLACE", "TRUNCATE"))


def _condition(told: Mapping[str, str]) -> str:
    return (told.get("predicate") or "").strip('[]" ')
