"""What a job is told: one YAML file, as frozen models. Impossible combinations are refused when they are made."""

from collections.abc import Mapping
from datetime import date
from posixpath import normpath
from typing import Literal, Self

from pydantic import (
    AwareDatetime,
    Field,
    PrivateAttr,
    field_validator,
    model_validator,
)

from brierlake.schemas import METRIC_FIELDS
from brierlake.sections import Name, Place, Section, Text

AUTO = "auto"
"""Value of `diagnostics.cluster` that leaves the choice to us."""
Label = bool | int | float | str
Rule = Literal["last_logged", "last_step"]


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


class AllowConfig(Section):
    flavors: tuple[Name, ...] = ()
    """MLflow flavors that may be loaded (sklearn, xgboost, …). Empty: every flavor whose loader brierlake knows."""
    pickle: bool = True
    """False: refuse models with a file that is a pickle, holds one, or isn't known to be harmless; those of skops and
    pt2 are."""
    code: bool = True
    """False: refuse models that bring or name Python code: code_paths, models from code, loaders or classes that
    aren't a known flavor's own."""


class ModelConfig(Section):
    names: tuple[Name, ...] = ()
    """Registered models among whose versions the best is looked for. This, or `pin`."""
    pin: Name | None = None
    """One version instead: `name/3`, or `name@alias` (resolved once a run)."""
    metric: Name = "brier"
    """Metric by which versions are ranked."""
    direction: Literal["min", "max"] = "min"
    """Whether the lowest or the highest value is best."""
    rule: Rule = "last_logged"
    """Which value counts: the last by wall clock, or the one at the highest step."""
    range: tuple[float, float] | None = (0.0, 2.0)
    """Values outside are not eligible (Brier: 0 to 2). null: any finite value is."""
    positive_class: Label = 1
    """The class whose probability is wanted, as the model calls it."""
    digest: Place | None = None
    """sha256 that the fetched model must have (see the runs table); null: any."""
    trained_until: AwareDatetime | date | None = None
    """End of the training data of versions that have no tag `brierlake.trained_until` (`log_features`, `log_brier`):
    only windows from then on count as evidence. null: the end of their run, a safe bound."""
    allow: AllowConfig = AllowConfig()
    """What a model may consist of; looked at before anything is loaded."""

    @model_validator(mode="after")
    def _one_choice(self) -> Self:
        if bool(self.names) == (self.pin is not None):
            raise ValueError("give either `names` (the best version of these) or `pin` (name/3 or name@alias)")
        if self.pin is not None and not ("@" in self.pin or self.pin.rpartition("/")[2].isdecimal()):
            raise ValueError(f"`pin` is name/number or name@alias, not {self.pin!r}")
        return self


class ScoringConfig(Section):
    max_issue_share: float = Field(default=0.1, ge=0, le=1)
    """Largest share of rows without a probability that is published; above it the run is refused."""
    sample_rows: int = Field(default=1000, ge=1, le=100_000)
    """Real rows that go through the model on the driver before any task starts."""
    environment: Literal["warn", "strict", "ignore"] = "warn"
    """What a difference between the model's requirements and the installed packages does."""
    env_manager: Text = "local"
    """MLflow's name for where a model runs. Only local: in the packages that are installed on driver and executors."""

    @field_validator("env_manager")
    @classmethod
    def _only_local(cls, value: str) -> str:
        if value != "local":
            raise ValueError(
                f"{value} isn't supported, only local is: with any other, MLflow installs an environment on every "
                "executor and sends each batch through a server there, as JSON. Install what the model asks for on the "
                "cluster instead; scoring.environment (warn or strict) says what differs"
            )
        return value


class ReferenceWindow(Section):
    start: date
    """First day of the reference, inclusive."""
    end: date
    """Day after its last."""


class DiagnosticsConfig(Section):
    slices: tuple[Name, ...] = ()
    """Columns (carried or key) to slice by."""
    slice_grain: Literal["month", "window"] = "month"
    """Finest grain that slices are kept at; small slices' cells don't compress."""
    reference: Literal["previous"] | ReferenceWindow = "previous"
    """What the scores of a window are compared with for drift: the window before, or a fixed range."""
    drift_alert: float = Field(default=0.5, gt=0, le=1)
    """Jensen-Shannon divergence (0: same, 1: disjoint) from which on a window of 30 rows or more is flagged."""
    cluster: Name | None = AUTO
    """Column whose rows share their errors, such as a game: carried, key, or window_start. auto: the UTC day of
    `event_at`, or the window, from 10 of them on. null: rows are taken as independent."""
    reference_windows: int = Field(default=28, ge=0)
    """Skill is against the base rate of so many windows before, which could be known; 0: that of the rows themselves,
    in hindsight."""
    level: float = Field(default=0.95, gt=0.5, lt=1)
    """Level of the intervals."""


class DecisionConfig(Section):
    """Where a decision is made by the probability: `threshold`, or the two costs that it follows from."""

    threshold: float | None = Field(default=None, gt=0, lt=1)
    """Probability from which on one acts."""
    cost_false_alarm: float | None = Field(default=None, gt=0)
    """What acting in vain costs."""
    cost_miss: float | None = Field(default=None, gt=0)
    """What not acting costs where it happens."""

    @model_validator(mode="after")
    def _told_once(self) -> Self:
        costs = (self.cost_false_alarm, self.cost_miss)
        has_costs = costs != (None, None)
        if has_costs == (self.threshold is not None) or (has_costs and None in costs):
            raise ValueError("give `threshold`, or both `cost_false_alarm` and `cost_miss`")
        return self

    @property
    def at(self) -> float:
        """The threshold: cost_false_alarm / (cost_false_alarm + cost_miss)."""
        if self.threshold is not None:
            return self.threshold
        alarm, miss = self.cost_false_alarm or 0.0, self.cost_miss or 1.0
        return alarm / (alarm + miss)


class GateConfig(Section):
    """A bound on a metric. Outside it, the run ends with exit code 5."""

    metric: Name
    """Column of brier_metrics; evidence is log_e_value (3.0: evidence of 20 : 1 against calibration)."""
    judge: Literal["sure", "value"] = "sure"
    """sure: a breach is where the whole interval lies outside (of ece, mce, reliability and drift: what is left above
    chance); value: where the bare number does."""
    min: float | None = None
    """Below it is a breach."""
    max: float | None = None
    """Above it is a breach."""
    grain: Literal["window", "month", "all"] = "window"
    """What is checked: each window that the run touched, their months, or the total."""
    slice: Name | None = None
    """Column of diagnostics.slices whose values are checked one by one; null: all rows together."""
    min_labelled: int = Field(default=0, ge=0)
    """Judged only where at least so many rows have a label; a metric that needs none goes without."""
    breaches: int = Field(default=1, ge=1)
    """So many of the last `of` windows must be outside."""
    of: int = Field(default=1, ge=1)
    """How many windows are looked at, up to the one that is checked."""

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        numbers = [each.name for each in METRIC_FIELDS if each.dataType.typeName() in ("double", "long")]
        if self.column not in numbers:
            raise ValueError(f"`metric` is none of evidence, {', '.join(numbers)}")
        if self.column in _OF_ALL_WINDOWS and self.grain != "all":
            raise ValueError(f"{self.metric} is of all windows together: set grain: all")
        if self.min is None and self.max is None:
            raise ValueError("give `min` or `max`")
        if self.breaches > self.of:
            raise ValueError("`breaches` can't be more than `of`")
        return self

    @property
    def column(self) -> str:
        """Column of brier_metrics that the metric is."""
        return "log_e_value" if self.metric == "evidence" else self.metric

    @property
    def needs_labels(self) -> bool:
        return self.metric not in LABEL_FREE

    @property
    def is_checked_before(self) -> bool:
        """Whether `publish: audited` can check it before anything is published."""
        return self.grain == "window" and not self.needs_labels

    def __str__(self) -> str:
        bounds = [f"{sign} {bound:g}" for sign, bound in ((">=", self.min), ("<=", self.max)) if bound is not None]
        share = f", {self.breaches} of {self.of}" if self.of > 1 else ""
        where = f"{self.grain}{f' by {self.slice}' if self.slice else ''}{share}"
        return f"{self.metric} {' and '.join(bounds)} ({where}{', value' if self.judge == 'value' else ''})"


_OF_ALL_WINDOWS = ("log_e_value", "sequence_low", "sequence_high", "change_statistic")
LABEL_FREE = (
    *("n_rows", "n_scored", "mean_probability", "expected_brier", "expected_brier_sd"),
    *("drift_psi", "drift_js", "drift_psi_low", "drift_js_low"),
)
"""Metrics that are known before any label is: what `publish: audited` can check before it publishes."""


class ChallengerConfig(Section):
    """A second version that scores the same rows into a table of its own, and is compared with the champion."""

    runner_up: bool = False
    """True: the second best eligible version of `model.names`."""
    pin: Name | None = None
    """That one instead: `name/3`, or `name@alias`."""

    @model_validator(mode="after")
    def _one_choice(self) -> Self:
        if self.runner_up == (self.pin is not None):
            raise ValueError("give either `runner_up: true` or `pin` (name/3 or name@alias)")
        if self.pin is not None and not ("@" in self.pin or self.pin.rpartition("/")[2].isdecimal()):
            raise ValueError(f"`pin` is name/number or name@alias, not {self.pin!r}")
        return self


class PromotionConfig(Section):
    """When `brierlake promote` gives an alias to the challenger."""

    alias: Name = "champion"
    """Alias of the registered model; `model.pin: name@champion` then scores with what was promoted."""
    min_labelled: int = Field(default=1000, ge=1)
    """Labelled rows that both must have scored."""


class MlflowConfig(Section):
    tracking_uri: Place
    """Where runs and models are: http(s)://…, sqlite:///file.db (relative to `folder`), databricks."""
    registry_uri: Place | None = None
    """Registry, where it isn't the tracking server."""
    experiment: Name = "brierlake"
    """Experiment that our own runs are logged to."""
    log_runs: bool = True
    """Log each published run to that experiment, and tag the version; false: MLflow is only read."""
    timeout_seconds: int = Field(default=15, ge=1, le=600)
    """How long one call may take; a server that is down fails within a few of these."""


class ReportConfig(Section):
    path: Place | None = None
    """HTML file that each published run writes anew, relative to `folder`. null: only `report` writes one."""


class SessionConfig(Section):
    master: Place | None = None
    """Spark master for a session that we start (local[*], spark://…). null: spark-submit's, or local[*,4]."""
    remote: Place | None = None
    """Spark Connect address (sc://host:port) instead of a master."""
    conf: dict[str, Text] = Field(default_factory=dict)
    """Further Spark settings for a session that we start."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if self.master and self.remote:
            raise ValueError("give either `master` or `remote`")
        return self


class Config(Section):
    job: Name
    """Name of the job; its predictions table belongs to it."""
    folder: Place = "."
    """Where relative paths below start, itself relative to this file's folder."""
    lakehouse: LakehouseConfig
    """Where the tables are."""
    features: FeaturesConfig
    """What is scored."""
    labels: LabelsConfig | None = None
    """What became of it; null: there are no labels."""
    model: ModelConfig
    """Which registered model scores."""
    scoring: ScoringConfig = ScoringConfig()
    """How the model is tried before it scores, and what is refused."""
    publish: Literal["direct", "audited"] = "direct"
    """audited: stage the predictions, check the gates that need no label, and publish the windows that pass."""
    gates: tuple[GateConfig, ...] = ()
    """Bounds on metrics; where one is breached the run ends with exit code 5, so that what follows is stopped."""
    diagnostics: DiagnosticsConfig = DiagnosticsConfig()
    """Slices, drift and intervals."""
    decision: DecisionConfig | None = None
    """Where a decision is made by the probability: its net benefit is diagnosed; null: none is."""
    challenger: ChallengerConfig | None = None
    promotion: PromotionConfig = PromotionConfig()
    mlflow: MlflowConfig
    """Where models come from, and where runs are logged."""
    report: ReportConfig = ReportConfig()
    """The HTML page."""
    session: SessionConfig = SessionConfig()
    """The Spark session, where none is there already."""
    _references: Mapping[tuple[str, ...], str] = PrivateAttr(default_factory=dict)

    @property
    def references(self) -> Mapping[tuple[str, ...], str]:
        """Path of each value that the environment gave and that is never told, to what the file has there."""
        return self._references

    def with_references(self, references: Mapping[tuple[str, ...], str]) -> Self:
        made = self.model_copy()
        made._references = dict(references)  # noqa: SLF001 - its own, before it is handed out
        return made

    @model_validator(mode="after")
    def _nothing_read_is_written(self) -> Self:
        place_of, lakehouse = self.lakehouse.place_of, self.lakehouse
        ours = {place_of(lakehouse.gold, name): role for role, name in lakehouse.tables}
        read = {"features.table": self.features.table, "labels.table": self.labels.table if self.labels else None}
        for setting, name in read.items():
            if name is not None and (role := ours.get(place_of(lakehouse.silver, name))):
                raise ValueError(
                    f"{setting} and lakehouse.tables.{role} are one table, {name}, which this job would write over: "
                    "rename ours, or give `silver` and `gold` different layers"
                )
        return self

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        there = {*self.features.key, *self.features.carry}
        cluster = self.diagnostics.cluster
        wanted = {*self.diagnostics.slices, *([cluster] if cluster and cluster not in (AUTO, "window_start") else [])}
        if absent := wanted - there:
            raise ValueError(
                f"diagnostics uses {', '.join(sorted(absent))}: add to features.carry so that predictions keep it"
            )
        if strangers := {each.slice for each in self.gates if each.slice} - {*self.diagnostics.slices}:
            raise ValueError(f"gates uses {', '.join(sorted(strangers))}: add to diagnostics.slices")
        finer = [each for each in self.gates if each.slice and each.grain == "window"]
        if finer and self.diagnostics.slice_grain != "window":
            raise ValueError("a gate by slice has grain month, or all; for windows set diagnostics.slice_grain: window")
        if self.decision is None and any(each.column.startswith("net_benefit") for each in self.gates):
            raise ValueError("a gate on net_benefit needs `decision`: the threshold that one acts from")
        if self.publish == "audited" and not any(each.is_checked_before for each in self.gates):
            free = ", ".join(LABEL_FREE)
            raise ValueError(f"`publish: audited` needs a gate of grain window on a metric without labels: {free}")
        if self.challenger and self.challenger.runner_up and self.model.pin is not None:
            raise ValueError("challenger.runner_up needs model.names: a pinned model has no runner-up")
        if self.labels and self.labels.key and len(self.labels.key) != len(self.features.key):
            raise ValueError("labels.key must have as many columns as features.key")
        return self
