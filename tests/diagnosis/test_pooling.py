"""Pooling: the figures of several windows are those of all their rows."""

from typing import Any

import numpy as np
import pytest

from brierlake.diagnosis.pooling import pool_figures


def window(p: np.ndarray, y: np.ndarray, **changes: Any) -> dict[str, Any]:
    errors = (p - y) ** 2
    return {
        "brier": errors.mean(),
        "brier_se": errors.std(ddof=1) / np.sqrt(len(y)),
        "expected_brier": (p * (1 - p)).mean(),
        "base_rate": y.mean(),
        "coverage": 1.0,
        "n_scored": len(p),
        "n_labelled": len(y),
        "se_kind": "independent",
        "n_clusters": None,
        **changes,
    }


def draw(sizes: tuple[int, ...]) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(5)
    return [(p, (rng.random(n) < p).astype(float)) for n in sizes for p in [rng.random(n)]]


def test_independent_rows_pool_exactly() -> None:
    parts = draw((40, 7, 100))
    found = pool_figures([window(p, y) for p, y in parts])
    p, y = (np.concatenate(each) for each in zip(*parts, strict=True))
    for name, value in window(p, y).items():
        if name in found:
            assert found[name] == pytest.approx(value, rel=1e-12)


def test_windows_that_are_clusters_pool_as_clusters() -> None:
    parts = draw((40, 40, 40))
    rows = [window(p, y, se_kind="clustered", n_clusters=1, brier_se=None) for p, y in parts]
    errors = np.concatenate([(p - y) ** 2 for p, y in parts])
    residual = (errors - errors.mean()).reshape(3, 40).sum(axis=1)
    assert pool_figures(rows)["brier_se"] == pytest.approx(np.sqrt(3 / 2 * residual @ residual) / 120, rel=1e-12)


def test_clusters_inside_several_windows_have_no_error_here_but_one_window_has_its_own() -> None:
    rows = [window(p, y, se_kind="clustered", n_clusters=9) for p, y in draw((40, 40))]
    assert pool_figures(rows)["brier_se"] is None
    assert pool_figures(rows[:1])["brier_se"] == rows[0]["brier_se"]


def test_windows_without_labels_weigh_nothing() -> None:
    (p, y), (q, _) = draw((40, 20))
    bare = {"brier": None, "brier_se": None, "base_rate": None, "n_labelled": 0, "coverage": 0.0}
    found = pool_figures([window(p, y), {**window(q, q), **bare}])
    assert found["brier"] == pytest.approx(((p - y) ** 2).mean())
    assert found["coverage"] == pytest.approx(40 / 60)
    assert pool_figures([]) == dict.fromkeys(found)
