"""Errors of rows that hang together: totals of each cluster, their products, and what follows for any mean of rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from brierlake.brier.grid import FloatArray
from brierlake.brier.inference import Estimate

TOTALS: Final = ("n", "s", "y", "r", "z")
"""What is added up in a cluster: labelled rows, s = (p-y)^2, y, r = y - p, and z = (1-2p)(y-p) = s - p(1-p)."""
PRODUCTS: Final = (
    *("n2", "s2", "y2", "r2", "z2"),
    *("s_n", "y_n", "r_n", "z_n", "s_y"),
)
"""Sums over clusters of products of two totals that are kept: what a combination of s and y, r or z needs."""
_STRONGEST: Final = 0.97
_GENEROUS: Final = 1.5
"""Andrews' bandwidth times this, with the wider quantile for it, covers 93 to 96 % at 30 to 150 days of AR(1) .3."""


@dataclass(frozen=True, eq=False)
class ClusterProducts:
    """Totals (5,) over all rows in the order of TOTALS, and the sums over G clusters of products of two (5, 5).

    `effective` is n^2 / sum n_g^2: G where clusters are equal, and near 1 where one holds most rows. With `lags` above
    0 the products hold those of clusters that follow each other too, so that every variance is Bartlett's.
    """

    clusters: int
    effective: float
    totals: FloatArray
    products: FloatArray
    lags: int = 0

    def estimate(self, weights: Mapping[str, float], *, level: float = 0.95) -> Estimate:
        """Return the mean over rows of a combination of TOTALS, with its cluster-robust error and t interval.

        Variance = e / (e-1) * sum (T_g - n_g mean)^2 / n^2 and e-1 degrees of freedom, e the effective clusters
        (Liang and Zeger 1986 where clusters are equal); with lags, Newey and West's, and the wider quantile that
        belongs to their bandwidth. None for e below 1.5.
        """
        chosen = np.array([weights.get(name, 0.0) for name in TOTALS])
        n = float(self.totals[0])
        mean = float(chosen @ self.totals) / n if n else 0.0
        e = self.effective
        if self.clusters < 2 or e < 1.5:
            return Estimate(mean, None, None, None, None)
        chosen[0] -= mean
        spread = max(float(chosen @ self.products @ chosen), 0.0)
        se = float(np.sqrt(e / (e - 1) * spread)) / n
        reach = float(stdtrit(e - 1, (1 + level) / 2)) * _fixed_b((self.lags + 1) / self.clusters, self.lags) * se
        return Estimate(mean, se, mean - reach, mean + reach, e - 1)


def add_products(totals: ArrayLike, *, lags: int = 0) -> ClusterProducts:
    """Add up clusters whose totals (G, 5) are given in the order of TOTALS, in order of time where `lags` is above 0.

    Bartlett's weights 1 - l / (lags + 1) (Newey and West 1987). Clusters without labelled rows count for nothing.
    """
    every = np.asarray(totals, np.float64).reshape(-1, len(TOTALS))
    every = every[every[:, 0] > 0]
    products = every.T @ every
    squares = float(products[0, 0])
    for lag in range(1, min(lags, len(every) - 1) + 1):
        shifted = every[lag:].T @ every[:-lag]
        products = products + (1 - lag / (lags + 1)) * (shifted + shifted.T)
    whole = every.sum(axis=0)
    effective = float(whole[0]) ** 2 / squares if squares else 0.0
    return ClusterProducts(len(every), effective, whole, products, lags)


def read_products(sums: Mapping[str, float]) -> ClusterProducts:
    """Build them from columns `clusters`, `n`, and `sum_` before each other name of TOTALS and PRODUCTS."""
    products = np.zeros((len(TOTALS), len(TOTALS)))
    for name in PRODUCTS:
        one, _, other = name.partition("_") if "_" in name else (name[0], "", name[0])
        row, column = TOTALS.index(one), TOTALS.index(other)
        products[row, column] = products[column, row] = sums[f"sum_{name}"]
    totals = np.array([sums["n"], *(sums[f"sum_{name}"] for name in TOTALS[1:])], np.float64)
    squares = float(sums["sum_n2"])
    effective = float(sums["n"]) ** 2 / squares if squares > 0 else 0.0
    return ClusterProducts(int(sums["clusters"]), effective, totals, products)


def add_in_order(totals: ArrayLike) -> ClusterProducts:
    """Add up clusters in order of time, with as many lags as `choose_lags` finds in them."""
    return add_products(totals, lags=choose_lags(totals))


def choose_lags(totals: ArrayLike) -> int:
    """Return Bartlett's bandwidth by Andrews' AR(1) rule (1991), the larger of those of s and r; 0 for 10 or fewer."""
    every = np.asarray(totals, np.float64).reshape(-1, len(TOTALS))
    every = every[every[:, 0] > 0]
    if len(every) <= 10:
        return 0
    n, most = every[:, 0], 0.0
    for name in ("s", "r"):
        values = every[:, TOTALS.index(name)]
        residual = values - n * values.sum() / n.sum()
        power = float(residual @ residual)
        rho = float(residual[1:] @ residual[:-1]) / power if power else 0.0
        rho = min(max(rho, 0.0), _STRONGEST)
        alpha = 4 * rho**2 / ((1 - rho) ** 2 * (1 + rho) ** 2)
        most = max(most, _GENEROUS * 1.1447 * (alpha * len(every)) ** (1 / 3))
    return min(int(np.ceil(most)), len(every) // 4)


def _fixed_b(share: float, lags: int) -> float:
    """By how much wider an interval is where the bandwidth is a share b of the clusters (Kiefer and Vogelsang 2005)."""
    return (1.96 + 2.9694 * share + 0.4160 * share**2 - 0.5324 * share**3) / 1.96 if lags else 1.0
