"""Plan: one version, the pinned features, and which windows of the scope are stale. Writes nothing."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from pyspark.sql import DataFrame

from brierlake.errors import ContractError
from brierlake.jobs.recipe import compute_recipe, former_recipes
from brierlake.jobs.run import Run
from brierlake.lakehouse.changes import has_change_feed, read_changed_windows, read_whole_rewrites
from brierlake.lakehouse.features import count_windows, filter_scope, read_features
from brierlake.lakehouse.ledger import read_last_complete
from brierlake.lakehouse.predictions import WindowState, find_stale, oldest_version, read_window_states
from brierlake.lakehouse.tables import Pin, Table, is_there, pin_table
from brierlake.lakehouse.windows import Scope, Window, in_order
from brierlake.registry import Resolution, connect, resolve_model


@dataclass(frozen=True)
class Plan:
    """What a run would do: the version, the pinned features, and which windows are stale."""

    resolution: Resolution
    pin: Pin
    recipe: str
    former_recipes: tuple[str, ...]
    """The same recipe as earlier releases wrote it."""
    scope: Scope
    features: DataFrame
    rows_by_window: Mapping[Window, int]
    states: Mapping[Window, WindowState]
    """What the windows of the scope hold in the predictions now."""
    stale: tuple[Window, ...]
    feed: Mapping[Window, int] | None = None
    """Version of the features that changed each window of an incremental scope last; null: not incremental."""

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
    """Resolves the version, pins the features and compares.

    Raises:
        ModelError: No version can be chosen.
        ContractError: The scope is empty, published windows would be emptied, a column is missing or may not be
            called so, or an incremental run has no change feed to go by.
        StorageError: A table can't be read.
    """
    config = run.config
    run.say("Looking for the best registered version")
    resolution = resolve_model(connect(config.mlflow), config.model)
    run.say(f"Chose {resolution.model_name} version {resolution.model_version}; comparing windows")
    pin = pin_table(run.spark, run.silver(config.features.table), setting="features.table")
    features = read_features(run.spark, pin, config.features)
    scope, feed = _settled(run, scope, pin)
    in_scope = features.transform(filter_scope, config.features, scope=scope, pin=pin)
    rows_by_window = count_windows(in_scope, table=pin.table.name)
    if not rows_by_window and not is_empty_allowed and not _is_emptied_in_part(features, scope):
        is_whole = scope.is_full or scope.is_incremental
        raise ContractError.empty_scope(pin.table.name, "the table" if is_whole else f"the scope {scope}")
    plan = Plan(
        resolution=resolution,
        pin=pin,
        recipe=compute_recipe(config, resolution=resolution, pin=pin),
        former_recipes=former_recipes(config, resolution=resolution, pin=pin),
        scope=scope,
        features=features,
        rows_by_window=rows_by_window,
        states={},
        stale=(),
        feed=feed,
    )
    plan = compared(run, plan, run.predictions, is_forced=is_forced)
    if not is_empty_allowed:
        validate_kept(run, plan)
    return plan


def compared(run: Run, plan: Plan, table: Table, *, is_forced: bool = False) -> Plan:
    """Returns the plan with what the windows hold in a table now, and which of them are stale there."""
    states = read_window_states(run.spark, table, scope=plan.scope) if is_there(run.spark, table) else {}
    judged = {window: replace(state, is_mixed=True) for window, state in states.items()} if is_forced else states
    oldest = oldest_version(judged, recipe=plan.recipe, former_recipes=plan.former_recipes)
    changed_at: Mapping[Window, int] | None = {}
    if oldest is not None and oldest != plan.pin.version:
        changed_at = read_changed_windows(run.spark, plan.pin, run.config.features, since=oldest)
        if changed_at is None:
            run.say(f"The change feed of {plan.pin.table.name} doesn't tell what changed: its windows are scored anew")
    stale = find_stale(
        plan.rows_by_window,
        judged,
        recipe=plan.recipe,
        features_version=plan.pin.version,
        changed_at=changed_at,
        former_recipes=plan.former_recipes,
    )
    return replace(plan, states=states, stale=tuple(stale))


def with_stale(plan: Plan, windows: Collection[Window]) -> Plan:
    """Returns the plan with these windows stale too."""
    return replace(plan, stale=tuple(in_order({*plan.stale, *windows})))


def validate_kept(run: Run, plan: Plan) -> None:
    """Raises where published windows would be emptied because the features don't hold them any more.

    Rows that were deleted one by one are meant to go, and an incremental run lets them: its change feed says so.
    A table that was written anew as a whole says nothing of what it held before.
    """
    emptied = plan.emptied
    if emptied and plan.scope.touched is not None:
        rewrites = read_whole_rewrites(run.spark, plan.pin.table)
        changed = plan.feed or {}
        emptied = tuple(each for each in emptied if changed.get(each) is None or changed[each] in rewrites)
    if emptied:
        shown = [str(each or "no time") for each in emptied]
        raise ContractError.emptied_windows(plan.pin.table.name, shown)


def _is_emptied_in_part(features: DataFrame, scope: Scope) -> bool:
    """Whether no rows in the scope is what an incremental run may find: its windows emptied, others not."""
    return scope.touched is not None and (not scope.touched or not features.limit(1).isEmpty())


def _settled(run: Run, scope: Scope, pin: Pin) -> tuple[Scope, Mapping[Window, int] | None]:
    """Gives an incremental scope its windows: those that changed since all windows were last known to be current."""
    if not scope.is_incremental:
        return scope, None
    if not has_change_feed(run.spark, pin.table):
        raise ContractError.no_change_feed(pin.table.name, pin.table.sql)
    since = read_last_complete(run.spark, run.runs, job=run.config.job, features_id=pin.table_id)
    changed = read_changed_windows(run.spark, pin, run.config.features, since=since) if since is not None else None
    if changed is None:
        run.say("No complete run to go on from, or the change feed doesn't reach back to it: comparing all windows")
        return scope, None
    return replace(scope, touched=frozenset(changed)), changed
