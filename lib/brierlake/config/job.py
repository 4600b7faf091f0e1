"""The whole of it: one job, with where MLflow, the page and Spark are."""

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from brierlake.config.data import FeaturesConfig, LabelsConfig, LakehouseConfig
from brierlake.config.judging import (
    AUTO,
    LABEL_FREE,
    ChallengerConfig,
    DecisionConfig,
    DiagnosticsConfig,
    GateConfig,
    PromotionConfig,
)
from brierlake.config.models import ModelConfig, ScoringConfig
from brierlake.sections import Name, Place, Section, Text


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
