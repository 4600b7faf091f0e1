"""Pooling: the figures of several windows taken together, from the rows of brier_metrics."""

from collections.abc import Callable, Mapping, Sequence
from math import sqrt
from typing import Any

from brierlake.brier import ClusterSums, cluster_robust_se
from brierlake.lakehouse.diagnostics import Figures

HEADLINE = ("brier", "brier_se", "expected_brier", "base_rate", "coverage")


def pool_figures(rows: Sequence[Figures]) -> Mapping[str, Any]:
    """Return HEADLINE over all rows of these windows; None where nothing defines a figure.

    The standard error is exact where rows count as independent, and where each window is one cluster; of several
    windows with clusters inside them it is None, for the sums over their clusters aren't among the figures.
    """
    if len(rows) == 1:
        return {name: rows[0][name] for name in HEADLINE}
    scored, labelled = (sum(row[name] or 0 for row in rows) for name in ("n_scored", "n_labelled"))
    return {
        "brier": _mean(rows, "brier", "n_labelled"),
        "brier_se": _standard_error([row for row in rows if row["n_labelled"]]),
        "expected_brier": _mean(rows, "expected_brier", "n_scored"),
        "base_rate": _mean(rows, "base_rate", "n_labelled"),
        "coverage": labelled / scored if scored else None,
    }


def _mean(rows: Sequence[Figures], name: str, weight: str) -> float | None:
    known = [row for row in rows if row[name] is not None and row[weight]]
    total = sum(row[weight] for row in known)
    return sum(row[name] * row[weight] for row in known) / total if total else None


def _standard_error(rows: Sequence[Figures]) -> float | None:
    n, mean = sum(row["n_labelled"] for row in rows), _mean(rows, "brier", "n_labelled")
    if mean is None or n < 2:
        return None
    if all(row["se_kind"] == "independent" for row in rows):
        # sums of squares within the windows, and between them
        within = _sum(rows, lambda row: (row["brier_se"] or 0.0) ** 2 * row["n_labelled"] * (row["n_labelled"] - 1))
        between = _sum(rows, lambda row: row["n_labelled"] * (row["brier"] - mean) ** 2)
        return sqrt((within + between) / (n - 1) / n)
    if any(row["n_clusters"] != 1 for row in rows):
        return None
    sums = ClusterSums(
        clusters=len(rows),
        sum_s2=_sum(rows, lambda row: (row["n_labelled"] * row["brier"]) ** 2),
        sum_s_n=_sum(rows, lambda row: row["n_labelled"] ** 2 * row["brier"]),
        sum_n2=_sum(rows, lambda row: row["n_labelled"] ** 2),
        n=n,
        mean=mean,
    )
    return cluster_robust_se(sums).se


def _sum(rows: Sequence[Figures], value: Callable[[Figures], float]) -> float:
    return float(sum(map(value, rows)))
