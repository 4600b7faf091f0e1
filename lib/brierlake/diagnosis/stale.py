"""Which windows are stale: their predictions, their labels or the settings have changed since they were diagnosed."""

from collections.abc import Mapping
from datetime import datetime

from brierlake.diagnosis.recomputation import Subject
from brierlake.lakehouse.diagnostics import Provenance
from brierlake.lakehouse.labels import read_touched_windows
from brierlake.lakehouse.predictions import WindowState
from brierlake.lakehouse.tables import read_table
from brierlake.lakehouse.windows import Scope, Window, filter_condition
from brierlake.run.context import Say


def find_touched(subject: Subject, known: Mapping[Window, Provenance], *, say: Say) -> set[Window]:
    """Return the windows whose labels have changed or become known.

    Args:
        known: Windows that were diagnosed with labels of this very table, or with none.
    """
    labels = subject.labels
    read = {
        window: each
        for window, each in known.items()
        if each.labels_version is not None and each.labels_as_of is not None
    }
    if labels is None or not read:
        return set()
    versions = [each.labels_version for each in read.values() if each.labels_version is not None]
    touched = read_touched_windows(
        labels,
        predictions=read_table(subject.predictions).where(filter_condition(read)),
        since_version=min(versions),
        since=min(each.labels_as_of for each in read.values() if each.labels_as_of),
        as_of=subject.stamp.at,
    )
    if touched is None:
        say(f"The change feed of {labels.pin.table.name} doesn't tell what changed: reading all labels")
        same = {window: each for window, each in read.items() if each.labels_version == labels.pin.version}
        if len(same) == len(read):
            return set(read)
        return set(read) - set(same) | find_touched(subject, same, say=say)
    return {window for window, last in touched.items() if _is_newer(last, read[window])}


def find_stale_windows(
    subject: Subject,
    known: Mapping[Window, Provenance],
    states: Mapping[Window, WindowState],
    *,
    scope: Scope,
    is_forced: bool,
    say: Say,
) -> Mapping[Window, str]:
    """Return the windows of the scope that are to be recomputed, each with the reason."""
    suspects = {window for window in {*states, *known} if scope.has(window)}
    reasons = {
        window: FORCED if is_forced else _reason(known.get(window), states.get(window), subject) for window in suspects
    }
    current = {window: known[window] for window, reason in reasons.items() if reason is None}
    reasons |= dict.fromkeys(find_touched(subject, current, say=say), LABELS)
    return {window: reason for window, reason in reasons.items() if reason}


PREDICTIONS, LABELS, FORCED = "predictions changed", "labels changed", "as --force asks"
SETTINGS, LABELS_TABLE = "settings changed", "another labels table"
"""Why windows are diagnosed again. After the last two nothing can stay, nor be added to what is computed now."""


def has_strange(subject: Subject, known: Mapping[Window, Provenance]) -> bool:
    """Whether some figures are by other settings, or by another labels table."""
    return any(_strangeness(each, subject) for each in known.values())


def _strangeness(each: Provenance, subject: Subject) -> str | None:
    if each.recipe != subject.recipe:
        return SETTINGS
    return LABELS_TABLE if each.labels_id != subject.labels_id else None


def _reason(before: Provenance | None, state: WindowState | None, subject: Subject) -> str | None:
    if before is None or state is None or state.is_mixed or before.predictions_id != state.run_id:
        return PREDICTIONS
    return _strangeness(before, subject)


def _is_newer(last: tuple[int, datetime | None], before: Provenance) -> bool:
    version, known_at = last
    is_changed = before.labels_version is None or version > before.labels_version
    return is_changed or (known_at is not None and before.labels_as_of is not None and known_at > before.labels_as_of)
