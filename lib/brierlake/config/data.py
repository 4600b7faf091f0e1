"""Where the tables are, and what their columns mean."""

from posixpath import normpath
from typing import Literal, Self

from pydantic import Field, model_validator

from brierlake.sections import Name, Place, Section, Text

Label = bool | int | float | str


class TableNames(Section):
    """Names of the tables that this job writes, in the gold layer."""

    predictions: Name = "predictions"
    """One row for each row of the features."""
    staged: Name = "predictions_staged"
    """Where `publish: audited` keeps what isn't published yet."""
    candidates: Name = "candidates"
    """Model versions that a run looked at."""
    cells: Name = "brier_cells"
    """What all figures are computed from."""
    metrics: Name = "brier_metrics"
    """Figures of windows, months and the total."""
    reliability: Name = "brier_reliability"
    """Bins and blocks of the reliability diagrams."""
    clusters: Name = "brier_clusters"
    """Sums over the clusters of diagnostics.cluster, for standard errors."""
    challengers: Name = "challengers"
    """The challenger's predictions."""
    compare: Name = "brier_compare"
    """Champion and challenger on the same rows."""
    runs: Name = "runs"
    """Runs that wrote something, or failed."""


class LakehouseConfig(Section):
    root: Place | None = None
    """Folder or URI (file, s3a, abfss, gs) that holds one folder a layer and one a table. This, or `catalog`."""
    catalog: Name | None = None
    """Catalog whose schemas are the layers: catalog.silver.features. This, or `root`."""
    silver: Name = "silver"
    """Layer that features and labels are read from."""
    gold: Name = "gold"
    """Layer that this job writes to."""
    tables: TableNames = TableNames()

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.root is None) == (self.catalog is None):
            raise ValueError("give either `root` (a folder or URI) or `catalog`")
        return self

    @model_validator(mode="after")
    def _tables_apart(self) -> Self:
        seen: dict[str, str] = {}
        for role, name in self.tables:
            if other := seen.get(place := self.place_of(self.gold, name)):
                raise ValueError(f"tables.{other} and tables.{role} are one table, {name}: give each its own name")
            seen[place] = role
        return self

    def place_of(self, layer: str, table: str) -> str:
        """Return the same for all names of one table: those of catalogs, and of many stores, know no case."""
        return normpath(f"{layer}/{table}").lower()


class FeaturesConfig(Section):
    table: Name
    """Table of the silver layer with one row for each thing to score."""
    key: tuple[Name, ...] = Field(min_length=1)
    """Columns that name a row; together unique."""
    event_at: Name | None = None
    """Time that the prediction is about; windows are cut along it. Without it and window_column: one window."""
    window: Literal["day", "month"] = "day"
    """Length of a window: predictions are replaced and diagnosed a window at a time. Fixed for a predictions table."""
    window_column: Name | None = None
    """DATE column that names the window, where the UTC day or month of `event_at` is the wrong cut."""
    columns: tuple[Name, ...] = ()
    """Features in training order. Empty: the model's signature names them, or a tag or parameter of its run does."""
    carry: tuple[Name, ...] = ()
    """Columns copied into the predictions, to slice by."""
    where: Text | None = None
    """SQL condition: score only the rows for which it is true."""
    trust_unique_key: bool = False
    """True: don't check that keys are unique in the scope."""

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        for name, columns in (("key", self.key), ("columns", self.columns), ("carry", self.carry)):
            if len({each.lower() for each in columns}) != len(columns):
                raise ValueError(f"`{name}` names a column twice")
        return self


class LabelsConfig(Section):
    table: Name | None = None
    """Table of the silver layer with the outcomes; null: the outcome is a column of the features table."""
    key: tuple[Name, ...] = ()
    """Columns of the labels table that match features.key, in the same order. Empty: the same names."""
    outcome: Name
    """Column with what happened; null: not known yet."""
    known_at: Name | None = None
    """TIMESTAMP from which the outcome was known; the latest wins where a key has several."""
    positive: Label = 1
    """The value of `outcome` that the probability is about."""
    negative: tuple[Label, ...] = ()
    """The other values that are known. Empty: 0 or false beside a positive 1 or true."""

    @model_validator(mode="after")
    def _classes(self) -> Self:
        if not self.negative and not isinstance(self.positive, bool) and self.positive != 1:
            raise ValueError("`negative` must list the other classes where `positive` is neither 1 nor true")
        if self.positive in self.negative:
            raise ValueError(f"{self.positive!r} can't be positive and negative")
        return self
