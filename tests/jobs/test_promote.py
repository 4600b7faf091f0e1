"""Promotion: an alias moves for one challenger that is better on enough rows, and for nothing less."""

from typing import Any

import pytest

from brierlake.config import PromotionConfig
from brierlake.jobs.promote import decide

BETTER = {
    "champion_name": "mlp",
    "champion_version": 2,
    "challenger_name": "hgb",
    "challenger_version": 1,
    "n": 5000,
    "difference": -0.01,
    "difference_low": -0.014,
    "difference_high": -0.006,
    "verdict": "better",
}
CONFIG = PromotionConfig(min_labelled=1000)


def test_a_better_challenger_on_enough_rows_is_promoted_with_its_evidence() -> None:
    decision = decide(BETTER, CONFIG)
    assert (decision.is_supported, decision.model_name, decision.model_version) == (True, "hgb", 1)
    assert decision.reason == "hgb 1 is better than mlp 2: Brier difference -0.0100 (-0.0140 to -0.0060, 5,000 rows)"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (None, "nothing was compared yet"),
        ({"n": 999}, "999 labelled rows"),
        ({"verdict": "not_distinguishable"}, "not distinguishable"),
        ({"verdict": "worse"}, "hgb 1 against mlp 2: worse"),
        ({"champion_version": None}, "several versions"),
        ({"verdict": "too_few_labels", "difference_low": None, "difference_high": None}, "too few labels"),
    ],
)
def test_anything_less_is_refused_with_the_reason(changes: dict[str, Any] | None, reason: str) -> None:
    decision = decide(None if changes is None else {**BETTER, **changes}, CONFIG)
    assert not decision.is_supported
    assert reason in decision.reason
