"""Putting back: windows get the rows that they held before one run published, and no row of another run is touched."""

import json
from collections.abc import Collection

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from brierlake.errors import StorageError
from brierlake.lakehouse.predictions import is_conflict, remove_rows
from brierlake.lakehouse.tables import (
    STORAGE_FAULTS,
    Table,
    as_stored,
    is_gone,
    read_commits,
    read_table,
    read_version,
    reason_of,
    replace_rows,
)
from brierlake.lakehouse.windows import Window, filter_condition
from brierlake.names import quoted_text

_ATTEMPTS = 5


class GoneError(StorageError):
    """What the windows held before can't be read any more."""


def put_back(table: Table, *, windows: Collection[Window], owner: str, version: int, run_id: str) -> frozenset[Window]:
    """Give windows that hold nothing but one run's rows what they held at an earlier version, in one commit.

    The commit's condition names the runs whose rows it replaces. It is made from the state at one version; where
    others committed between that version and the one that the commit itself has read, what they published is looked
    at again, and rows of ours beside theirs are taken out.

    Args:
        owner: Run whose rows go.
        version: Version before that run's commit.
        run_id: Run that puts back.

    Returns:
        The windows that were put back; the others are another run's by now.

    Raises:
        GoneError: The earlier version can't be read any more.
        StorageError: The write failed, or others kept writing.
    """
    for attempt in range(_ATTEMPTS):
        tag = f"{run_id}-put-back-{attempt}"
        try:
            return _try_once(table, windows, owner=owner, version=version, tag=tag)
        except STORAGE_FAULTS as error:
            if not is_conflict(error):
                raise _fault(error, table) from error
    raise StorageError.conflict(table.name, _ATTEMPTS)


def _try_once(table: Table, windows: Collection[Window], *, owner: str, version: int, tag: str) -> frozenset[Window]:
    now = read_version(table)
    held = _held_by(table, windows, owner=owner, version=now)
    if held:
        former, ids = _read_former(table, held, version=version)
        where = f"{filter_condition(held)} AND {_is_of([owner, *ids])}"
        replace_rows(former, table, where=where, tag=json.dumps({"run_id": tag, "put_back": owner}))
        _clear_raced(table, held, owner=owner, former=ids, now=now, tag=tag)
    return held


def _is_of(run_ids: Collection[str]) -> str:
    return f"run_id IN ({', '.join(map(quoted_text, sorted(set(run_ids))))})"


def _held_by(table: Table, windows: Collection[Window], *, owner: str, version: int) -> frozenset[Window]:
    """Windows that hold rows of no other run."""
    rows = read_table(table, version=version).where(filter_condition(windows))
    others = rows.where(F.col("run_id") != F.lit(owner)).select("window_start").distinct().collect()
    return frozenset(windows) - {row["window_start"] for row in others}


def _read_former(table: Table, windows: Collection[Window], *, version: int) -> tuple[DataFrame, list[str]]:
    """The rows that the windows held, as the table has them now, and the runs that wrote them."""
    former = read_table(table, version=version).where(filter_condition(windows))
    ids = [row["run_id"] for row in former.select("run_id").distinct().collect()]
    return as_stored(former, read_table(table).schema), ids


def _fault(error: BaseException, table: Table) -> StorageError:
    if is_gone(error):
        return GoneError.failed("restore", table.name, "what was there before was removed (VACUUM?)")
    return StorageError.failed("restore", table.name, reason_of(error))


def _clear_raced(
    table: Table,
    held: Collection[Window],
    *,
    owner: str,
    former: Collection[str],
    now: int,
    tag: str,
) -> None:
    """Take out what was put back into windows that another run had published since we looked."""
    commit = read_commits(table).get(tag)
    if commit is None or commit["readVersion"] is None or commit["readVersion"] <= now or not former:
        return
    raced = frozenset(held) - _held_by(table, held, owner=owner, version=commit["readVersion"])
    if raced:
        remove_rows(table, where=f"{filter_condition(raced)} AND {_is_of(former)}", tag=f"{tag}-cleared")
