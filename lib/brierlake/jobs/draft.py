"""The text of the config that `brierlake init` writes: what was chosen, and beside it what else there was."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from brierlake.config import LakehouseConfig
from brierlake.jobs.findings import ModelFindings, TableFindings
from brierlake.lakehouse.tables import Table, locate_table
from brierlake.redaction import redacted

_LARGER_IS_BETTER = re.compile(r"auc|acc|f1|precision|recall|r2|score|skill")
_PLAIN = re.compile(r"[A-Za-z_/][\w/.:-]*")
_MOST_CARRIED = 3


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
    labels: tuple[str, TableFindings] | None
    models: Sequence[ModelFindings]
    metric: str

    @property
    def fitting(self) -> list[ModelFindings]:
        return [each for each in self.models if each.fault is None]


def config_text(choice: Choice) -> str:
    """Returns the YAML file: what was chosen, and beside it what else there was."""
    place, table = choice.place, choice.table
    where = {"root": place.root} if place.root else {"catalog": place.catalog}
    carried = [name for name in table.groups if name not in choice.key][:_MOST_CARRIED]
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
  carry: {_yaml(carried)}    # {_counted("columns with few values", table.groups)}
{f"  columns: {_yaml(ordered)}" if ordered else "# columns: []    # the model's signature names its features"}
{_label_lines(choice)}
model:
{_model_lines(choice)}
  metric: {_yaml(choice.metric)}    # {_counted("logged by runs", seen)}
{_metric_lines(choice.metric)}
  positive_class: 1    # the class whose probability is wanted, as the model calls it
diagnostics:
  slices: {_yaml(carried)}
mlflow:
  tracking_uri: {_yaml(_without_password(choice.tracking_uri))}
"""


def _yaml(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(_yaml(each) for each in value)}]"
    is_plain = isinstance(value, str) and _PLAIN.fullmatch(value) and isinstance(yaml.safe_load(value), str)
    return str(value) if is_plain else json.dumps(value, ensure_ascii=False)


def _lines(section: Mapping[str, Any]) -> str:
    return "\n".join(f"  {name}: {_yaml(value)}" for name, value in section.items())


def _without_password(uri: str) -> str:
    return "${MLFLOW_TRACKING_URI}" if redacted(uri) != uri else uri


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


def _label_lines(choice: Choice) -> str:
    if choice.labels is None:
        return "# labels: {table: …, outcome: …, known_at: …, positive: 1}    # what happened, when it is known"
    name, found = choice.labels
    outcome = next((each for each in found.outcomes if each not in choice.key), None)
    known_at = next(iter(found.times), None)
    known = f"    # columns: {', '.join(found.types)}"
    if outcome is None:
        return f"# labels: {{table: {_yaml(name)}, outcome: …, positive: …, negative: […]}}{known}"
    time = f"\n  known_at: {_yaml(known_at)}" if known_at else ""
    return f"labels:\n  table: {_yaml(name)}{known}\n  outcome: {_yaml(outcome)}{time}\n  positive: 1"


def _model_lines(choice: Choice) -> str:
    names = _yaml([each.name for each in choice.fitting])
    fits = _counted("versions", {each.name: each.version_count for each in choice.fitting})
    refused = [f"  # {each.name} can't be fed from the table: {each.fault}" for each in choice.models if each.fault]
    return "\n".join([f"  names: {names}    # {fits}", *refused])
