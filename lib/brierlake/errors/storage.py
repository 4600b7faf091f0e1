"""A table can't be read or written."""

from collections.abc import Sequence
from typing import Self

from brierlake.errors.base import BrierlakeError


class StorageError(BrierlakeError):
    """A table can't be read or written, or somebody else was writing the same windows."""

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
        return cls(f"Could not {action} {table}: {reason}")
