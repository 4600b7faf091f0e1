"""When a number means something, and what is said of it."""

from typing import Any

import numpy as np
import pytest

from brierlake.brier import diagnostics
from brierlake.page.verdicts import Level, find_verdict, gap_se, is_certain, lost_share


def row_of(said: np.ndarray, came: np.ndarray) -> dict[str, Any]:
    return diagnostics(said, came).model_dump()


def drawn(n: int, *, factor: float = 1.0, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities, and outcomes that happen with `factor` times each."""
    draw = np.random.default_rng(seed)
    said = draw.beta(1.4, 2.6, size=n)
    return said, (draw.random(n) < np.clip(said * factor, 0, 1)).astype(float)


@pytest.mark.parametrize(
    ("row", "level", "words", "reason"),
    [
        ({"n_scored": 0}, Level.UNKNOWN, "nothing scored", "No row has a probability"),
        ({"n_scored": 5, "n_labelled": 0}, Level.UNKNOWN, "no labels yet", "drift"),
        (row_of(*drawn(40)), Level.UNKNOWN, "too few labels", "a verdict takes 20"),
        (row_of(*drawn(6000)), Level.GOOD, "fine", "no miscalibration found (n 6,000)"),
        (row_of(*drawn(6000, factor=0.75)), Level.WATCH, "miscalibrated", "too high by 0.0"),
        (row_of(*drawn(6000, factor=0.66)), Level.BAD, "badly calibrated", "too high by 0.1"),
        (row_of(*drawn(6000, factor=0.3)), Level.BAD, "worse than the base rate", "scored better"),
        (row_of(np.full(6000, 0.35), drawn(6000)[1]), Level.WATCH, "no clear skill", "can't be told from"),
    ],
)
def test_verdict_and_its_reason(row: dict[str, Any], level: Level, words: str, reason: str) -> None:
    verdict = find_verdict(row)
    assert (verdict.level, verdict.words) == (level, words)
    assert reason in verdict.reason


def test_a_partly_labelled_row_is_judged_so_far() -> None:
    said, came = drawn(6000)
    came[3000:] = np.nan
    verdict = find_verdict(row_of(said, came))
    assert verdict.words == "fine, so far"
    assert "Only 50.0% of the labels are known" in verdict.reason


def test_the_gaps_error_is_that_of_a_calibrated_model() -> None:
    # rows of an earlier release say nothing of it; four at 0.5: Var(mean y) = 0.25 / 4
    row = row_of(np.full(4, 0.5), np.array([0.0, 1.0, 0.0, 1.0]))
    assert gap_se({**row, "gap_se": None}) == pytest.approx(0.25)
    assert gap_se(row) == pytest.approx(np.sqrt(0.25 / 3))
    assert not is_certain(row)
    assert lost_share({"miscalibration": 0.01, "discrimination": 0.04}) == 0.25
    assert lost_share({"miscalibration": 0.01, "discrimination": 0.0}) is None
