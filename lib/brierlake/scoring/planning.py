"""Plan: one version, the pinned features, and which windows of the scope are stale. Writes nothing."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from brierlake.errors import ContractError
from brierlake.lakehouse.changes import has_change_feed, read_changed_windows, read_whole_rewrites
from brierlake.lakehouse.features import Features, count_windows, read_features
from brierlake.lakehouse.predictions import WindowState, find_stale, oldest_version, read_window_states
from brierlake.lakehouse.tables import Pin, Table, is_there
from brierlake.lakehouse.windows import Scope, Window, in_order
from brierlake.registry import Resolution, connect, resolve_model
from brierlake.run.context import Run, Say
from brierlake.run.ledger import read_last_complete
from brierlake.run.recipe import compute_recipe, former_recipes
from brierlake.summary_parts import CandidatePart, ModelPart

_SHOWN = 5


@dataclass(frozen=True)
class Plan:
    """What a run would do: the version, the pinned features, and which windows are stale."""

    resolution: Resolution
    features: Features
    recipe: str
    former_recipes: tuple[str, ...]
    """The same recipe as earlier releases wrote it."""
    scope: Scope
    rows_by_window: Mapping[Window, int]
    states: Mapping[Window, WindowState]
    """What the windows of the scope hold in the predictions now."""
    stale: tuple[Window, ...]
    feed: Mapping[Window, int] | None = None
    """Version of the features that changed each window of an incremental scope last; None: not incremental."""

    @property
    def pin(self) -> Pin:
        return self.features.pin

    @property
    def recipes(self) -> tuple[str, ...]:
        return (self.recipe, *self.former_recipes)

    @property
    def rows(self) -> int:
        return sum(self.rows_by_window.get(window, 0) for window in self.stale)

    @property
    def emptied(self) -> tuple[Window, ...]:
        """Stale windows that hold predictions, and of which the features hold no row."""
        return tuple(each for each in self.stale if each in self.states and not self.rows_by_window.get(each, 0))

    def states_after(self, run_id: str) -> Mapping[Window, WindowState]:
        """What the windows of the scope hold once this run has published the stale ones."""
        stale = set(self.stale)
        kept = {window: state for window, state in self.states.items() if window not in stale}
        ours = {
            window: WindowState(rows, run_id, self.recipe, self.pin.version, is_mixed=False)
            for window in self.stale
            if (rows := self.rows_by_window.get(window, 0))
        }
        return kept | ours

    @property
    def current_count(self) -> int:
        return len(set(self.rows_by_window) - set(self.stale))


def make_plan(run: Run, *, scope: Scope, is_forced: bool, is_empty_allowed: bool) -> Plan:
    """Resolve the version, pin the features and compare.

    Raises:
        ModelError: No version can be chosen.
        ContractError: The scope is empty, published windows would be emptied, a column is missing or may not be
            called so, or an incremental run has no change feed to go by.
        StorageError: A table can't be read.
    """
    config, say = run.config, run.say
    say("Looking for the best registered version")
    resolution = resolve_model(connect(config.mlflow), config.model)
    say(f"Chose {resolution.model_name} version {resolution.model_version}; comparing windows")
    pin = run.pin(run.lake.features, setting="features.table")
    run.look_at_size(pin)
    features = read_features(pin, config.features)
    scope, feed = _settle(scope, features, run.lake.runs, job=config.job, say=say)
    rows_by_window = count_windows(features.of_scope(scope), table=pin.table.name)
    if not rows_by_window and not is_empty_allowed and not _is_emptied_in_part(features, scope):
        is_whole = scope.is_full or scope.is_incremental
        raise ContractError.empty_scope(pin.table.name, "the table" if is_whole else f"the scope {scope}")
    plan = Plan(
        resolution=resolution,
        features=features,
        recipe=compute_recipe(config, resolution=resolution, pin=pin),
        former_recipes=former_recipes(config, resolution=resolution, pin=pin),
        scope=scope,
        rows_by_window=rows_by_window,
        states={},
        stale=(),
        feed=feed,
    )
    plan = compared(plan, run.lake.predictions, is_forced=is_forced, say=say)
    if not is_empty_allowed:
        validate_kept(plan)
    return plan


def compared(plan: Plan, table: Table, *, say: Say, is_forced: bool = False) -> Plan:
    """Return the plan with what the windows hold in a table now, and which of them are stale there."""
    states = read_window_states(table, scope=plan.scope) if is_there(table) else {}
    seen = {window: replace(state, is_mixed=True) for window, state in states.items()} if is_forced else states
    oldest = oldest_version(seen, recipe=plan.recipe, former_recipes=plan.former_recipes)
    changed_at: Mapping[Window, int] | None = {}
    if oldest is not None and oldest != plan.pin.version:
        changed_at = read_changed_windows(plan.pin, plan.features.config, since=oldest)
        if changed_at is None:
            say(f"The change feed of {plan.pin.table.name} doesn't tell what changed: its windows are scored anew")
    stale = find_stale(
        plan.rows_by_window,
        seen,
        recipe=plan.recipe,
        features_version=plan.pin.version,
        changed_at=changed_at,
        former_recipes=plan.former_recipes,
    )
    return replace(plan, states=states, stale=tuple(stale))


def with_stale(plan: Plan, windows: Collection[Window]) -> Plan:
    """Return the plan with these windows stale too."""
    return replace(plan, stale=tuple(in_order({*plan.stale, *windows})))


def validate_kept(plan: Plan) -> None:
    """Raise where published windows would be emptied because the features don't hold them any more.

    Rows that were deleted one by one are meant to go, and an incremental run lets them: its change feed says so.
    A table that was written anew as a whole says nothing of what it held before.
    """
    emptied = plan.emptied
    if emptied and plan.scope.touched is not None:
        rewrites = read_whole_rewrites(plan.pin.table)
        changed = plan.feed or {}
        emptied = tuple(each for each in emptied if changed.get(each) is None or changed[each] in rewrites)
    if emptied:
        shown = [str(each or "no time") for each in emptied]
        raise ContractError.emptied_windows(plan.pin.table.name, shown)


def _is_emptied_in_part(features: Features, scope: Scope) -> bool:
    """Whether no rows in the scope is what an incremental run may find: its windows emptied, others not."""
    return scope.touched is not None and (not scope.touched or not features.rows.limit(1).isEmpty())


def _settle(
    scope: Scope, features: Features, runs: Table, *, job: str, say: Say
) -> tuple[Scope, Mapping[Window, int] | None]:
    """Give an incremental scope its windows: those that changed since all windows were last known to be current."""
    if not scope.is_incremental:
        return scope, None
    pin = features.pin
    if not has_change_feed(pin.table):
        raise ContractError.no_change_feed(pin.table.name, pin.table.sql)
    since = read_last_complete(runs, job=job, features_id=pin.table_id)
    changed = read_changed_windows(pin, features.config, since=since) if since is not None else None
    if changed is None:
        say("No complete run to go on from, or the change feed doesn't reach back to it: comparing all windows")
        return scope, None
    return replace(scope, touched=frozenset(changed)), changed


def describe_plan(plan: Plan) -> dict[str, Any]:
    """Return the fields of a summary that tell of the plan."""
    chosen = plan.resolution
    eligible = sorted((each for each in chosen.candidates if each.rank is not None), key=lambda each: each.rank or 0)
    return {
        "model": ModelPart(
            name=chosen.model_name,
            version=chosen.model_version,
            metric=chosen.metric_name,
            value=chosen.metric_value,
            recalibrates=chosen.recalibration.described if chosen.recalibration else None,
        ),
        "candidates_count": len(chosen.candidates),
        "eligible_count": sum(each.is_eligible for each in chosen.candidates),
        "candidates": [
            CandidatePart(**{name: getattr(each, name) for name in CandidatePart.model_fields})
            for each in eligible[:_SHOWN]
        ],
        "recipe": plan.recipe,
        "scope": str(plan.scope),
        "features_table": plan.pin.table.name,
        "features_id": plan.pin.table_id,
        "features_version": plan.pin.version,
        "windows_stale": len(plan.stale),
        "windows_current": plan.current_count,
        "windows_emptied": [str(each or "no time") for each in plan.emptied],
        "rows_in": plan.rows,
    }
