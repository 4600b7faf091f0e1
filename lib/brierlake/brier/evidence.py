"""Evidence that may be looked at every night: e-values, confidence sequences, and alarms for a change."""

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from brierlake.brier.grid import FloatArray, IntArray

E_VERDICT: Final = 20.0
"""E-value from which a two-sided verdict is reached at 5 %."""
ALARM: Final = 1000.0
"""Change statistic from which a change is reported: 1,000 windows to a false alarm, on average."""
_FRACTIONS: Final = np.array([0.2, 0.5, 1.0, -0.2, -0.5, -1.0])
_BURN_IN: Final = 10


@dataclass(frozen=True)
class EProcess:
    """Evidence against a mean of 0, and the mean's confidence sequence, after each value; arrays as long as the values.

    `log_e_value` is the natural logarithm; from `low` to `high` the mean lies at all times at once with probability
    1 - alpha, and both are infinite while that can't be said.
    """

    log_e_value: FloatArray
    low: FloatArray
    high: FloatArray
    mean: FloatArray


def e_process(x: ArrayLike, *, scale: float = 0.35, alpha: float = 0.05) -> EProcess:
    """Weigh the evidence that values (n,) in order of time have a mean other than 0; NaN isn't allowed.

    The t-mixture martingale in the scale-invariant filtration (Wang and Ramdas, arXiv 2310.03722), with a normal
    prior of standard deviation `scale` on mean / sd: valid at any time at which one looks, and however often. The same
    values over and over are no evidence: their e-value is 1.

    Raises:
        ValueError: for values that aren't finite, a scale that isn't positive, or an alpha outside (0, 1).
    """
    values = _as_values(x)
    if scale <= 0 or not 0 < alpha < 1:
        raise ValueError(f"scale {scale} must be positive, and alpha {alpha} between 0 and 1.")
    n = np.arange(1, len(values) + 1, dtype=float)
    mean = np.cumsum(values) / n
    spread = _running_spread(values, mean)
    known = (n > 1) & (spread > 0)
    a = 1 + n * scale**2
    log_e, reach = np.zeros(len(values)), np.full(len(values), np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        t2 = n * mean**2 * (n - 1) / spread  # spread is (n-1) s^2
        bent = np.log1p(t2 / (n - 1)) - np.log1p(t2 / ((n - 1) * a))
        log_e = np.where(known, -np.log(a) / 2 + n / 2 * bent, 0.0)
        q = (a / alpha**2) ** (1 / n)
        width = np.sqrt(spread / (n - 1) / n) * np.sqrt((n - 1) * a * (q - 1) / (a - q))
        reach = np.where(known & (q < a), width, np.inf)
    return EProcess(log_e, mean - reach, mean + reach, mean)


def _running_spread(values: FloatArray, mean: FloatArray) -> FloatArray:
    """Sum of squares about the mean of the values so far (Welford), exactly 0 while they are all the same."""
    before = np.concatenate(([0.0], mean[:-1]))
    steps = (values - before) * (values - mean)
    steps[:1] = 0.0
    spread = np.cumsum(np.maximum(steps, 0.0))
    is_constant = np.logical_and.accumulate(values == values[:1]) if len(values) else np.zeros(0, bool)
    return np.where(is_constant, 0.0, spread)


@dataclass(frozen=True)
class Change:
    """What the change detector says after each value, and since when the mean is another one."""

    statistic: FloatArray
    first: int | None
    """Place of the first value after a change that would explain the latest values best; None: too few values."""
    has_alarm: bool
    """Whether the last statistic is an alarm."""

    @property
    def since(self) -> int | None:
        """The same where there is an alarm."""
        return self.first if self.has_alarm else None


def change_statistic(x: ArrayLike) -> FloatArray:
    """Weigh, after each of the values (n,), whether their mean has left 0; 0 for the first ten.

    A mixture of Shiryaev-Roberts e-detectors (Shin, Ramdas and Rinaldo): an alarm at 1000 comes after 1000 values or
    more on average where values are symmetric about 0 given the past.
    """
    return detect_change(x).statistic


def detect_change(x: ArrayLike, *, alarm: float = ALARM) -> Change:
    """Return the statistic and, at an alarm, since when: the start that explains the latest values best."""
    values = _as_values(x)
    statistic = np.zeros(len(values))
    terms, sums, starts = np.zeros(len(_FRACTIONS)), np.zeros(len(_FRACTIONS)), np.zeros(len(_FRACTIONS), int)
    squares = np.cumsum(values**2)
    for place in range(_BURN_IN, len(values)):
        rms = np.sqrt(squares[place - 1] / place)
        if rms == 0:
            continue
        bets = _FRACTIONS / rms * values[place]
        gains = bets - bets**2 / 2
        # a term is a sum over all starts; its largest summand begins where the sum of gains was lowest
        starts = np.where(sums <= 0, place, starts)
        sums = np.maximum(sums, 0) + gains
        terms = np.minimum((1 + terms) * np.exp(gains), 1e300)
        statistic[place] = terms.mean()
    has_alarm = len(values) > 0 and statistic[-1] >= alarm
    first = int(starts[np.argmax(terms)]) if len(values) > _BURN_IN else None
    return Change(statistic, first, has_alarm)


def detect_departure(x: ArrayLike, *, alarm: float = ALARM) -> tuple[FloatArray, int | None]:
    """Weigh, after each of the values (n,), whether their mean is another one than before, whatever it was.

    Each value is taken less the mean of those before it, which can be known in time; what is left goes through
    `detect_change`. Return the statistic, 0 for the first eleven, and the place of the first alarm; None: no alarm.
    """
    values = _as_values(x)
    statistic = np.zeros(len(values))
    if len(values) > 1:
        before = np.cumsum(values)[:-1] / np.arange(1, len(values))
        statistic[1:] = detect_change(values[1:] - before, alarm=alarm).statistic
    alarms = np.flatnonzero(statistic >= alarm)
    return statistic, int(alarms[0]) if len(alarms) else None


def _as_values(x: ArrayLike) -> FloatArray:
    values = np.asarray(x, float)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ValueError("values must be one finite number each, in one dimension.")
    return values


FEWEST_WINDOWS: Final = 5
"""Windows from which an e-value is used."""
FEWEST_EXPECTED: Final = 10
"""Expected rows of the rarer outcome in a window; with fewer, skewed values would break the guarantee."""
_LARGEST_CORRELATION: Final = 0.1
_FEWEST_CORRELATED: Final = 10
"""Values from which a correlation is estimated."""
_STRETCH: Final = 28
NEARLY_ALL: Final = 0.95
"""Share of labels from which a window's labels count as complete: some never come, and early ones are biased."""


@dataclass(frozen=True, eq=False)
class Weighed:
    """The evidence of windows in order of time: merged where they are small or hang together, then weighed."""

    processes: tuple[EProcess, ...]
    """One for each of the means that were weighed, over the merged windows."""
    means: FloatArray
    """The means (B, k) themselves."""
    firsts: IntArray
    lasts: IntArray
    """Places of the first and last window of each merged one (B,); what is too little yet is in none."""
    block: int
    """Windows merged because they hang together; 1: none."""
    status: str
    """ok, no_windows, few_windows, constant, or correlated."""

    @property
    def log_e_values(self) -> FloatArray:
        """Of the mean of the e-values, after each merged window; 0 where `status` isn't ok."""
        if self.status != "ok":
            return np.zeros(len(self.lasts))
        every = np.stack([each.log_e_value for each in self.processes])
        return np.asarray(np.logaddexp.reduce(every, axis=0) - np.log(len(every)), np.float64)

    @property
    def log_e_value(self) -> float:
        return float(self.log_e_values[-1]) if len(self.lasts) else 0.0


def weigh_windows(totals: ArrayLike, n: ArrayLike, expected: ArrayLike, *, alpha: float = 0.05) -> Weighed:
    """Weigh whether means over rows are 0, from the windows' totals (T, k), rows (T,) and expected events (T,).

    A window with fewer than 10 expected rows of the rarer outcome is merged with the next until there are 10. Where
    the means of neighbours are correlated by more than .1, blocks of 2, 3, … windows are, until they no longer are.
    """
    sums, rows, events = np.asarray(totals, float), np.asarray(n, float), np.asarray(expected, float)
    sums = sums.reshape(len(rows), -1) if len(rows) else np.zeros((0, sums.shape[1] if sums.ndim > 1 else 1))
    ends = _enough(rows, events)
    block, means = 1, _means(sums, rows, ends)
    while _correlation(means) > _LARGEST_CORRELATION and len(ends) // (block + 1) >= _FEWEST_CORRELATED:
        block += 1
        means = _means(sums, rows, ends[block - 1 :: block])
    lasts = ends[block - 1 :: block]
    firsts = np.concatenate((np.zeros(1, np.int64), lasts[:-1] + 1))[: len(lasts)]
    is_varied = [bool(np.ptp(means[:, k]) > 0) for k in range(sums.shape[1])] if len(lasts) else []
    if not len(lasts):
        status = "few_windows" if len(rows) else "no_windows"
    elif len(lasts) < FEWEST_WINDOWS:
        status = "few_windows"
    elif not any(is_varied):
        status = "constant"
    elif _correlation(means) > _LARGEST_CORRELATION:
        status = "correlated"
    else:
        status = "ok"
    processes = tuple(e_process(means[:, k], alpha=alpha) for k in range(sums.shape[1]))
    return Weighed(processes, means, firsts, lasts, block, status)


def _enough(rows: FloatArray, events: FloatArray) -> IntArray:
    """Places of the windows at which enough has come together."""
    ends, held, expected = [], 0.0, 0.0
    for place, (n, more) in enumerate(zip(rows, events, strict=True)):
        held, expected = held + n, expected + more
        if min(expected, held - expected) >= FEWEST_EXPECTED:
            ends.append(place)
            held = expected = 0.0
    return np.array(ends, np.int64)


def _means(sums: FloatArray, rows: FloatArray, ends: IntArray) -> FloatArray:
    if not len(ends):
        return np.zeros((0, sums.shape[1]))
    starts = np.concatenate(([0], ends[:-1] + 1))
    until = int(ends[-1]) + 1
    n = np.add.reduceat(rows[:until], starts)
    return np.asarray(np.add.reduceat(sums[:until], starts, axis=0) / n[:, None], np.float64)


def _correlation(means: FloatArray) -> float:
    """Lag-1 correlation of neighbours, the largest of the k; 0 for too few to tell.

    Deviations are from the mean of each stretch of _STRETCH values, so that a change of level isn't taken for it; what
    the estimated means take off is put back (Marriott and Pope 1954).
    """
    if len(means) < _FEWEST_CORRELATED:
        return 0.0
    stretches = np.array_split(means, max(1, len(means) // _STRETCH))
    length = len(means) / len(stretches)
    centred = [each - each.mean(axis=0) for each in stretches]
    power = sum((each**2).sum(axis=0) for each in centred)
    known = power > 0
    if not known.any():
        return 0.0
    found = sum((each[1:] * each[:-1]).sum(axis=0) for each in centred)[known] / power[known]
    return float(((found + 1 / length) / (1 - 3 / length)).max())


def describe_evidence(log_e_value: float | None, n_windows: float | None) -> str:
    """Say how strong evidence is, as odds: 'evidence 1,200 : 1, 26 windows'."""
    odds = math.exp(min(log_e_value or 0.0, 30.0))
    told = f"{odds:,.0f}" if odds >= 10 else f"{odds:.2g}"
    return f"evidence {told} : 1, {int(n_windows or 0):,} windows"


def has_complete_labels(n: float, n_scored: float) -> bool:
    """Whether a window's labels count as complete: nearly all of its scored rows have one."""
    return bool(n > 0 and n >= NEARLY_ALL * n_scored)


def starts_after(window: date | None, trained_until: datetime | None) -> bool:
    """Whether a window begins at or after the end of a training; an unknown end is never over."""
    return window is not None and trained_until is not None and datetime.combine(window, time(), UTC) >= trained_until


def is_evident(log_e_value: float | None) -> bool:
    """Whether the evidence reaches the verdict's 20 : 1."""
    return (log_e_value or 0.0) >= math.log(E_VERDICT)


def finite_or_none(end: float) -> float | None:
    """Return an end of a confidence sequence as tables keep it."""
    return float(end) if math.isfinite(end) else None
