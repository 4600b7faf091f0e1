"""Which version scores, what it may consist of, and how it is tried."""

from datetime import date
from typing import Literal, Self

from pydantic import AwareDatetime, Field, field_validator, model_validator

from brierlake.config.data import Label
from brierlake.sections import Name, Place, Section, Text

Rule = Literal["last_logged", "last_step"]


class AllowConfig(Section):
    flavors: tuple[Name, ...] = ()
    """MLflow flavors that may be loaded (sklearn, xgboost, …). Empty: every flavor whose loader brierlake knows."""
    pickle: bool = True
    """False: refuse models with a file that is a pickle, holds one, or isn't known to be harmless; those of skops and
    pt2 are."""
    code: bool = True
    """False: refuse models that bring or name Python code: code_paths, models from code, loaders or classes that
    aren't a known flavor's own."""


class ModelConfig(Section):
    names: tuple[Name, ...] = ()
    """Registered models among whose versions the best is looked for. This, or `pin`."""
    pin: Name | None = None
    """One version instead: `name/3`, or `name@alias` (resolved once a run)."""
    metric: Name = "brier"
    """Metric by which versions are ranked."""
    direction: Literal["min", "max"] = "min"
    """Whether the lowest or the highest value is best."""
    rule: Rule = "last_logged"
    """Which value counts: the last by wall clock, or the one at the highest step."""
    range: tuple[float, float] | None = (0.0, 2.0)
    """Values outside are not eligible (Brier: 0 to 2). null: any finite value is."""
    positive_class: Label = 1
    """The class whose probability is wanted, as the model calls it."""
    digest: Place | None = None
    """sha256 that the fetched model must have (see the runs table); null: any."""
    trained_until: AwareDatetime | date | None = None
    """End of the training data of versions that have no tag `brierlake.trained_until` (`log_features`, `log_brier`):
    only windows from then on count as evidence. null: the end of their run, a safe bound."""
    allow: AllowConfig = AllowConfig()
    """What a model may consist of; looked at before anything is loaded."""

    @model_validator(mode="after")
    def _one_choice(self) -> Self:
        if bool(self.names) == (self.pin is not None):
            raise ValueError("give either `names` (the best version of these) or `pin` (name/3 or name@alias)")
        if self.pin is not None and not ("@" in self.pin or self.pin.rpartition("/")[2].isdecimal()):
            raise ValueError(f"`pin` is name/number or name@alias, not {self.pin!r}")
        return self


class ScoringConfig(Section):
    max_issue_share: float = Field(default=0.1, ge=0, le=1)
    """Largest share of rows without a probability that is published; above it the run is refused."""
    sample_rows: int = Field(default=1000, ge=1, le=100_000)
    """Real rows that go through the model on the driver before any task starts."""
    environment: Literal["warn", "strict", "ignore"] = "warn"
    """What a difference between the model's requirements and the installed packages does."""
    env_manager: Text = "local"
    """MLflow's name for where a model runs. Only local: in the packages that are installed on driver and executors."""

    @field_validator("env_manager")
    @classmethod
    def _only_local(cls, value: str) -> str:
        if value != "local":
            raise ValueError(
                f"{value} isn't supported, only local is: with any other, MLflow installs an environment on every "
                "executor and sends each batch through a server there, as JSON. Install what the model asks for on the "
                "cluster instead; scoring.environment (warn or strict) says what differs"
            )
        return value
