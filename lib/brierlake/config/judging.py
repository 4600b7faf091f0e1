"""What is diagnosed, decided, compared and promoted, and which bounds hold."""

from datetime import date
from typing import Literal, Self

from pydantic import Field, model_validator

from brierlake.schemas import METRIC_FIELDS
from brierlake.sections import Name, Section

AUTO = "auto"
"""Value of `diagnostics.cluster` that leaves the choice to us."""


class ReferenceWindow(Section):
    start: date
    """First day of the reference, inclusive."""
    end: date
    """Day after its last."""


class DiagnosticsConfig(Section):
    slices: tuple[Name, ...] = ()
    """Columns (carried or key) to slice by."""
    slice_grain: Literal["month", "window"] = "month"
    """Finest grain that slices are kept at; small slices' cells don't compress."""
    reference: Literal["previous"] | ReferenceWindow = "previous"
    """What the scores of a window are compared with for drift: the window before, or a fixed range."""
    drift_alert: float = Field(default=0.5, gt=0, le=1)
    """Jensen-Shannon divergence (0: same, 1: disjoint) from which on a window of 30 rows or more is flagged."""
    cluster: Name | None = AUTO
    """Column whose rows share their errors, such as a game: carried, key, or window_start. auto: the UTC day of
    `event_at`, or the window, from 10 of them on. null: rows are taken as independent."""
    reference_windows: int = Field(default=28, ge=0)
    """Skill is against the base rate of so many windows before, which could be known; 0: that of the rows themselves,
    in hindsight."""
    level: float = Field(default=0.95, gt=0.5, lt=1)
    """Level of the intervals."""


class DecisionConfig(Section):
    """Where a decision is made by the probability: `threshold`, or the two costs that it follows from."""

    threshold: float | None = Field(default=None, gt=0, lt=1)
    """Probability from which on one acts."""
    cost_false_alarm: float | None = Field(default=None, gt=0)
    """What acting in vain costs."""
    cost_miss: float | None = Field(default=None, gt=0)
    """What not acting costs where it happens."""

    @model_validator(mode="after")
    def _told_once(self) -> Self:
        costs = (self.cost_false_alarm, self.cost_miss)
        has_costs = costs != (None, None)
        if has_costs == (self.threshold is not None) or (has_costs and None in costs):
            raise ValueError("give `threshold`, or both `cost_false_alarm` and `cost_miss`")
        return self

    @property
    def at(self) -> float:
        """The threshold: cost_false_alarm / (cost_false_alarm + cost_miss)."""
        if self.threshold is not None:
            return self.threshold
        alarm, miss = self.cost_false_alarm or 0.0, self.cost_miss or 1.0
        return alarm / (alarm + miss)


class GateConfig(Section):
    """A bound on a metric. Outside it, the run ends with exit code 5."""

    metric: Name
    """Column of brier_metrics; evidence is log_e_value (3.0: evidence of 20 : 1 against calibration)."""
    judge: Literal["sure", "value"] = "sure"
    """sure: a breach is where the whole interval lies outside (of ece, mce, reliability and drift: what is left above
    chance); value: where the bare number does."""
    min: float | None = None
    """Below it is a breach."""
    max: float | None = None
    """Above it is a breach."""
    grain: Literal["window", "month", "all"] = "window"
    """What is checked: each window that the run touched, their months, or the total."""
    slice: Name | None = None
    """Column of diagnostics.slices whose values are checked one by one; null: all rows together."""
    min_labelled: int = Field(default=0, ge=0)
    """Judged only where at least so many rows have a label; a metric that needs none goes without."""
    breaches: int = Field(default=1, ge=1)
    """So many of the last `of` windows must be outside."""
    of: int = Field(default=1, ge=1)
    """How many windows are looked at, up to the one that is checked."""

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        numbers = [each.name for each in METRIC_FIELDS if each.dataType.typeName() in ("double", "long")]
        if self.column not in numbers:
            raise ValueError(f"`metric` is none of evidence, {', '.join(numbers)}")
        if self.column in _OF_ALL_WINDOWS and self.grain != "all":
            raise ValueError(f"{self.metric} is of all windows together: set grain: all")
        if self.min is None and self.max is None:
            raise ValueError("give `min` or `max`")
        if self.breaches > self.of:
            raise ValueError("`breaches` can't be more than `of`")
        return self

    @property
    def column(self) -> str:
        """Column of brier_metrics that the metric is."""
        return "log_e_value" if self.metric == "evidence" else self.metric

    @property
    def needs_labels(self) -> bool:
        return self.metric not in LABEL_FREE

    @property
    def is_checked_before(self) -> bool:
        """Whether `publish: audited` can check it before anything is published."""
        return self.grain == "window" and not self.needs_labels

    def __str__(self) -> str:
        bounds = [f"{sign} {bound:g}" for sign, bound in ((">=", self.min), ("<=", self.max)) if bound is not None]
        share = f", {self.breaches} of {self.of}" if self.of > 1 else ""
        where = f"{self.grain}{f' by {self.slice}' if self.slice else ''}{share}"
        return f"{self.metric} {' and '.join(bounds)} ({where}{', value' if self.judge == 'value' else ''})"


_OF_ALL_WINDOWS = ("log_e_value", "sequence_low", "sequence_high", "change_statistic")
LABEL_FREE = (
    *("n_rows", "n_scored", "mean_probability", "expected_brier", "expected_brier_sd"),
    *("drift_psi", "drift_js", "drift_psi_low", "drift_js_low"),
)
"""Metrics that are known before any label is: what `publish: audited` can check before it publishes."""


class ChallengerConfig(Section):
    """A second version that scores the same rows into a table of its own, and is compared with the champion."""

    runner_up: bool = False
    """True: the second best eligible version of `model.names`."""
    pin: Name | None = None
    """That one instead: `name/3`, or `name@alias`."""

    @model_validator(mode="after")
    def _one_choice(self) -> Self:
        if self.runner_up == (self.pin is not None):
            raise ValueError("give either `runner_up: true` or `pin` (name/3 or name@alias)")
        if self.pin is not None and not ("@" in self.pin or self.pin.rpartition("/")[2].isdecimal()):
            raise ValueError(f"`pin` is name/number or name@alias, not {self.pin!r}")
        return self


class PromotionConfig(Section):
    """When `brierlake promote` gives an alias to the challenger."""

    alias: Name = "champion"
    """Alias of the registered model; `model.pin: name@champion` then scores with what was promoted."""
    min_labelled: int = Field(default=1000, ge=1)
    """Labelled rows that both must have scored."""
