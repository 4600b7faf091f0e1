"""Windows and scopes: bounds, conditions, days that no time zone moves."""

from datetime import date, datetime

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from brierlake.config import FeaturesConfig
from brierlake.errors import ConfigError
from brierlake.lakehouse.windows import (
    Scope,
    filter_condition,
    parse_scope,
    split_by_month,
    time_condition,
    utc_day,
    whole_months,
    window_start,
)

DAILY = FeaturesConfig(table="f", key=("id",), event_at="at")
MONTHLY = DAILY.model_copy(update={"window": "month"})
UNTIMED = FeaturesConfig(table="f", key=("id",))


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (None, None, Scope()),
        ("2013-08-01", None, Scope(date(2013, 8, 1), None)),
        ("2013-08-01T00:00:00Z", "2013-08-03", Scope(date(2013, 8, 1), date(2013, 8, 3))),
        ("2013-08-01T02:00:00+02:00", None, Scope(date(2013, 8, 1), None)),
    ],
)
def test_bounds_are_dates_or_utc_timestamps(start: str | None, end: str | None, expected: Scope) -> None:
    assert parse_scope(start, end, features=DAILY) == expected


@pytest.mark.parametrize(
    ("start", "end", "features", "message"),
    [
        ("soon", None, DAILY, "isn't a date or timestamp"),
        ("2013-08-01T05:00:00Z", None, DAILY, "doesn't start a day in UTC"),
        ("2013-08-02", None, MONTHLY, "doesn't start a month"),
        ("2013-08-02", "2013-08-02", DAILY, "isn't before 2013-08-02"),
        ("2013-08-02", None, UNTIMED, "needs windows: set features.event_at"),
    ],
)
def test_bounds_that_are_no_edge_are_refused(
    start: str, end: str | None, features: FeaturesConfig, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_scope(start, end, features=features)


def test_scopes_are_half_open_and_only_the_full_one_has_rows_without_time() -> None:
    scope = Scope(date(2013, 8, 1), date(2013, 8, 3))
    assert [scope.has(date(2013, 8, day)) for day in (1, 2, 3)] == [True, True, False]
    assert (scope.has(None), Scope().has(None)) == (False, True)


def test_a_scope_splits_at_months_and_widens_to_them() -> None:
    scope = Scope(date(2013, 11, 15), date(2014, 1, 10))
    assert [str(each) for each in split_by_month(scope)] == [
        "2013-11-15/2013-12-01",
        "2013-12-01/2014-01-01",
        "2014-01-01/2014-01-10",
    ]
    assert whole_months(scope) == Scope(date(2013, 11, 1), date(2014, 2, 1))
    assert whole_months(Scope(date(2013, 11, 1), date(2013, 12, 1))) == Scope(date(2013, 11, 1), date(2013, 12, 1))


def test_conditions_hold_for_exactly_their_windows(spark: SparkSession) -> None:
    days = [date(2013, 8, day) for day in (1, 2, 3, 5, 9)]
    frame = spark.createDataFrame([(each,) for each in [*days, date(2013, 8, 4), None]], "window_start date")
    kept = {row[0] for row in frame.where(filter_condition(days)).collect()}
    assert kept == set(days)
    assert {row[0] for row in frame.where(filter_condition([None, days[0]])).collect()} == {None, days[0]}
    assert frame.where(filter_condition([])).isEmpty()


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Pacific/Kiritimati"])
@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2013-12-31T23:59:59.999999Z", date(2013, 12, 31)),
        ("2014-01-01T00:00:00Z", date(2014, 1, 1)),
        ("1969-12-31T23:59:59Z", date(1969, 12, 31)),
        ("1960-02-29T00:00:00Z", date(1960, 2, 29)),
    ],
)
def test_the_utc_day_does_not_follow_the_session(spark: SparkSession, zone: str, moment: str, day: date) -> None:
    kept = str(spark.conf.get("spark.sql.session.timeZone"))
    spark.conf.set("spark.sql.session.timeZone", zone)
    try:
        assert spark.range(1).select(utc_day(F.lit(datetime.fromisoformat(moment)))).collect()[0][0] == day
    finally:
        spark.conf.set("spark.sql.session.timeZone", kept)


@pytest.mark.parametrize("kind", ["timestamp", "timestamp_ntz", "date"])
def test_each_kind_of_time_is_cut_by_day_and_month(spark: SparkSession, kind: str) -> None:
    frame = spark.sql(f"SELECT CAST('2013-08-09' AS {kind}) AS at")
    assert frame.select(window_start(DAILY, frame.schema)).collect()[0][0] == date(2013, 8, 9)
    assert frame.select(window_start(MONTHLY, frame.schema)).collect()[0][0] == date(2013, 8, 1)
    day, next_day = (Scope(touched=frozenset({date(2013, 8, each)})) for each in (9, 10))
    assert frame.where(time_condition(DAILY, frame.schema, day)).count() == 1
    assert frame.where(time_condition(DAILY, frame.schema, next_day)).count() == 0
    assert frame.where(time_condition(DAILY, frame.schema, Scope(end=date(2013, 8, 9)))).count() == 0


def test_without_a_time_column_there_is_one_window(spark: SparkSession) -> None:
    frame = spark.range(2)
    assert [row[0] for row in frame.select(window_start(UNTIMED, frame.schema)).collect()] == [None, None]
