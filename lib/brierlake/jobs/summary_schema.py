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


class FlagPart(Part):
    window_start: str | None
    reason: str
    """One sentence for a person: how far the scores are from the reference's. No label is needed for it."""
    drift_js: float
    drift_psi: float
    mean_probability: float
    expected_brier: float


class LabelsPart(Part):
    """The whole labels table beside the predictions."""

    rows: int
    superseded: int
    """Labels that a later one of the same key replaces."""
    without_prediction: int
    """Keys that have a label and no prediction."""
    in_several_windows: int
    """Keys that are predicted in more than one window: their label counts in each."""


class DiagnosticsPart(Part):
    windows: int
    """Windows judged again by this run."""
    reasons: dict[str, int]
    """Why they were, and how many for each reason."""
    labels_version: int | None
    labels: LabelsPart | None
    """null: not counted, as in a score run, or where nothing was judged again."""
    as_of: str | None
    """The time in the past that this answers for; nothing was written then."""
    flagged: list[FlagPart]
    """Windows of the scope whose scores have moved by diagnostics.drift_alert or more, the farthest first."""
    months: list[MetricsPart]
    total: MetricsPart | None


class ComparisonPart(Part):
    """The challenger's Brier score minus the champion's on the same rows; `brier_compare` explains each."""

    window_start: str | None
    n: int
    n_events: int
    brier_champion: float | None
    brier_challenger: float | None
    difference: float | None
    difference_se: float | None
    difference_low: float | None
    difference_high: float | None
    se_kind: str
    verdict: Literal["better", "worse", "not_distinguishable", "too_few_labels"]
    """On the challenger."""


class ChallengerPart(Part):
    """Only where the config has a `challenger`. Its failing leaves the champion's status and exit code alone."""

    status: Literal["published", "diagnosed", "unchanged", "absent", "failed"]
    """absent: no eligible version comes after the champion, or it hasn't scored yet."""
    model_name: str | None
    model_version: int | None
    windows: int
    error: str | None
    months: list[ComparisonPart]
    total: ComparisonPart | None


class BreachPart(Part):
    gate: str
    window: str
    """First day of the window; all: the total."""
    slice_value: str | None
    value: float


class DifferencePart(Part):
    """A package that the model asks for, and what is installed instead."""

    package: str
    required: str
    driver: str | None
    executors: str | None


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
    windows_emptied: list[str]
    """Stale windows that hold predictions, and of which the features hold no row: --allow-empty lets them go."""
    rows_in: int
    """Rows of the stale windows."""
    model_digest: str | None
    """sha256 of the model; null: it was not fetched, for nothing is stale."""
    features: list[str] | None
    """Columns in the order in which the model is fed; null: as above."""
    casts: dict[str, str] | None
    """Columns that are cast for it, and to which Spark type."""
    environment: list[DifferencePart] | None
    """Empty: what the model asks for is what is installed, or scoring.environment is ignore."""


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
    table_changes: dict[str, str]
    """Tables that the next run adds columns to, or widens, and how; earlier rows stay."""


class ScoreSummary(_Planned, _Told):
    action: Literal["score"]
    status: str
    """published, held (by a gate), diagnosed (labels or judgements only), unchanged (nothing was written)."""
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
    challenger: ChallengerPart | None = None


class DiagnoseSummary(_Run, _Told):
    action: Literal["diagnose"]
    status: Literal["published", "unchanged", "answered"]
    """answered: a question about the past, for which nothing is written."""
    exit_code: int
    """0, or 5 where a gate was breached: what is downstream should stop."""
    breaches: list[BreachPart]
    diagnostics: DiagnosticsPart
    challenger: ChallengerPart | None = None


class FailedSummary(Part):
    status: Literal["failed", "held"]
    """held: a gate, such as too many rows with an issue."""
    exit_code: int
    """1 unexpected, 2 config or machine, 3 model, 4 features or labels, 5 a gate, 6 storage or conflict."""
    error: str
    """One or two sentences for a person, with what to do."""


SUMMARY: TypeAdapter[Any] = TypeAdapter(FailedSummary | ScoreSummary | DiagnoseSummary | PlanSummary)
