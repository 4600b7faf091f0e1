"""Summaries: what each command returns. `--json` prints it, the terminal is drawn from it, MLflow is told by it.

Keys may be added; none changes its meaning. conf/summary.schema.json is the same as JSON Schema; `--json` prints the
summary as the last line of the output.
"""

from typing import Literal

from pydantic import TypeAdapter

from brierlake.summary_parts import (
    BreachPart,
    CandidatePart,
    ChallengerPart,
    DiagnosticsPart,
    DifferencePart,
    FoundModelPart,
    MapPart,
    ModelPart,
    Part,
    RegistrationPart,
    Row,
    ScoreStatus,
    SpanPart,
    TablePart,
    VerdictPart,
)


class Summary(Part):
    """What every command's summary has."""

    job: str
    action: str
    status: str

    @property
    def code(self) -> int:
        """Exit code of the command: 0, or 5 where a gate was breached."""
        return int(getattr(self, "exit_code", 0))

    def _repr_html_(self) -> str:
        """Return what the terminal shows, for a notebook."""
        from brierlake.terminal.summary import render_html  # noqa: PLC0415 - it draws these

        return render_html(self)


class RunSummary(Summary):
    run_id: str
    """The runs table has its row, unless the status is unchanged or planned."""


class ResultsSummary(RunSummary):
    report: str | None = None
    """File that the report was written to; absent: none is configured, or see notes."""
    mlflow: str | None = None
    """Where MLflow shows the run; absent: nothing was logged."""
    mlflow_run_id: str | None = None
    seconds: dict[str, float] = {}
    """Where the time went, by step: resolve, prepare, score, diagnose, challenge, record, results."""
    notes: list[str] = []
    """What could not be made or logged after the run was published."""


class PlannedSummary(RunSummary):
    model: ModelPart
    candidates_count: int
    eligible_count: int
    candidates: list[CandidatePart]
    """The best few."""
    recipe: str
    scope: str
    features_table: str
    features_id: str
    """Delta's id of the table."""
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


class PlanSummary(PlannedSummary):
    action: Literal["plan"] = "plan"
    status: Literal["planned", "unchanged"]
    table_changes: dict[str, str]
    """Tables that the next run adds columns to, or widens, and how; earlier rows stay."""


class ScoreSummary(PlannedSummary, ResultsSummary):
    action: Literal["score"] = "score"
    status: ScoreStatus
    """held: by a gate; diagnosed: labels or diagnostics only; unchanged: nothing was written."""
    predictions_table: str
    predictions_version: int | None
    rows_scored: int
    rows_with_issue: int
    issues: dict[str, int]
    """Rows by issue."""
    issue_examples: dict[str, list[str]]
    """Keys of the first few rows by issue."""
    exit_code: int
    """0, or 5 where a gate was breached: what is downstream should stop."""
    breaches: list[BreachPart]
    held_windows: list[str]
    """Windows that an audit keeps back: their predictions are in no published table."""
    is_accepted: bool
    """Whether a person released them."""
    diagnostics: DiagnosticsPart | None
    challenger: ChallengerPart | None = None
    run_ids: list[str] = []
    """Of a backfill: its runs that wrote something."""


class DiagnoseSummary(ResultsSummary):
    action: Literal["diagnose"] = "diagnose"
    status: Literal["published", "unchanged", "answered"]
    """answered: a question about the past, for which nothing is written."""
    exit_code: int
    """0, or 5 where a gate was breached: what is downstream should stop."""
    breaches: list[BreachPart]
    diagnostics: DiagnosticsPart
    challenger: ChallengerPart | None = None


class ReportSummary(RunSummary):
    action: Literal["report"] = "report"
    status: Literal["written"] = "written"
    report: str
    """File that it was written to."""


class MaintainSummary(RunSummary):
    action: Literal["maintain"] = "maintain"
    status: Literal["published", "planned"]
    retain_days: int
    tables: list[TablePart]


class PromoteSummary(RunSummary):
    action: Literal["promote"] = "promote"
    status: Literal["published", "planned", "unchanged", "refused"]
    """refused: the comparison doesn't support it."""
    alias: str
    model: str | None
    version: int | None
    """Version that the alias names now; null: it stays as it is."""
    version_before: int | None
    reason: str


class RecalibrateSummary(RunSummary):
    action: Literal["recalibrate"] = "recalibrate"
    status: Literal["published", "planned", "unchanged", "nothing_to_win"]
    """unchanged: the same map of the same version is registered already."""
    model: str
    recalibrates: int
    """Version inside."""
    version: int | None
    """The recalibrated version; null: none is registered."""
    alias: str | None
    fitted_on: SpanPart
    tried_on: SpanPart
    rows: int
    """Labelled rows of the windows tried on."""
    brier: float | None
    """Of these, without a map."""
    chosen: str | None
    """Kind of the map that is better with evidence of 20 : 1; null: none is."""
    maps: list[MapPart]
    picture: str | None
    """File that the maps were drawn to."""
    seconds: dict[str, float] = {}
    """Where the time went, by step: try, register."""


class RegisterSummary(Summary):
    action: Literal["register"] = "register"
    status: Literal["published", "planned", "unchanged"]
    registered_count: int
    runs: list[RegistrationPart]


class InitSummary(Summary):
    action: Literal["init"] = "init"
    status: Literal["written"] = "written"
    output: str
    """The config that was written."""
    key: list[str]
    metric: str
    models: list[FoundModelPart]


class RunsSummary(Summary):
    """The latest runs, newest first; `runs` explains each column."""

    action: Literal["runs"] = "runs"
    status: Literal["read"] = "read"
    rows: list[Row]


class CandidatesSummary(Summary):
    """Every version that a run looked at, the best first; `candidates` explains each column."""

    action: Literal["candidates"] = "candidates"
    status: Literal["read"] = "read"
    rows: list[Row]


class ShowSummary(Summary):
    """What one window, month or year holds, who made it, and what it is worth."""

    action: Literal["show"] = "show"
    status: Literal["read"] = "read"
    window: str
    grain: Literal["window", "month", "year"]
    made_by: list[Row]
    verdict: VerdictPart
    metrics: Row
    """The row of `brier_metrics`."""
    months: list[Row] = []
    """Of a year: the rows of its months."""


class FailedSummary(Part):
    status: Literal["failed", "held"]
    """held: a gate, such as too many rows with an issue."""
    exit_code: int
    """1 unexpected, 2 config or machine, 3 model, 4 features or labels, 5 a gate, 6 storage or conflict."""
    error: str
    """One or two sentences for a person, with what to do."""


AnySummary = (
    FailedSummary
    | ScoreSummary
    | DiagnoseSummary
    | PlanSummary
    | ReportSummary
    | MaintainSummary
    | PromoteSummary
    | RegisterSummary
    | RecalibrateSummary
    | InitSummary
    | RunsSummary
    | CandidatesSummary
    | ShowSummary
)
SUMMARY: TypeAdapter[AnySummary] = TypeAdapter(AnySummary)
"""Reads what any command printed with `--json`."""
