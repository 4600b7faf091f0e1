"""What summaries are made of: figures, flags, labels, comparisons, each a value of its own."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, PlainSerializer

from brierlake.figures import Metrics

Moment = Annotated[datetime, PlainSerializer(lambda moment: moment.isoformat(), return_type=str, when_used="json")]
Row = dict[str, Any]
"""One row of a table, as it is stored."""
Level = Literal["good", "watch", "bad", "unknown"]
ScoreStatus = Literal["published", "held", "diagnosed", "unchanged"]
"""held: by a gate; diagnosed: labels or diagnostics only; unchanged: nothing was written."""
ChallengeStatus = Literal["published", "diagnosed", "unchanged", "absent", "failed"]
"""absent: no eligible version comes after the champion, or it hasn't scored yet."""
Outcome = Literal["better", "worse", "not_distinguishable", "too_few_labels", "in_sample", "no_windows"]
"""better, worse: evidence of 20 : 1 or more. in_sample: one of the two was trained on it. no_windows: nothing has a
time, so that nothing tells what came after the training."""


class Part(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True, strict=True, use_attribute_docstrings=True)


class ModelPart(Part):
    name: str
    version: int
    metric: str
    value: float | None
    """The metric that it was chosen by; null: a pinned version without it."""
    recalibrates: str | None = None
    """What a recalibrated version is, in words; null: it is none."""


class CandidatePart(Part):
    rank: int
    model_name: str
    model_version: int
    value: float | None
    is_selected: bool
    is_tied: bool


class MetricsPart(Metrics):
    """Metrics over all rows of a month or of everything."""

    model_config = ConfigDict(extra="allow", use_attribute_docstrings=True)

    window_start: date | None
    """First day of the month; null: the total."""


class FlagPart(Part):
    window_start: date | None
    reason: str
    """One sentence for a person: how far the scores are from the reference's. No label is needed for it."""
    drift_js: float | None
    drift_psi: float | None
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


class EstimatePart(Part):
    """What a window's figures will be, for its labels aren't complete; `brier_metrics` explains each."""

    window_start: date
    estimated_brier: float
    estimated_base_rate: float
    estimate_kind: str
    estimate_error: float | None


class DiagnosticsPart(Part):
    windows: int
    """Windows diagnosed again by this run."""
    reasons: dict[str, int]
    """Why they were, and how many for each reason."""
    labels_version: int | None
    labels: LabelsPart | None
    """null: not counted, as in a score run, or where nothing was diagnosed again."""
    as_of: Moment | None
    """The time in the past that this answers for; nothing was written then."""
    warnings: list[str] = []
    """What a reader must know to conclude from the figures."""
    flagged: list[FlagPart]
    """Windows of the scope whose scores stand out, the furthest first: from the job's other windows of their weekday,
    or from the reference by diagnostics.drift_alert or more."""
    months: list[MetricsPart]
    total: MetricsPart | None
    estimates: list[EstimatePart] = []
    """Windows of the scope whose labels aren't complete, the latest last."""
    threshold: float | None = None
    """Where decisions are made, which `net_benefit` is of; null: none are."""


class ComparisonPart(Part):
    """The challenger's Brier score minus the champion's on the same rows; `brier_compare` explains each."""

    window_start: date | None
    champion_name: str | None
    champion_version: int | None
    challenger_name: str | None
    challenger_version: int | None
    n: int
    n_events: int
    brier_champion: float | None
    brier_challenger: float | None
    difference: float | None
    difference_se: float | None
    difference_low: float | None
    difference_high: float | None
    se_kind: str
    lags: int | None
    log_e_value: float | None
    """Evidence for a difference, natural logarithm; it may be looked at every night. null: a month."""
    sequence_low: float | None
    sequence_high: float | None
    n_windows: int | None
    n_in_sample: int | None
    """Windows left out, from before the end of either's training."""
    block: int | None
    evidence_status: str | None
    verdict: Outcome
    """On the challenger."""
    changed_on: date | None = None
    """Window at which it was found first that the difference isn't what it was; null: no change."""
    benefit_difference: float | None = None
    """Net benefit at the decision's threshold, challenger minus champion: above 0, the challenger is better."""
    benefit_log_e_value: float | None = None
    """Evidence for a difference of it."""


class ChallengerPart(Part):
    """Only where the config has a `challenger`. Its failing leaves the champion's status and exit code alone."""

    status: ChallengeStatus
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


class TablePart(Part):
    table: str
    files_before: int
    files_after: int
    bytes: int


class SpanPart(Part):
    """Windows in a row."""

    first: date
    last: date
    windows: int
    """With complete labels, from after the training."""


class MapPart(Part):
    """One kind of map, fitted on the earlier windows and tried on the later ones."""

    kind: Literal["shift", "platt", "beta", "isotonic"]
    status: str
    """ok, or why it could not be fitted."""
    parameters: dict[str, float]
    """shift: a; platt: a, b; beta: c, a, b."""
    knots: list[list[float]]
    """isotonic: probability and event rate of each block."""
    brier: float | None
    difference: float | None
    """Mean of (map(p)-y)^2 - (p-y)^2 over the rows tried on: below 0, the map is better."""
    log_e_value: float
    """Evidence for a difference, natural logarithm."""
    n_windows: int
    evidence_status: str
    error: float
    """By how much `brier` can be off, for rows are known by their cells."""


class RegistrationPart(Part):
    """One model of one MLflow run: registered now, or why not."""

    run_id: str
    run_name: str
    model: str | None
    """The name it was logged under; null: the run has none."""
    source: str | None
    model_name: str | None
    """The registered model; null: it can't be named."""
    model_version: int | None
    """The version made now, or the one that was there; null: none."""
    metric_name: str
    value: float | None
    is_registered: bool
    """A version was made now (or would be, on a dry run)."""
    reason: str | None
    """Why not registered."""


class FoundModelPart(Part):
    name: str
    versions: int
    fault: str | None
    """Why it can't be fed from the table."""


class VerdictPart(Part):
    level: Level
    words: str
    reason: str


def as_row(record: Mapping[str, Any]) -> Row:
    """Return a table's row as JSON can hold it."""
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in record.items()}
