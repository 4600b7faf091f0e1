"""The text of the config that `brierlake init` writes: what was chosen, and beside it what else there was."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from brierlake.config import LakehouseConfig
from brierlake.jobs.findings import ModelFindings, Outcomes, TableFindings
from brierlake.lakehouse.tables import Table, locate_table
from brierlake.redaction import redacted

_LARGER_IS_BETTER = re.compile(r"auc|acc|f1|precision|recall|r2|score|skill")
_PLAIN = re.compile(r"[A-Za-z_/][\w/.:-]*")
_MOST_CARRIED = 3
ROOT, TRACKING_URI = "BRIERLAKE_ROOT", "MLFLOW_TRACKING_URI"
"""Variables that a written config refers to for addresses with a credential in them."""


@dataclass(frozen=True)
class Place:
    """Where the tables are: the config's `lakehouse` section, and the features table in it."""

    root: str | None
    catalog: str | None
    silver: str
    table: str

    @property
    def lakehouse(self) -> LakehouseConfig:
        return LakehouseConfig(root=self.root, catalog=self.catalog, silver=self.silver)

    def locate(self, name: str) -> Table:
        return locate_table(self.lakehouse, layer=self.silver, name=name)


@dataclass(frozen=True)
class Choice:
    """What goes into the config, and what it was chosen from."""

    place: Place
    tracking_uri: str
    key: tuple[str, ...]
    table: TableFindings
    labels: Outcomes | None
    models: Sequence[ModelFindings]
    metric: str

    @property
    def fitting(self) -> list[ModelFindings]:
        return [each for each in self.models if each.fault is None]

    @property
    def variables(self) -> list[str]:
        """Variables that the written config refers to."""
        addresses = {ROOT: self.place.root or "", TRACKING_URI: self.tracking_uri}
        return [name for name, address in addresses.items() if redacted(address) != address]

    @property
    def own_outcome(self) -> str | None:
        """The outcome, where it is a column of the features table."""
        return self.labels.column if self.labels and self.labels.table is None else None

    @property
    def groups(self) -> Mapping[str, int]:
        """Columns to slice by, and how many values they have."""
        return {name: n for name, n in self.table.groups.items() if name not in (*self.key, self.own_outcome)}


def config_text(choice: Choice) -> str:
    """Returns the YAML file: what was chosen, and beside it what else there was."""
    place, table = choice.place, choice.table
    where = {"root": _address(place.root, ROOT)} if place.root else {"catalog": place.catalog}
    sliced = list(choice.groups)[:_MOST_CARRIED]
    carried = [*sliced, *([choice.own_outcome] if choice.own_outcome else [])]
    ordered = next((each.columns for each in choice.fitting if each.columns), ())
    seen = Counter[str]()
    for each in choice.fitting:
        seen.update(each.metrics)
    return f"""\
# Written by `brierlake init`; what else it found is in the comments. conf/local.yml explains every key.
# See first what would happen: brierlake plan --config THIS FILE
job: {_yaml(place.table)}
lakehouse:
{_lines(where)}
  silver: {_yaml(place.silver)}
  gold: gold    # what this job writes
features:
  table: {_yaml(place.table)}
  key: {_yaml(choice.key)}    # {_other_keys(table, choice.key)}
{_time_lines(table)}
  carry: {_yaml(carried)}    # {_counted("columns with few values", choice.groups)}
{f"  columns: {_yaml(ordered)}" if ordered else "# columns: []    # the model's signature names its features"}
{_label_lines(choice)}
model:
{_model_lines(choice)}
  metric: {_yaml(choice.metric)}    # {_counted("logged by runs", seen)}
{_metric_lines(choice.metric)}
  positive_class: 1    # the class whose probability is wanted, as the model calls it
diagnostics:
  slices: {_yaml(sliced)}
{_cluster_line(choice, sliced)}
mlflow:
  tracking_uri: {_yaml(_address(choice.tracking_uri, TRACKING_URI))}
"""


def _yaml(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(_yaml(each) for each in value)}]"
    is_plain = isinstance(value, str) and _PLAIN.fullmatch(value) and isinstance(yaml.safe_load(value), str)
    return str(value) if is_plain else json.dumps(value, ensure_ascii=False)


def _lines(section: Mapping[str, Any]) -> str:
    return "\n".join(f"  {name}: {_yaml(value)}" for name, value in section.items())


def _address(uri: str, variable: str) -> str:
    """Returns the address, or the variable that has to hold it where a credential is in it."""
    return f"${{{variable}}}" if redacted(uri) != uri else uri


def _counted(title: str, found: Mapping[str, int]) -> str:
    return f"{title}: {', '.join(f'{name} {n}' for name, n in found.items()) or 'none'}"


def _other_keys(table: TableFindings, chosen: Sequence[str]) -> str:
    rest = [" + ".join(key) for key in table.keys if key != tuple(chosen)]
    return f"also unique in the sample: {', '.join(rest) or 'nothing else'}"


def _metric_lines(metric: str) -> str:
    if "brier" in metric.lower():
        return "  direction: min"
    direction = "max" if _LARGER_IS_BETTER.search(metric.lower()) else "min"
    return f"  direction: {direction}    # is that so?\n  range: null    # or [least, most] that can be right"


def _time_lines(table: TableFindings) -> str:
    time, day = next(iter(table.times), None), next(iter(table.dates), None)
    found = f"times: {', '.join(table.times) or 'none'}; dates: {', '.join(table.dates) or 'none'}"
    lines = [
        f"  event_at: {_yaml(time)}    # {found}" if time else f"# event_at: null    # {found}",
        "  window: day    # or month",
        f"{'# ' if time or not day else '  '}window_column: {_yaml(day)}    # a DATE that cuts windows instead",
    ]
    return "\n".join(lines)


def _cluster_line(choice: Choice, sliced: Sequence[str]) -> str:
    """Rows of one day or one group share their errors: intervals that take them as independent are too narrow."""
    told = "    # rows that share their errors; or null"
    if choice.table.times or choice.table.dates:
        return f"  cluster: window_start{told}"
    return f"  cluster: {_yaml(sliced[0])}{told}" if sliced else "# cluster: null    # a column whose rows share errors"


def _label_lines(choice: Choice) -> str:
    labels = choice.labels
    if labels is None:
        return "# labels: {table: …, outcome: …, known_at: …, positive: 1}    # what happened, when it is known"
    known = f"    # columns: {', '.join(labels.found.types)}"
    if labels.column is None:
        return f"# labels: {{table: {_yaml(labels.table)}, outcome: …, positive: …, negative: […]}}{known}"
    rest = [name for name in labels.found.outcomes if name not in (labels.column, *choice.key)]
    lines = [
        f"  table: {_yaml(labels.table)}{known}" if labels.table else None,
        f"  outcome: {_yaml(labels.column)}    # is it? Also 0 and 1 only: {', '.join(rest) or 'nothing else'}",
        f"  known_at: {_yaml(labels.known_at)}    # since when it was known" if labels.known_at else None,
        f"  positive: {'true' if labels.is_boolean else '1'}",
    ]
    return "\n".join(["labels:", *(line for line in lines if line)])


def _model_lines(choice: Choice) -> str:
    names = _yaml([each.name for each in choice.fitting])
    fits = _counted("versions", {each.name: each.version_count for each in choice.fitting})
    refused = [f"  # {each.name} can't be fed from the table: {each.fault}" for each in choice.models if each.fault]
    return "\n".join([f"  names: {names}    # {fits}", *refused])
