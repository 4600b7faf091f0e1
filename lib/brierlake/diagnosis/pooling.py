"""Pooling: the figures of several windows taken together, from the rows of brier_metrics."""

from collections.abc import Callable, Mapping, Sequence
from math import sqrt
from typing import Any

from brierlake.brier import add_products
from brierlake.brier.meaning import is_by_cluster
from brierlake.lakehouse.diagnostics import Figures

HEADLINE = ("brier", "brier_se", "expected_brier", "base_rate", "coverage")


def pool_figures(rows: Sequence[Figures], *, is_by_window: bool = False) -> Mapping[str, Any]:
    """Return HEADLINE over all rows of these windows; None where nothing defines a figure.

    The standard error is exact where rows count as independent, and where each window is one cluster; of several
    windows with clusters inside them it is None, for the sums over their clusters aren't among the figures.

    Args:
        is_by_window: Whether rows of a window hang together: from 10 windows on each is a cluster.
    """
    if len(rows) == 1:
        return {name: rows[0][name] for name in HEADLINE}
    scored, labelled = (sum(row[name] or 0 for row in rows) for name in ("n_scored", "n_labelled"))
    return {
        "brier": _mean(rows, "brier", "n_labelled"),
        "brier_se": _standard_error([row for row in rows if row["n_labelled"]], is_by_window=is_by_window),
        "expected_brier": _mean(rows, "expected_brier", "n_scored"),
        "base_rate": _mean(rows, "base_rate", "n_labelled"),
        "coverage": labelled / scored if scored else None,
    }


def _mean(rows: Sequence[Figures], name: str, weight: str) -> float | None:
    known = [row for row in rows if row[name] is not None and row[weight]]
    total = sum(row[weight] for row in known)
    return sum(row[name] * row[weight] for row in known) / total if total else None


def _standard_error(rows: Sequence[Figures], *, is_by_window: bool) -> float | None:
    n, mean = sum(row["n_labelled"] for row in rows), _mean(rows, "brier", "n_labelled")
    if mean is None or n < 2:
        return None
    is_by_window = is_by_window and is_by_cluster(len(rows))
    if not is_by_window and all(row["se_kind"] == "independent" for row in rows):
        # sums of squares within the windows, and between them
        within = _sum(rows, lambda row: (row["brier_se"] or 0.0) ** 2 * row["n_labelled"] * (row["n_labelled"] - 1))
        between = _sum(rows, lambda row: row["n_labelled"] * (row["brier"] - mean) ** 2)
        return sqrt((within + between) / (n - 1) / n)
    if not is_by_window and any(row["n_clusters"] != 1 for row in rows):
        return None
    totals = [(row["n_labelled"], row["n_labelled"] * row["brier"], 0.0, 0.0, 0.0) for row in rows]
    return add_products(totals).estimate({"s": 1.0}).se


def _sum(rows: Sequence[Figures], value: Callable[[Figures], float]) -> float:
    return float(sum(map(value, rows)))
