"""What is said of a plan, and of what was scored and published or held."""

from collections.abc import Iterable, Mapping, Sequence

from brierlake.summaries import PlannedSummary, PlanSummary, ScoreSummary
from brierlake.summary_parts import BreachPart
from brierlake.terminal.facts import Fact, number

_SHOWN_BREACHES = 4
_SHOWN_CASTS, _SHOWN_PACKAGES = 3, 2
_ISSUES, _WIDEST = 1, 52
"""What fits into 24 lines of 80 columns."""


def model_facts(summary: PlannedSummary) -> Iterable[Fact]:
    model = summary.model
    if model.recalibrates:
        yield "model", f"{model.name} version {model.version} = {model.recalibrates}"
        return
    if model.value is None:
        yield "model", f"{model.name} version {model.version} (pinned)"
        return
    text = f"{model.name} version {model.version}, {model.metric} {model.value:.4f}"
    others = [each for each in summary.candidates if not each.is_selected]
    yield "model", text + (f", the best of {summary.eligible_count} eligible versions" if others else "")
    if others:
        following = ", ".join(f"{each.model_name} {each.model_version} {number(each.value, 4)}" for each in others[:3])
        yield "next", following + (" (tied)" if others[0].is_tied else "")


def checked_facts(summary: PlannedSummary) -> Iterable[Fact]:
    """The contract, where it is all that a plan has to show; and packages that aren't what the model asks for."""
    if summary.features and summary.status == "planned":
        casts = ", ".join(f"{name} to {kind}" for name, kind in list((summary.casts or {}).items())[:_SHOWN_CASTS])
        yield "features", f"{len(summary.features):,} fit the model{f'; cast: {casts}' if casts else ''}"
    for each in (summary.environment or [])[:_SHOWN_PACKAGES]:
        there = f"driver {each.driver or 'none'}, executors {each.executors or 'none'}"
        yield "package", f"{each.package}: the model asks for {each.required or 'any'}; {there}"


def row_facts(summary: PlannedSummary) -> Iterable[Fact]:
    stale, current = summary.windows_stale, summary.windows_current
    verb = "to score" if summary.status == "planned" else "scored"
    yield "windows", f"{stale:,} {verb}, {current:,} already current (scope {summary.scope})"
    if emptied := summary.windows_emptied:
        shown = f"{', '.join(emptied[:3])}{' …' if len(emptied) > 3 else ''}"
        yield "", f"{len(emptied):,} of them emptied, as the features hold no row of them: {shown}"
    if isinstance(summary, PlanSummary):
        yield from (("table", f"{name}: {text}") for name, text in summary.table_changes.items())
    if stale and isinstance(summary, ScoreSummary):
        counts = f"{summary.rows_in:,} in, {summary.rows_scored:,} scored, {summary.rows_with_issue:,} with an issue"
        version = summary.predictions_version
        yield "rows", counts + (f"; predictions version {version}" if version is not None else "")
        yield from _issue_facts(summary.issues, summary.issue_examples)
    elif stale:
        yield "rows", f"{summary.rows_in:,} to score"


def gate_facts(breaches: Sequence[BreachPart]) -> Iterable[Fact]:
    yield from (("gate", _breach_text(each)) for each in breaches[:_SHOWN_BREACHES])
    if len(breaches) > _SHOWN_BREACHES:
        yield "", f"and {len(breaches) - _SHOWN_BREACHES} more"


def held_facts(summary: ScoreSummary) -> Iterable[Fact]:
    if held := summary.held_windows:
        yield "held", f"{', '.join(held[:3])}{' …' if len(held) > 3 else ''}: not published; --accept does"
    if summary.is_accepted:
        yield "accepted", "published in spite of the breaches, as --accept asks"


def _breach_text(breach: BreachPart) -> str:
    where = f"{breach.window} {breach.slice_value or ''}".strip()
    return f"{breach.gate}: {breach.value:.4g} in {where}"


def _issue_facts(issues: Mapping[str, int], examples: Mapping[str, Sequence[str]]) -> Iterable[Fact]:
    ordered = sorted(issues.items(), key=lambda each: (-each[1], each[0]))
    for text, n in ordered[:_ISSUES]:
        yield "issue", f"{text[:_WIDEST]}: {n:,} {'row' if n == 1 else 'rows'}"
        if keys := "; ".join(examples.get(text, ())):
            yield "", f"such as {keys if len(keys) <= _WIDEST else keys[: _WIDEST - 1] + '…'}"
    if rest := ordered[_ISSUES:]:
        kinds = "kind" if len(rest) == 1 else "kinds"
        yield "", f"{len(rest)} further {kinds} of issue: {sum(n for _, n in rest):,} rows"
