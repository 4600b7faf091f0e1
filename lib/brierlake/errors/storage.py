"""A table can't be read or written."""

import re
from collections.abc import Sequence
from typing import Self

from brierlake.errors.base import BrierlakeError


class StorageError(BrierlakeError):
    """A table can't be read or written, or another job was writing the same windows."""

    exit_code = 6

    @classmethod
    def no_table(cls, table: str, *, setting: str) -> Self:
        return cls(f"There is no table at {table}. Check {setting} and the `lakehouse` section.")

    @classmethod
    def not_delta(cls, table: str, *, setting: str) -> Self:
        return cls(f"What is at {table} isn't a Delta table. Check {setting}, or convert it with CONVERT TO DELTA.")

    @classmethod
    def in_the_way(cls, table: str) -> Self:
        return cls(
            f"There are files at {table} that aren't a Delta table; nothing was written. Move them, or rename ours."
        )

    @classmethod
    def other_shape(cls, table: str, differences: Sequence[str]) -> Self:
        return cls(
            f"Table {table} has another shape than this job writes: {'; '.join(differences)}. "
            "Rename the table in lakehouse.tables, or drop it to start afresh."
        )

    @classmethod
    def other_owner(cls, table: str, owner: str, job: str) -> Self:
        return cls(
            f"Table {table} belongs to job {owner!r}, and {job!r} would delete its rows. Name another table in "
            f"lakehouse.tables, or take it over: ALTER TABLE … SET TBLPROPERTIES ('brierlake.job' = '{job}')."
        )

    @classmethod
    def newer_format(cls, table: str, found: int, known: int) -> Self:
        return cls(
            f"Table {table} is of format {found}, and this brierlake knows formats up to {known}: upgrade brierlake."
        )

    @classmethod
    def rows_differ(cls, table: str, *, expected: int, written: int) -> Self:
        return cls(
            f"{expected} rows were to be published to {table} and its commit says {written}. "
            "The windows hold again what they held before; run again, and report this if it stays."
        )

    @classmethod
    def conflict(cls, table: str, attempts: int) -> Self:
        return cls(
            f"Other jobs kept writing the same windows of {table} ({attempts} attempts). Run again when they are done."
        )

    @classmethod
    def unreadable_version(cls, table: str, version: int) -> Self:
        return cls(
            f"Version {version} of {table} can't be read any more: its files or log entries were removed (VACUUM?). "
            "Run again; it will pin the current version."
        )

    @classmethod
    def failed(cls, action: str, table: str, reason: str) -> Self:
        fix = next((f" {fix}" for words, fix in _FIXES if words.search(reason)), "")
        return cls(f"Could not {action} {table}: {reason.rstrip('.') if fix else reason}{'.' if fix else ''}{fix}")


_FIXES = (
    (
        re.compile(r"(?i)\b40[13]\b|forbidden|access ?denied|unauthorized|authenticat|permission denied|expired"),
        "Check the credentials that Spark has for that place, and that they may read and write there.",
    ),
    (
        re.compile(
            r"SCHEMA_NOT_FOUND|CATALOG_NOT_FOUND|(?i:no ?such ?bucket|bucket .*not exist|container .*not exist)"
        ),
        "Create it, or check the `lakehouse` section.",
    ),
    (
        re.compile(r"(?i)metastore|connection refused|timed? ?out|unknown ?host"),
        "Check that the service is up and can be reached from here.",
    ),
)
"""What a platform says when it refuses, and what to do about it."""
