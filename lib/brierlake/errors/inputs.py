"""Features or labels aren't what the config and the model ask for."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Self

from brierlake.errors.base import BrierlakeError, listed, nearest


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
    def reserved_names(cls, table: str, names: Sequence[str], *, prefix: str) -> Self:
        return cls(
            f"Table {table} has the column {listed(names)}, and names that begin with {prefix} are brierlake's own: "
            "rename it."
        )

    @classmethod
    def few_windows_to_recalibrate(
        cls,
        version: str,
        *,
        there: int,
        after: int,
        complete: int,
        fitted_on: int,
        tried_on: int,
        fewest: int,
    ) -> Self:
        return cls(
            f"{version} can't be recalibrated yet: of its {there:,} diagnosed windows {after:,} are from after its "
            f"training and {complete:,} of these have complete labels, which leaves {fitted_on:,} to fit on and "
            f"{tried_on:,} to try on; {fewest} each are needed. Wait for labels, move --fit-until, or say until when "
            "it was trained (tag brierlake.trained_until)."
        )

    @classmethod
    def nothing_to_fit(cls, version: str, n: int, n_events: int) -> Self:
        return cls(
            f"{version} can't be recalibrated: the windows to fit on have {n:,} labelled rows, of which {n_events:,} "
            "are of the positive class; 10 of either class are needed."
        )

    @classmethod
    def scored_anew(cls, windows: Sequence[object]) -> Self:
        return cls(
            f"Windows were scored anew since they were diagnosed ({listed(map(str, windows), most=5)}): run "
            "`brierlake diagnose`, then try again."
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
    def unscorable(cls, what: str, fix: str) -> Self:
        return cls(f"The model {what}: {fix}.")

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
    def emptied_windows(cls, table: str, windows: Sequence[str]) -> Self:
        shown = f"{', '.join(windows[:5])}{f' and {len(windows) - 5:,} more' if len(windows) > 5 else ''}"
        return cls(
            f"Table {table} holds no row of {len(windows):,} published {'window' if len(windows) == 1 else 'windows'} "
            f"any more ({shown}), and their predictions would be deleted. Name the windows to score with --from and "
            "--to; if deleting is right, say so with --allow-empty."
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
    def changed_labels(cls, table: str) -> Self:
        return cls(
            f"Outcomes of {table} that the predictions carry are no longer what the table says, or are none of the "
            "classes in labels.positive and labels.negative. Run score again with --force."
        )

    @classmethod
    def clusters_over_windows(cls, column: str, examples: Sequence[str]) -> Self:
        return cls(
            f"diagnostics.cluster is {column}, and some of its values reach over several windows, for example "
            f"{'; '.join(examples)}. Sums over clusters only add up where each lies within one: use a finer column, or "
            "window_start."
        )

    @classmethod
    def unknown_outcomes(
        cls, table: str, column: str, values: Sequence[str], *, known: Sequence[str], fix: Sequence[str] | None
    ) -> Self:
        """`fix` are all values that are there, the likely positive one first, where they can be classes."""
        text = (
            f"Column {column} of {table} holds values that are neither {' nor '.join(known)}: {', '.join(values)}. "
            "Name the classes that are there in labels.positive and labels.negative"
        )
        if fix is None:
            return cls(f"{text}; an outcome is one of a few classes, not a share or a score.")
        positive, *negative = fix
        return cls(f"{text}, for example `positive: {positive}` with `negative: [{', '.join(negative)}]`.")
