"""Evidence that may be looked at every night: e-values, confidence sequences, and alarms for a change."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from brierlake.brier.grid import FloatArray

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
    since: int | None
    """Place of the first value after the change, counted from 0; None: there is no alarm at the last value."""


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
    return Change(statistic, int(starts[np.argmax(terms)]) if has_alarm else None)


def _as_values(x: ArrayLike) -> FloatArray:
    values = np.asarray(x, float)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ValueError("values must be one finite number each, in one dimension.")
    return values
