"""Windows: the days or months along which predictions are replaced and diagnosed, and scopes made of them."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from brierlake.config import FeaturesConfig
from brierlake.errors import ConfigError, ContractError
from brierlake.names import column_of, internal, quoted_name
from brierlake.times import DAY_MICROS

Window = date | None
"""First day of a window; None: the rows without a time, or all rows where there is no time column."""

FULL, INCREMENTAL = "full", "incremental"
WINDOW = internal("window")
"""Column of a features frame that holds the window of each row."""
_NAMEABLE = tuple(each.toordinal() - date(1970, 1, 1).toordinal() for each in (date.min, date.max))
"""Days since 1970 that Python has a date for: years 1 to 9999."""
_MANY_SPANS = 20
"""Spans from which on the days themselves are listed: Catalyst takes a list as one set, and each OR as a branch."""


@dataclass(frozen=True)
class Scope:
    """Which windows a run is about: all, those that start in [start, end), or those that changes have touched."""

    start: date | None = None
    end: date | None = None
    is_incremental: bool = False
    touched: frozenset[Window] | None = None
    """The windows of an incremental scope; None: not known yet, or any."""

    @property
    def is_full(self) -> bool:
        return self.start is None and self.end is None and self.touched is None

    def __str__(self) -> str:
        if self.is_incremental:
            return INCREMENTAL
        return FULL if self.is_full else f"{self.start or ''}/{self.end or ''}"

    def has(self, window: Window) -> bool:
        if self.touched is not None:
            return window in self.touched
        if window is None:
            return self.is_full
        return (self.start is None or window >= self.start) and (self.end is None or window < self.end)


def parse_scope(start: str | None, end: str | None, *, features: FeaturesConfig, is_incremental: bool = False) -> Scope:
    """Read --from and --to: dates or UTC timestamps, half-open, at a window's edge; without them the scope is whole.

    Raises:
        ConfigError: A bound is no date, doesn't start a window, the scope is empty, or needs windows.
    """
    if is_incremental and not (start or end):
        if not (features.event_at or features.window_column):
            raise ConfigError.no_windows(INCREMENTAL)
        return Scope(is_incremental=True)
    if (start or end) and not (features.event_at or features.window_column):
        raise ConfigError.bad_window(
            start or end or "", "needs windows: set features.event_at or features.window_column."
        )
    scope = Scope(_bound(start, features=features), _bound(end, features=features))
    if scope.start and scope.end and scope.start >= scope.end:
        raise ConfigError.bad_window(str(start), f"isn't before {end}: --from is inclusive, --to is not.")
    return scope


def _bound(text: str | None, *, features: FeaturesConfig) -> date | None:
    if text is None:
        return None
    moment = _parsed(text)
    moment = moment.astimezone(UTC) if moment.tzinfo else moment
    if moment.time() != datetime.min.time() or (features.window == "month" and moment.day != 1):
        raise ConfigError.bad_window(
            text, f"doesn't start a {features.window} in UTC; predictions are kept by {features.window}."
        )
    return moment.date()


def parse_moment(text: str) -> datetime:
    """Read a date or timestamp, in UTC unless it names an offset.

    Raises:
        ConfigError: It is neither.
    """
    moment = _parsed(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _parsed(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError.bad_window(
            text, "isn't a date or timestamp like 2013-08-01 or 2013-08-01T00:00:00Z."
        ) from error


def split_by_month(scope: Scope) -> list[Scope]:
    """Return the scope in pieces of at most a calendar month, in order. The scope must have both bounds."""
    pieces, start = [], scope.start
    while start is not None and scope.end is not None and start < scope.end:
        end = min(_next_month(start) or scope.end, scope.end)
        pieces.append(Scope(start, end))
        start = end
    return pieces


def whole_months(scope: Scope) -> Scope:
    """Return the scope widened to the months that it touches; to all of them where only their names are known."""
    if scope.touched is not None:
        return Scope()
    start = scope.start.replace(day=1) if scope.start else None
    end = _next_month(scope.end - timedelta(days=1)) if scope.end else None
    return Scope(start, end)


def window_end(day: date, *, window: str) -> date:
    """Return the day after a window's last, as far as Python can name it."""
    return (_next_month(day) if window == "month" else _moved(day, 1)) or date.max


def _next_month(day: date) -> date | None:
    """None: there is none that Python could name."""
    following = _moved(day.replace(day=1), 32)
    return following.replace(day=1) if following else None


def _moved(day: date, days: int) -> date | None:
    """Return the day so many days later; None: before year 1 or after year 9999."""
    try:
        return day + timedelta(days=days)
    except OverflowError:
        return None


def month_of(window: Window) -> Window:
    return window.replace(day=1) if window else None


def validate_time_columns(schema: T.StructType, features: FeaturesConfig, *, table: str) -> None:
    """Raise ContractError unless the columns that cut windows are there and are times."""
    types = {each.name: each.dataType for each in schema}
    faults = []
    if features.event_at and not isinstance(
        types[features.event_at], T.TimestampType | T.TimestampNTZType | T.DateType
    ):
        faults.append(
            f"{features.event_at} is {types[features.event_at].simpleString()}: features.event_at needs a time"
        )
    if features.window_column and not isinstance(types[features.window_column], T.DateType):
        kind = types[features.window_column].simpleString()
        faults.append(f"{features.window_column} is {kind}: features.window_column needs a DATE")
    if faults:
        raise ContractError.faults(f"Table {table} can't be cut into windows:", faults)


def window_start(features: FeaturesConfig, schema: T.StructType) -> Column:
    """The window that a row falls in, as DATE; null: no time, or none from year 1 to 9999.

    Doesn't depend on the session's time zone.
    """
    if features.window_column:
        day = column_of(features.window_column)
    elif features.event_at is None:
        return F.lit(None).cast("date")
    elif isinstance(schema[features.event_at].dataType, T.TimestampType):
        day = utc_day(column_of(features.event_at))
    else:  # a date, or a timestamp without time zone, which is taken as UTC
        day = column_of(features.event_at).cast("date")
    known = F.when(F.unix_date(day).between(*_NAMEABLE), day)
    return F.trunc(known, "month") if features.window == "month" else known


def utc_day(moment: Column) -> Column:
    micros = F.unix_micros(moment)
    whole = micros - F.pmod(micros, F.lit(DAY_MICROS))
    return F.date_from_unix_date((whole / F.lit(DAY_MICROS)).cast("int"))


def filter_condition(windows: Collection[Window], *, column: str = "window_start") -> str:
    """Return a SQL condition that holds for exactly these windows."""
    days = sorted({each for each in windows if each is not None})
    spans = _spans(days)
    if len(spans) > _MANY_SPANS:
        spans = [(day, day) for day in days]
    single = ", ".join(f"DATE'{first}'" for first, last in spans if first == last)
    parts = [f"{column} IN ({single})"] if single else []
    # not BETWEEN: Delta can't resolve Spark 4.2's form of it in a replaceWhere on a partition column
    parts += [f"({column} >= DATE'{first}' AND {column} <= DATE'{last}')" for first, last in spans if first != last]
    parts += [f"{column} IS NULL"] if None in windows else []
    return f"({' OR '.join(parts)})" if parts else "false"


def other_condition(windows: Collection[Window]) -> str:
    """Return a SQL condition that holds for all windows but these."""
    return f"NOT coalesce({filter_condition(windows)}, false)"


def in_order(windows: Iterable[Window]) -> list[Window]:
    """Return the windows by time, the one without a time last."""
    return sorted(windows, key=lambda window: (window is None, window or date.min))


def _spans(days: list[date]) -> list[tuple[date, date]]:
    spans: list[tuple[date, date]] = []
    for day in days:
        if spans and day - spans[-1][1] == timedelta(days=1):
            spans[-1] = (spans[-1][0], day)
        else:
            spans.append((day, day))
    return spans


def time_condition(features: FeaturesConfig, schema: T.StructType, scope: Scope, *, margin_days: int = 0) -> str:
    """Return a SQL condition on the time column itself, by which Delta can skip files; it may let more through.

    Args:
        margin_days: Days more on both sides. Where a table is partitioned by something generated from the time, Delta
            derives from this condition one on the partitions, in the time zone of this session; who wrote the
            partitions may have been in another.
    """
    column = features.window_column or features.event_at
    if column is None:
        return "true"
    start, end = _bounds(scope, features)
    bounds = (start and _moved(start, -margin_days), end and _moved(end, margin_days))
    is_timed = isinstance(schema[column].dataType, T.TimestampType)
    parts = [
        f"{quoted_name(column)} {sign} {_literal(day, is_timed=is_timed)}"
        for sign, day in zip((">=", "<"), bounds, strict=True)
        if day is not None
    ]
    return " AND ".join(parts) or "true"


def _bounds(scope: Scope, features: FeaturesConfig) -> tuple[date | None, date | None]:
    if scope.touched is None:
        return scope.start, scope.end
    days = [each for each in scope.touched if each is not None]
    if not days or None in scope.touched:
        return None, None
    last = max(days)
    return min(days), _next_month(last) if features.window == "month" else _moved(last, 1)


def _literal(day: date, *, is_timed: bool) -> str:
    return f"timestamp_micros({(day - date(1970, 1, 1)).days * DAY_MICROS})" if is_timed else f"DATE'{day}'"


def scope_condition(scope: Scope, *, column: str = "window_start") -> str:
    if scope.touched is not None:
        return filter_condition(scope.touched, column=column)
    parts = [f"{column} >= DATE'{scope.start}'"] if scope.start else []
    parts += [f"{column} < DATE'{scope.end}'"] if scope.end else []
    return " AND ".join(parts) or "true"
