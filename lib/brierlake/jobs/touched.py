"""Which windows' labels have changed, or become known, since their diagnostics were made."""

from collections.abc import Mapping
from datetime import datetime

from brierlake.jobs.run import Run
from brierlake.lakehouse.diagnostics import Made
from brierlake.lakehouse.labels import read_touched_windows
from brierlake.lakehouse.tables import Pin, Table, read_table
from brierlake.lakehouse.windows import Window, filter_condition


def find_touched(run: Run, pin: Pin | None, made: Mapping[Window, Made], *, predictions: Table) -> set[Window]:
    """`made` are windows that were judged by labels of this very table, or by none."""
    labels = run.config.labels
    read = {
        window: each
        for window, each in made.items()
        if each.labels_version is not None and each.labels_as_of is not None
    }
    if labels is None or pin is None or not read:
        return set()
    versions = [each.labels_version for each in read.values() if each.labels_version is not None]
    touched = read_touched_windows(
        run.spark,
        pin,
        labels,
        run.config.features,
        predictions=read_table(run.spark, predictions).where(filter_condition(read)),
        since_version=min(versions),
        since=min(each.labels_as_of for each in read.values() if each.labels_as_of),
        as_of=run.started_at,
    )
    if touched is None:
        run.say(f"The change feed of {pin.table.name} doesn't tell what changed: reading all labels")
        same = {window: each for window, each in read.items() if each.labels_version == pin.version}
        if len(same) == len(read):
            return set(read)
        return set(read) - set(same) | find_touched(run, pin, same, predictions=predictions)
    return {window for window, last in touched.items() if _is_newer(last, read[window])}


SETTINGS, LABELS_TABLE = "settings changed", "another labels table"
"""Why nothing that was judged can stay, nor be added to what is judged now."""


def find_strange(made: Mapping[Window, Made], *, recipe: str, labels_id: str | None) -> Mapping[Window, str | None]:
    """Returns of each window why its figures are by other settings, or by another labels table; null: they are not."""

    def reason(each: Made) -> str | None:
        if each.recipe != recipe:
            return SETTINGS
        return LABELS_TABLE if each.labels_id != labels_id else None

    return {window: reason(each) for window, each in made.items()}


def _is_newer(last: tuple[int, datetime | None], before: Made) -> bool:
    version, known_at = last
    is_changed = before.labels_version is None or version > before.labels_version
    return is_changed or (known_at is not None and before.labels_as_of is not None and known_at > before.labels_as_of)
