"""The one family of errors: what went wrong, what is there instead, and what to do. Each leaf has its exit code."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import ClassVar, Self


def nearest(name: str, known: Iterable[str]) -> str:
    """Returns ` Did you mean 'x'?`, or nothing where no known name is near."""
    found = get_close_matches(name, list(known), n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(repr(each) for each in found)}?" if found else ""


def listed(names: Iterable[str], *, most: int = 20) -> str:
    """Returns the names sorted and shortened for a message; `none` where there are none."""
    ordered = sorted(names)
    shown = ", ".join(ordered[:most])
    return f"{shown} and {len(ordered) - most} more" if len(ordered) > most else shown or "none"


class BrierlakeError(Exception):
    """Something that the user can act on. The message is one or two sentences and holds the fix."""

    exit_code: ClassVar[int] = 1


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
        return cls(f"--set {text} isn't of the form section.key=value, for example --set model.metric=brier.")

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


class SetupError(BrierlakeError):
    """This machine lacks something that the job needs."""

    exit_code = 2

    @classmethod
    def no_java(cls, found: str | None) -> Self:
        have = f"found {found}" if found else "found none"
        return cls(
            f"Spark 4.2 needs Java 17 or newer and {have}. Install a JDK (for example openjdk-17-jre-headless) "
            "or point JAVA_HOME at one."
        )

    @classmethod
    def no_delta_jars(cls, package: str) -> Self:
        return cls(
            f"Spark could not fetch Delta's jars ({package}) from a Maven repository. Allow one to be reached, "
            "or give local jars with --set session.conf='{spark.jars: /path/a.jar,/path/b.jar}'."
        )

    @classmethod
    def no_delta_session(cls) -> Self:
        return cls(
            "The Spark session that is running has no Delta support. Start it with "
            "--properties-file conf/spark-defaults.conf, or with the same settings."
        )

    @classmethod
    def no_session(cls, reason: str) -> Self:
        return cls(f"Spark didn't start: {reason}")

    @classmethod
    def unreachable(cls, address: str, reason: str) -> Self:
        return cls(f"No Spark Connect server answers at {address} ({reason}). Check session.remote.")

    @classmethod
    def missing_extra(cls, extra: str, module: str) -> Self:
        return cls(f"This needs the package {module}: install it with `pip install 'brierlake[{extra}]'`.")


class ModelError(BrierlakeError):
    """No version could be chosen, or the chosen one can't be fetched or trusted."""

    exit_code = 3

    @classmethod
    def no_database(cls, path: str, reason: str) -> Self:
        return cls(
            f"There is no MLflow database in {path} ({reason}). Check mlflow.tracking_uri and mlflow.registry_uri."
        )

    @classmethod
    def unreachable(cls, uri: str, reason: str) -> Self:
        return cls(f"MLflow at {uri} {reason}. Check mlflow.tracking_uri and that the server is up.")

    @classmethod
    def no_login(cls, uri: str) -> Self:
        return cls(
            f"MLflow at {uri} doesn't accept the credentials (401). Set MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN."
        )

    @classmethod
    def forbidden(cls, what: str, uri: str) -> Self:
        return cls(
            f"MLflow at {uri} doesn't let this user see {what} (403). Ask for READ permission, or use another user."
        )

    @classmethod
    def failed(cls, action: str, uri: str, reason: str) -> Self:
        return cls(f"MLflow at {uri} could not {action}: {reason}")

    @classmethod
    def no_model(cls, name: str, known: Iterable[str]) -> Self:
        names = list(known)
        return cls(f"There is no registered model {name!r}.{nearest(name, names)} There are: {listed(names)}.")

    @classmethod
    def no_versions(cls, names: Sequence[str]) -> Self:
        return cls(
            f"No version is registered under {listed(names)}. Register one, for example with `brierlake register`."
        )

    @classmethod
    def no_version(cls, name: str, version: str, known: Iterable[int]) -> Self:
        there = ", ".join(str(number) for number in sorted(known)[-20:]) or "none"
        return cls(f"There is no version {version} of model {name!r} (deleted?). Its versions are: {there}.")

    @classmethod
    def no_alias(cls, name: str, alias: str, known: Iterable[str]) -> Self:
        there = list(known)
        return cls(f"Model {name!r} has no alias {alias!r}.{nearest(alias, there)} Its aliases are: {listed(there)}.")

    @classmethod
    def not_ready(cls, uri: str, status: str) -> Self:
        return cls(
            f"{uri} has the status {status}, and only READY versions can be scored. Pin another, or register it again."
        )

    @classmethod
    def replaced(cls, uri: str) -> Self:
        return cls(
            f"{uri} isn't the version any more that was chosen a moment ago: its model was made anew. Run again."
        )

    @classmethod
    def no_eligible(cls, names: Sequence[str], metric: str, reasons: Mapping[str, int], metrics: Iterable[str]) -> Self:
        counted = "; ".join(
            f"{count} x {reason}" for reason, count in sorted(reasons.items(), key=lambda each: (-each[1], each[0]))
        )
        there = set(metrics) - {metric}
        hint = f"{nearest(metric, there)} Their runs hold: {listed(there)}." if metric not in metrics else ""
        total = sum(reasons.values())
        return cls(f"None of the {total} versions of {listed(names)} can be chosen by {metric}: {counted}.{hint}")

    @classmethod
    def incomplete(cls, uri: str, faults: Sequence[str]) -> Self:
        return cls(
            f"The files of {uri} aren't whole: {'; '.join(faults)}. Restore them in the artifact store, "
            "or register the model again."
        )

    @classmethod
    def untrusted(cls, uri: str, faults: Sequence[str]) -> Self:
        return cls(f"{uri} isn't loaded: {'; '.join(faults)}.")

    @classmethod
    def other_digest(cls, uri: str, *, expected: str, found: str) -> Self:
        return cls(
            f"{uri} has the digest {found}, and model.digest asks for {expected}. Find out why its files differ; "
            "set model.digest to the new one only if you trust them."
        )

    @classmethod
    def no_experiment(cls, name: str, known: Iterable[str]) -> Self:
        names = list(known)
        return cls(f"There is no experiment {name!r}.{nearest(name, names)} There are: {listed(names)}.")

    @classmethod
    def bad_template(cls, template: str, reason: str) -> Self:
        return cls(f"The model name {template!r} {reason}. It may hold {{model}}, {{params.x}} and {{tags.x}}.")


class ContractError(BrierlakeError):
    """The tables or the model's inputs aren't what the config and the model ask for."""

    exit_code = 4

    @classmethod
    def missing_columns(cls, table: str, missing: Iterable[str], available: Iterable[str], *, asked_by: str) -> Self:
        lacking, there = sorted(missing), list(available)
        hints = "".join(nearest(name, there) for name in lacking)
        return cls(
            f"Table {table} has no column {listed(lacking)}, which {asked_by} asks for.{hints} "
            f"It has: {listed(there, most=60)}."
        )

    @classmethod
    def faults(cls, title: str, faults: Sequence[str]) -> Self:
        lines = "".join(f"\n  - {fault}" for fault in faults)
        return cls(f"{title}{lines}")

    @classmethod
    def unusable_signature(cls, what: str) -> Self:
        return cls(
            f"The model {what}. Log it again with signature=infer_signature(features, predictions), "
            "the features as a DataFrame with one single-valued column each."
        )

    @classmethod
    def unfit_features(cls, table: str, faults: Sequence[str]) -> Self:
        return cls.faults(f"Table {table} isn't what the model takes:", faults)

    @classmethod
    def unloadable(cls, reason: str, *, missing: str | None) -> Self:
        fix = f"Install {missing.partition('.')[0]} here and on the executors" if missing else "Check its requirements"
        return cls(f"The model can't be loaded: {reason.rstrip('.')}. {fix}.")

    @classmethod
    def not_a_probability(cls, reason: str) -> Self:
        return cls(f"The model doesn't give the probability that is wanted: {reason.rstrip('.?')}.")

    @classmethod
    def model_refuses_all(cls, table: str, reason: str, *, rows: int) -> Self:
        return cls(
            f"The model raises an error for each of the {rows:,} rows sampled from {table}: {reason.rstrip('.')}. "
            "Compare the table with what the model was trained on."
        )

    @classmethod
    def sample_issues(
        cls, table: str, issues: Mapping[str, int], *, rows: int, share: float, words: str | None
    ) -> Self:
        ordered = sorted(issues.items(), key=lambda item: (-item[1], item[0]))
        lines = [f"{n:,} rows: {text}" for text, n in ordered[:10]]
        lines += [f"(what the model raised last: {words})"] if words else []
        return cls.faults(
            f"{sum(issues.values()):,} of the {rows:,} rows sampled from {table} get no probability, more than "
            f"scoring.max_issue_share ({share:g}) allows. Mend the rows, or raise it:",
            lines,
        )

    @classmethod
    def other_environment(cls, differences: Sequence[str]) -> Self:
        return cls.faults(
            "The packages here aren't those that the model asks for. Install them, or set scoring.environment to warn:",
            differences,
        )

    @classmethod
    def empty_scope(cls, table: str, scope: str) -> Self:
        return cls(
            f"Table {table} has no rows to score in {scope}. Check the table and the scope; "
            "if empty is right, say so with --allow-empty."
        )

    @classmethod
    def no_change_feed(cls, table: str, sql: str) -> Self:
        return cls(
            f"Table {table} keeps no change data feed, which an incremental run goes by. Switch it on with "
            f"ALTER TABLE {sql} SET TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true'), or name the windows with "
            "--from and --to."
        )

    @classmethod
    def no_fitting_model(cls, table: str, faults: Sequence[str]) -> Self:
        return cls.faults(f"None of the registered models can be fed from table {table}:", faults)

    @classmethod
    def no_key(cls, table: str, columns: Sequence[str]) -> Self:
        return cls(
            f"No column of table {table}, and no pair of columns, names its rows uniquely. "
            f"Say which do with --key; it has: {listed(columns, most=60)}."
        )

    @classmethod
    def duplicate_keys(cls, table: str, key: Sequence[str], examples: Sequence[str]) -> Self:
        return cls(
            f"Table {table} holds several rows with one key ({', '.join(key)}), for example {'; '.join(examples)}. "
            "Make the key unique, or set features.key to columns that are."
        )

    @classmethod
    def duplicate_labels(cls, table: str, examples: Sequence[str]) -> Self:
        return cls(
            f"Table {table} holds different outcomes for one key that nothing tells apart, for example "
            f"{'; '.join(examples)}. Remove one of each, or set labels.known_at so that the latest wins."
        )

    @classmethod
    def clusters_over_windows(cls, column: str, examples: Sequence[str]) -> Self:
        return cls(
            f"diagnostics.cluster is {column}, and some of its values reach over several windows, for example "
            f"{'; '.join(examples)}. Sums over clusters only add up where each lies within one: use a finer column, or "
            "window_start."
        )

    @classmethod
    def unknown_outcomes(cls, table: str, column: str, values: Sequence[str], known: str) -> Self:
        return cls(
            f"Column {column} of {table} holds values that are neither {known}: {', '.join(values)}. "
            "Set labels.positive and labels.negative to the classes that are there."
        )


class GateError(BrierlakeError):
    """A gate was breached: whoever is downstream should stop."""

    exit_code = 5

    @classmethod
    def too_many_issues(
        cls, issues: Mapping[str, int], examples: Mapping[str, Sequence[str]], *, rows: int, share: float
    ) -> Self:
        ordered = sorted(issues.items(), key=lambda item: -item[1])
        worst = "; ".join(f"{text} ({n:,} rows, for example {examples[text][0]})" for text, n in ordered[:3])
        return cls(
            f"{sum(issues.values()):,} of {rows:,} rows have no probability, more than scoring.max_issue_share "
            f"({share:g}) allows: {worst}. The windows hold again what they held before."
        )


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
            "Nothing is recorded as done; run again with --force, and report this if it stays."
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
