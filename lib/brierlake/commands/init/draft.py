"""The text of the config that `brierlake init` writes: what was chosen, and beside it what else there was."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined, Template
from pyspark.sql import SparkSession

from brierlake.commands.init.survey import ModelFindings, Outcomes, TableFindings
from brierlake.config import LakehouseConfig
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

    def locate(self, spark: SparkSession, name: str) -> Table:
        return locate_table(spark, self.lakehouse, layer=self.silver, name=name)


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
    """Return the YAML file: what was chosen, and beside it what else there was."""
    sliced, labels = list(choice.groups)[:_MOST_CARRIED], choice.labels
    seen = Counter[str]()
    for each in choice.fitting:
        seen.update(each.metrics)
    outcomes = labels.found.outcomes if labels else ()
    return _template().render(
        place=choice.place,
        root=_address(choice.place.root or "", ROOT),
        tracking_uri=_address(choice.tracking_uri, TRACKING_URI),
        key=choice.key,
        other_keys=[" + ".join(key) for key in choice.table.keys if key != tuple(choice.key)],
        table=choice.table,
        groups=choice.groups,
        sliced=sliced,
        carried=[*sliced, *([choice.own_outcome] if choice.own_outcome else [])],
        ordered=next((each.columns for each in choice.fitting if each.columns), ()),
        labels=labels,
        other_outcomes=[name for name in outcomes if labels and name not in (labels.column, *choice.key)],
        models=choice.models,
        fitting=choice.fitting,
        versions={each.name: each.version_count for each in choice.fitting},
        metric=choice.metric,
        is_larger_better=_LARGER_IS_BETTER.search(choice.metric.lower()) is not None,
        seen=seen,
    )


def _template() -> Template:
    environment = Environment(  # noqa: S701 - YAML, not HTML
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters.update(yaml=_yaml, counted=_counted)
    return environment.from_string(files(__package__).joinpath("config.yml.j2").read_text(encoding="utf-8"))


def _yaml(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(_yaml(each) for each in value)}]"
    is_plain = isinstance(value, str) and _PLAIN.fullmatch(value) and isinstance(yaml.safe_load(value), str)
    return str(value) if is_plain else json.dumps(value, ensure_ascii=False)


def _address(uri: str, variable: str) -> str:
    """Return the address, or the variable that has to hold it where a credential is in it."""
    return f"${{{variable}}}" if redacted(uri) != uri else uri


def _counted(found: Mapping[str, int], title: str) -> str:
    return f"{title}: {', '.join(f'{name} {n}' for name, n in found.items()) or 'none'}"
