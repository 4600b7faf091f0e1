"""What is concluded, in worlds where the truth is known: `python -m tests.benchmarks.honesty [--worlds 400]`.

Each promise is tried through the product's own functions, night after night, and printed with what was seen of it and
the Monte-Carlo error of that (one standard error). Every world is 150 nights unless it says otherwise; the model is
calibrated and nothing drifts, unless it says so.
"""

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit

from brierlake.brier import add_in_order, add_products, change_statistic, tally_metrics, tally_rows, weigh_windows
from brierlake.brier.evidence import ALARM, E_VERDICT
from brierlake.brier.inference import between_windows
from brierlake.brier.outliers import find_outliers
from brierlake.config import DiagnosticsConfig, GateConfig
from brierlake.diagnosis.gates import check_gates
from brierlake.diagnosis.pair_evidence import judge_all, judge_windows
from brierlake.page import Tables
from brierlake.page.views import slice_grids

Array = NDArray[np.float64]
NIGHTS = 150
FIRST = date(2024, 1, 1)
SETTINGS = DiagnosticsConfig()
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(31)
_GRID = np.linspace(-14, 14, 4001)


@dataclass(frozen=True)
class World:
    """How many rows a day has, what is foretold of them, and how the days differ."""

    name: str
    rows: Callable[[np.random.Generator, int], NDArray[np.int64]] = lambda _draw, nights: np.full(nights, 300)
    shape: tuple[float, float] = (1.5, 4.0)
    """Beta distribution of the true probability."""
    shock: float = 0.0
    """Standard deviation of what each day adds to the logits of all its rows."""
    memory: float = 0.0
    """Correlation of the shock with that of the day before."""
    slope: float = 1.0
    """The model's logits are the true ones over this: 1/3 is far too extreme."""
    is_hard: bool = False
    """The model says 0 or 1."""
    drift: float = 0.0
    """Added to the logits from night 61 on."""
    is_large: bool = False

    @cached_property
    def marginal(self) -> Array:
        """P(event) over all shocks, at each logit of the grid."""
        weights = _WEIGHTS / _WEIGHTS.sum()
        return np.asarray(expit(_GRID[:, None] + self.shock * _NODES) @ weights, np.float64)

    def live(self, draw: np.random.Generator, nights: int = NIGHTS) -> list["Day"]:
        shocks = draw.normal(size=nights)
        for night in range(1, nights):
            shocks[night] = self.memory * shocks[night - 1] + math.sqrt(1 - self.memory**2) * shocks[night]
        return [
            self._day(draw, night, int(n), float(shocks[night]))
            for night, n in enumerate(self.rows(draw, nights).tolist())
        ]

    def said_of(self, logits: Array) -> Array:
        """What the model says where these are the true logits without a shock."""
        said = np.interp(logits, _GRID, self.marginal)
        if self.slope != 1.0:
            said = expit(logit(said) / self.slope)
        return np.asarray(np.round(said) if self.is_hard else said, np.float64)

    def _day(self, draw: np.random.Generator, night: int, n: int, shock: float) -> "Day":
        logits = logit(np.clip(draw.beta(*self.shape, size=n), 1e-6, 1 - 1e-6))
        chance = expit(logits + self.shock * shock + (self.drift if night >= 60 else 0.0))
        said = self.said_of(logits)
        return Day(FIRST + timedelta(days=night), said, (draw.random(n) < chance).astype(float), chance)


@dataclass(frozen=True)
class Day:
    start: date
    said: Array
    came: Array
    chance: Array
    """P(event) of each row on this very day."""

    @cached_property
    def totals(self) -> Array:
        """n, and the sums of s, y, r and z."""
        s, r = (self.said - self.came) ** 2, self.came - self.said
        return np.array([len(s), s.sum(), self.came.sum(), r.sum(), ((1 - 2 * self.said) * r).sum()])


def _week(_draw: np.random.Generator, nights: int) -> NDArray[np.int64]:
    return np.where(np.arange(nights) % 7 < 5, 2000, 40)


def _lognormal(draw: np.random.Generator, nights: int) -> NDArray[np.int64]:
    return np.maximum(20, draw.lognormal(5.5, 0.8, nights)).astype(np.int64)


CALIBRATED = (
    World("independent"),
    World("shock .3", shock=0.3),
    World("shock .6", shock=0.6),
    World("AR(1) .3", shock=0.3, memory=0.3),
    World("2000 a weekday, 40 a weekend day", rows=_week, shock=0.3),
    World("lognormal sizes", rows=_lognormal, shock=0.3),
    World("base rate .1 %, 900 a day", rows=lambda _, nights: np.full(nights, 900), shape=(0.5, 500.0)),
    World(
        "base rate .1 %, 20,000 a day",
        rows=lambda _, nights: np.full(nights, 20_000),
        shape=(0.5, 500.0),
        is_large=True,
    ),
)
DRIFTING = World("drift of .3 logit at night 61", shock=0.3, drift=0.3)


@dataclass(frozen=True)
class Line:
    promise: str
    world: str
    nominal: str
    seen: float
    error: float
    tries: str
    form: str = ".1%"

    def __str__(self) -> str:
        shown, error = format(self.seen, self.form), format(self.error, self.form)
        return f"| {self.promise} | {self.world} | {self.nominal} | {shown} ± {error} | {self.tries} |"


def share(promise: str, world: str, nominal: str, hits: Sequence[bool], tries: str) -> Line:
    seen = float(np.mean(hits))
    return Line(promise, world, nominal, seen, math.sqrt(max(seen * (1 - seen), 1 / len(hits)) / len(hits)), tries)


def mean(promise: str, world: str, nominal: str, values: Sequence[float], tries: str) -> Line:
    error = float(np.std(values, ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan
    return Line(promise, world, nominal, float(np.mean(values)), error, tries, ".2f")


def _pair_rows(days: Sequence[Day], draw: np.random.Generator, *, gain: float) -> list[dict[str, Any]]:
    """Two models that err alike by chance of their own; the challenger is better by `gain` sd of a night's difference."""
    rows: list[dict[str, Any]] = []
    for day in days:
        first, second = (
            expit(logit(np.clip(day.said, 1e-6, 1 - 1e-6)) + draw.normal(0, 0.3, len(day.said))) for _ in range(2)
        )
        d = (second - day.came) ** 2 - (first - day.came) ** 2
        rows.append({"n": len(d), "sum_d": d.sum(), "d": d, "first": first, "second": second, "day": day})
    spread = float(np.std([row["sum_d"] / row["n"] for row in rows]))
    made = []
    for row in rows:
        day, d = row["day"], row["d"] - gain * spread
        champion = float(((row["first"] - day.came) ** 2).sum())
        made.append(
            {
                "window_start": day.start,
                "n_paired": len(d),
                "n": len(d),
                "n_events": int(day.came.sum()),
                "sum_p": float(row["first"].sum()),
                "sum_champion": champion,
                "sum_challenger": champion + float(d.sum()),
                "sum_d": float(d.sum()),
                "sum_d2": float(d @ d),
                "sum_abs_d": float(np.abs(d).sum()),
                "clusters": 1,
                "sum_s2": float(d.sum()) ** 2,
                "sum_s_n": float(d.sum()) * len(d),
                "sum_n2": float(len(d)) ** 2,
                "labels_as_of": datetime(2025, 1, 1, tzinfo=UTC),
            }
        )
    return made


def first_promotion(world: World, draw: np.random.Generator, *, gain: float = 0.0, step: int = 1) -> int | None:
    """Return the first night on which the challenger would be promoted; None: on none."""
    rows = _pair_rows(world.live(draw), draw, gain=gain)
    trained = datetime(2023, 12, 1, tzinfo=UTC)
    for night in range(5, NIGHTS + 1, step):
        judged = judge_windows(rows[:night], trained_until=trained, settings=SETTINGS)
        if judge_all(judged, settings=SETTINGS, is_by_day=True)["verdict"] == "better":
            return night
    return None


def first_alarms(world: World, draw: np.random.Generator, *, step: int = 1) -> tuple[int | None, int | None]:
    """Return the first night of a calibration alarm, and of a change alarm."""
    totals = np.stack([day.totals for day in world.live(draw)])
    calibration = change = None
    for night in range(5, NIGHTS + 1, step):
        part = totals[:night]
        weighed = weigh_windows(part[:, 3:], part[:, 0], part[:, 2] - part[:, 3])
        if weighed.status != "ok":
            continue
        if calibration is None and weighed.log_e_value >= math.log(E_VERDICT):
            calibration = night
        statistic = np.mean([change_statistic(weighed.means[:, k])[-1] for k in (0, 1)])
        if change is None and statistic >= ALARM:
            change = night
    return calibration, change


def truth_of(world: World) -> dict[str, float]:
    """Brier score, and its gap, over all days: over the shocks by quadrature, for a mean over days would be noisy."""
    still = replace(world, shock=0.0, rows=lambda _, nights: np.full(nights, 400_000), drift=0.0)
    (day,) = still.live(np.random.default_rng(1), 1)
    logits, weights = logit(day.chance), _WEIGHTS / _WEIGHTS.sum()
    said = world.said_of(logits)
    chance = np.stack([expit(logits + world.shock * node) for node in _NODES])
    brier = weights @ np.mean(chance * (1 - said) ** 2 + (1 - chance) * said**2, axis=1)
    return {"brier": float(brier), "gap": float(weights @ np.mean(said - chance, axis=1))}


def coverage(world: World, draw: np.random.Generator, *, truth: dict[str, float]) -> dict[str, list[bool]]:
    """Say of each interval shown whether it holds the truth: of windows that day's own, of months and all the world's."""
    days = world.live(draw)
    hits: dict[str, list[bool]] = {}

    def look(grain: str, metrics: Any, brier: float, gap: float) -> None:
        if metrics.interval_status == "shown":
            hits.setdefault(f"{grain} brier", []).append(bool(metrics.brier_low <= brier <= metrics.brier_high))
            if metrics.gap_low is not None:
                hits.setdefault(f"{grain} gap", []).append(bool(metrics.gap_low <= gap <= metrics.gap_high))

    for day in days[::10]:
        brier = float(np.mean(day.chance * (1 - day.said) ** 2 + (1 - day.chance) * day.said**2))
        look("window", tally_metrics(tally_rows(day.said, day.came)), brier, float(np.mean(day.said - day.chance)))
    for grain, part in (("month", days[:30]), ("all", days)):
        totals = np.stack([day.totals for day in part])
        tally = tally_rows(np.concatenate([day.said for day in part]), np.concatenate([day.came for day in part]))
        look(grain, tally_metrics(tally, clusters=add_in_order(totals)), **truth)
    return hits


GATES = (
    {"metric": "ece", "max": 0.05},
    {"metric": "mce", "max": 0.2},
    {"metric": "drift_psi", "max": 0.2},
    {"metric": "calibration_slope", "min": 0.7, "max": 1.3},
)


def window_rows(days: Sequence[Day]) -> list[dict[str, Any]]:
    """The rows of brier_metrics of windows, each with the drift from the one before."""
    rows, before = [], None
    for place, day in enumerate(days):
        tally = tally_rows(day.said, day.came)
        key = {"grain": "window", "window_start": day.start, "slice_key": None, "slice_value": None}
        between = _between(days[max(0, place - SETTINGS.reference_windows) : place])
        rows.append({**key, **tally_metrics(tally, reference=before, between=between).model_dump()})
        before = tally
    return rows


def _between(before: Sequence[Day]) -> dict[str, float]:
    totals = np.array([day.totals for day in before]).reshape(-1, 5)
    squares = np.array([((day.said - day.came) ** 4).sum() for day in before])
    return between_windows(totals[:, 0], totals[:, 1], squares, totals[:, 3])


def breaches(rows: Sequence[dict[str, Any]], *, judge: str, brier: float) -> dict[str, int]:
    """Count the windows in which each of the example gates is breached."""
    windows = {row["window_start"] for row in rows}
    found = {}
    for content in (*GATES, {"metric": "brier", "max": brier}):
        gate = GateConfig.model_validate({**content, "judge": judge})
        found[gate.metric] = len(check_gates([gate], rows, windows=windows))
    return found


def names_a_slice(draw: np.random.Generator, *, slices: int, nights: int = 60) -> bool:
    """Whether a page names any of so many calibrated slices of a world with shocks as off for sure."""
    days = World("", shock=0.3, rows=lambda _, n: np.full(n, 10 * slices)).live(draw, nights)
    rows = []
    for place in range(slices):
        parts = [replace(day, said=day.said[place::slices], came=day.came[place::slices]) for day in days]
        tally = tally_rows(np.concatenate([day.said for day in parts]), np.concatenate([day.came for day in parts]))
        clusters = add_products(np.stack([day.totals for day in parts]))
        key = {"grain": "all", "window_start": None, "model_name": None, "slice_key": "team", "slice_value": str(place)}
        rows.append({**key, **tally_metrics(tally, clusters=clusters).model_dump()})
    nothing = pd.DataFrame()
    tables = Tables("honesty", "day", pd.DataFrame(rows), nothing, nothing, nothing, nothing)
    return any(grid.sure_count for grid in slice_grids(tables))


@dataclass(frozen=True)
class Trial:
    """How often, with which seed, and how many nights lie between two looks."""

    worlds: int
    seed: int = 20_241_129
    step: int = 1

    @property
    def tries(self) -> str:
        return f"{self.worlds} x {NIGHTS}"

    def of(self, world: World) -> "Trial":
        """A tenth of it where a world is large."""
        return replace(self, worlds=max(self.worlds // 10, 5)) if world.is_large else self

    def draws(self, name: str, count: int | None = None) -> Iterator[np.random.Generator]:
        for each in range(self.worlds if count is None else count):
            yield np.random.default_rng([self.seed, *name.encode(), each])


def alarms(trial: Trial) -> Iterator[Line]:
    """What is concluded of many nights where there is nothing to be found."""
    for world in CALIBRATED:
        own = trial.of(world)
        found = [first_promotion(world, draw, step=own.step) is not None for draw in own.draws(f"p {world.name}")]
        yield share("an equal challenger is promoted", world.name, "<= 2.5%", found, own.tries)
    for world in CALIBRATED:
        own = trial.of(world)
        pairs = [first_alarms(world, draw, step=own.step) for draw in own.draws(f"a {world.name}")]
        yield share("calibration alarm", world.name, "<= 5%", [one is not None for one, _ in pairs], own.tries)
        yield share("change alarm", world.name, "<= 10%", [other is not None for _, other in pairs], own.tries)


def intervals(trial: Trial) -> Iterator[Line]:
    for world in (*CALIBRATED[:6], World("slope 1/3", slope=1 / 3, shock=0.3)):
        truth = truth_of(world)
        hits: dict[str, list[bool]] = {}
        for draw in trial.draws(f"c {world.name}"):
            for name, each in coverage(world, draw, truth=truth).items():
                hits.setdefault(name, []).extend(each)
        for name, each in hits.items():
            yield share(f"95 % interval holds, {name}", world.name, "92-97%", each, f"{len(each)} intervals")


def single_windows(trial: Trial) -> Iterator[Line]:
    """What is said of single windows in worlds where none differs from the others but by chance."""
    few = max(trial.worlds // 20, 5)
    for world in CALIBRATED[:6]:
        flagged, sure, bare = [], [], []
        bound = truth_of(world)["brier"] + 0.001
        for draw in trial.draws(f"f {world.name}", few):
            rows = window_rows(world.live(draw))
            flagged.append(len(find_outliers(rows, drift_alert=SETTINGS.drift_alert)))
            sure.append(breaches(rows, judge="sure", brier=bound))
            bare.append(breaches(rows, judge="value", brier=bound))
        tries = f"{few} x {NIGHTS}"
        yield mean("windows that stand out, of 150", world.name, "<= 2", flagged, tries)
        for name in sure[0]:
            yield mean(f"gate {name} breached, judge: sure", world.name, "<= 3", [each[name] for each in sure], tries)
            yield mean(f"gate {name} breached, judge: value", world.name, "", [each[name] for each in bare], tries)


def pages(trial: Trial) -> Iterator[Line]:
    few = max(trial.worlds // 10, 10)
    named = [names_a_slice(draw, slices=100) for draw in trial.draws("s", few)]
    yield share("a page names a slice wrongly, of 100", "shock .3", "<= 5%", named, f"{few} pages")
    hard = World("hard labels", is_hard=True).live(np.random.default_rng(trial.seed), 5)
    found = [tally_metrics(tally_rows(day.said, day.came)).n_impossible or 0 for day in hard]
    yield share("hard labels are found out", "hard labels", "100%", [each > 0 for each in found], "5 windows")


def price(trial: Trial) -> Iterator[Line]:
    """How long what is real takes to be found."""
    for gain in (0.25, 0.4, 0.8):
        world = World(f"challenger better by {gain:g} sd of a night", shock=0.3)
        nights = [first_promotion(world, draw, gain=gain, step=trial.step) for draw in trial.draws(world.name)]
        yield share("promoted within 150 nights", world.name, "", [each is not None for each in nights], trial.tries)
        yield _median("nights until it is", world.name, nights, trial.tries)
    drifted = [first_alarms(DRIFTING, draw, step=trial.step)[1] for draw in trial.draws(DRIFTING.name)]
    late = [None if each is None else each - 60 for each in drifted]
    yield share("change found within 90 nights", DRIFTING.name, "", [each is not None for each in late], trial.tries)
    yield _median("nights until it is", DRIFTING.name, late, trial.tries)


PARTS = {"alarms": alarms, "intervals": intervals, "windows": single_windows, "pages": pages, "price": price}


def _median(promise: str, world: str, nights: Sequence[int | None], tries: str) -> Line:
    """Median over the worlds in which it came, and a rough error of it."""
    known = np.array([each for each in nights if each is not None], float)
    if not len(known):
        return Line(promise, world, "", math.nan, math.nan, tries, ".0f")
    error = 1.25 * float(known.std()) / math.sqrt(len(known))
    return Line(promise, world, "", float(np.median(known)), error, tries, ".0f")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=400)
    parser.add_argument("--step", type=int, default=1, help="nights between two looks")
    parser.add_argument("--parts", default=",".join(PARTS))
    given = parser.parse_args()
    print("| promise | world | nominal | seen | tries |\n|---|---|---|---|---|")
    for name in given.parts.split(","):
        for line in PARTS[name](Trial(given.worlds, step=given.step)):
            print(line, flush=True)


if __name__ == "__main__":
    main()
