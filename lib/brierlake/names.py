"""Names in SQL: how any column is quoted, and the one prefix that our own columns in users' frames have."""

from collections.abc import Iterable

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

PREFIX = "__brierlake_"
"""No column of a user's table may begin like this, whatever its case."""


def internal(word: str) -> str:
    """Return the name of a column of our own in a frame that holds a user's columns too."""
    return f"{PREFIX}{word}"


def find_reserved(names: Iterable[str]) -> list[str]:
    """Return the names that could be taken for ours; Spark compares names without case."""
    return [name for name in names if name.lower().startswith(PREFIX)]


def quoted_name(name: str) -> str:
    """Return a column's name as an identifier of Spark SQL, whatever characters are in it."""
    return f"`{name.replace('`', '``')}`"


def column_of(name: str) -> Column:
    """Return the column of exactly this name, whatever characters are in it."""
    return F.col(quoted_name(name))


def typed_columns(fields: Iterable[T.StructField]) -> list[Column]:
    """Return the columns of a schema of ours, in its types: as text each is one call, where `cast` would be many."""
    return [
        F.expr(f"CAST({quoted_name(each.name)} AS {each.dataType.simpleString()}) AS {quoted_name(each.name)}")
        for each in fields
    ]


def quoted_text(text: str) -> str:
    """Return the text as a literal of Spark SQL."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
