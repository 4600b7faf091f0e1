"""What `--json` prints, for whoever reads it: schedulers, notifications. Keys may be added; none changes its meaning.

conf/summary.schema.json is the same as JSON Schema. The summary is the last line of the output.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter


class Part(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True, use_attribute_docstrings=True)


class ModelPart(Part):
    name: str
    version: int
    metric: str
    value: float | None
    """The metric that it was chosen by; null: a pinned version without it."""


class CandidatePart(Part):
    rank: int
    model_name: str
    model_version: int
    value: float | None
    is_selected: bool
    is_tied: bool


class MetricsPart(Part):
    """Metrics over all rows of a month or of everything; `brierlake.schemas.METRIC_FIELDS` explains each."""

    window_start: str | None
    """First day of the month; null: the total."""
    n_rows: int
    n_scored: int
    n_labelled: int
    n_events: int
    coverage: float | None
    label_status: str
    mean_probability: float | None
    expected_brier: float | None
    expected_brier_sd: float | None
    base_rate: float | None
    mean_probability_labelled: float | None
    expected_brier_labelled: float | None
    brier: float | None
    """Never to be shown without base_rate beside it."""
    brier_se: float | None
    brier_low: float | None
    brier_high: float | None
    interval_status: str
    reference_brier: float | None
    skill: float | None
    skill_se: float | None
    spiegelhalter_z: float | None


class DiagnosticsPart(Part):
    windows: int
    """Windows judged again by this run."""
    labels_version: int | None
    months: list[MetricsPart]
    total: MetricsPart | None


class BreachPart(Part):
    gate: str
    window: str
    """First day of the window; all: the total."""
    slice_value: str | None
    value: float


class _Run(Part):
    run_id: str
    """The runs table has its row, unless the status is unchanged or planned."""
    job: str


class _Planned(_Run):
    model: ModelPart
    candidates_count: int
    eligible_count: int
    candidates: list[CandidatePart]
    """The best few."""
    recipe: str
    scope: str
    features_table: str
    features_version: int
    windows_stale: int
    windows_current: int
    rows_in: int
    """Rows of the stale windows."""


class _Told(Part):
    report: str | None = None
    """File that the report was written to; absent: none is configured, or see notes."""
    mlflow: str | None = None
    """Where MLflow shows the run; absent: nothing was logged."""
    mlflow_run_id: str | None = None
    notes: list[str] = []
    """What could not be made or logged after the run was published."""


class PlanSummary(_Planned):
    action: Literal["plan"]
    status: Literal["planned", "unchanged"]


class ScoreSummary(_Planned, _Told):
    action: Literal["score"]
    status: str
    """published, held (by a gate), diagnosed (labels or judgements only), unchanged (nothing was written)."""
    model_digest: str | None
    predictions_table: str
    predictions_version: int | None
    rows_scored: int
    rows_with_issue: int
    issues: dict[str, int]
    exit_code: int
    """0, or 5 where a gate was breached: what is downstream should stop."""
    breaches: list[BreachPart]
    held_windows: list[str]
    """Windows that an audit keeps back: their predictions are in no published table."""
    is_accepted: bool
    """Whether a person released them."""
    diagnostics: DiagnosticsPart | None


class DiagnoseSummary(_Run, _Told):
    action: Literal["diagnose"]
    status: Literal["published", "unchanged"]
    diagnostics: DiagnosticsPart


class FailedSummary(Part):
    status: Literal["failed", "held"]
    """held: a gate, such as too many rows with an issue."""
    exit_code: int
    """1 unexpected, 2 config or machine, 3 model, 4 features or labels, 5 a gate, 6 storage or conflict."""
    error: str
    """One or two sentences for a person, with what to do."""


SUMMARY: TypeAdapter[Any] = TypeAdapter(FailedSummary | ScoreSummary | DiagnoseSummary | PlanSummary)
