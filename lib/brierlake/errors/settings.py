"""The config, or the command line, asks for something that can't be."""

from collections.abc import Sequence
from datetime import datetime
from typing import Self

from brierlake.errors.base import BrierlakeError


class ConfigError(BrierlakeError):
    """The config, or the command line, asks for something that can't be."""

    exit_code = 2

    @classmethod
    def missing_file(cls, path: str) -> Self:
        return cls(f"There is no config file {path}. Give one with --config; conf/local.yml is one to start from.")

    @classmethod
    def unreadable(cls, path: str, reason: str) -> Self:
        return cls(f"The config file {path} isn't valid YAML: {reason}.")

    @classmethod
    def invalid(cls, path: str, faults: Sequence[str]) -> Self:
        text = f"The config {path} can't be used: {'; '.join(faults)}"
        return cls(text if text.endswith("?") else text + ".")

    @classmethod
    def unset_variable(cls, name: str, key: str) -> Self:
        return cls(
            f"The config's {key} uses the environment variable {name}, which isn't set. "
            f"Set it, or give a default: ${{{name}:-value}}."
        )

    @classmethod
    def bad_override(cls, text: str) -> Self:
        name, equals, _ = text.partition("=")  # what follows may be a credential
        shown = f"{name}=…" if equals else name
        return cls(f"--set {shown} isn't of the form section.key=value, for example --set model.metric=brier.")

    @classmethod
    def missing_option(cls, option: str, what: str) -> Self:
        return cls(f"{option} is missing: {what}.")

    @classmethod
    def file_in_the_way(cls, path: str) -> Self:
        return cls(f"There is a file {path} already, and it stays as it is. Name another with --output.")

    @classmethod
    def no_place(cls, table: str) -> Self:
        return cls(
            f"The table {table!r} names no lakehouse. Give --root or --catalog, or the whole path (root/layer/table) "
            "or name (catalog.schema.table)."
        )

    @classmethod
    def as_of_in_future(cls, moment: datetime) -> Self:
        return cls(f"--as-of {moment:%Y-%m-%dT%H:%M:%SZ} lies in the future; leave it out for the labels known by now.")

    @classmethod
    def as_of_needs_times(cls) -> Self:
        return cls("--as-of needs labels.known_at: the labels don't say since when they are known.")

    @classmethod
    def bad_window(cls, text: str, reason: str) -> Self:
        return cls(f"The window bound {text!r} {reason}")

    @classmethod
    def no_windows(cls, what: str) -> Self:
        return cls(f"An {what} run needs windows: set features.event_at or features.window_column.")

    @classmethod
    def no_backfill_bounds(cls) -> Self:
        return cls("--by needs both ends of what is to be filled: give --from and --to.")

    @classmethod
    def short_retention(cls, days: int, least: int) -> Self:
        return cls(
            f"--retain-days {days} could remove files that a running job or a RESTORE needs: {least} is the least."
        )

    @classmethod
    def no_such_window(cls, window: str, known: str) -> Self:
        return cls(f"Nothing was published for {window}. Known: {known}.")

    @classmethod
    def nothing_recorded(cls, job: str, run_id: str | None) -> Self:
        what = f"run {run_id} of job {job!r}" if run_id else f"job {job!r}"
        return cls(f"Nothing is recorded of {what}. `brierlake runs` lists the runs.")

    @classmethod
    def unwritable(cls, path: str, reason: str) -> Self:
        return cls(f"The file {path} can't be written: {reason}. Name another with --output or report.path.")

    @classmethod
    def folder_in_use(cls, folder: str) -> Self:
        return cls(f"The folder {folder} isn't empty. Remove it, or name another with --folder.")
