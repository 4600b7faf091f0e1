"""What resolving hands on: every version looked at, and the one that was chosen."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

ValueSource = Literal["run", "logged_model", "tag"]


@dataclass(frozen=True)
class Candidate:
    """One version that was looked at."""

    rank: int | None
    """1 is best; None: not eligible."""
    model_name: str
    model_version: int
    run_id: str | None
    source: str
    """Where the registry says the files are, as it says it."""
    metric_name: str
    value: float | None
    """None: not found, or NaN."""
    step: int | None
    logged_at: datetime | None
    """UTC."""
    value_source: ValueSource | None
    is_eligible: bool
    """Signature, flavor and format are looked at from the best down, until one holds."""
    reason: str | None
    """Why not eligible."""
    is_selected: bool
    is_tied: bool
    """Another eligible version, of another origin, has exactly this value."""
    recalibrates: str | None = None
    """What a recalibrated version is, in words."""


@dataclass(frozen=True)
class TrainedUntil:
    """The first moment that a version was not trained on, and what says so."""

    moment: datetime
    """UTC."""
    source: str
    """tag, config, run_end or registered: the last two are safe bounds, for nothing is trained on what is to come."""


@dataclass(frozen=True)
class Recalibration:
    """What a recalibrated version is made of: another version, and a map of its probabilities."""

    model_name: str
    model_version: int
    kind: str
    fitted_until: datetime | None
    """First moment that the map was not fitted on (UTC)."""

    @property
    def described(self) -> str:
        """What is said of it behind 'version 7 = '."""
        last = self.fitted_until and (self.fitted_until - timedelta(microseconds=1))
        until = f", fitted until {last.day} {last:%B %Y}" if last else ""
        return f"version {self.model_version} recalibrated ({self.kind}{until})"


@dataclass(frozen=True)
class Resolution:
    """The one version of this run, pinned by its number."""

    model_name: str
    model_version: int
    run_id: str | None
    metric_name: str
    metric_value: float | None
    candidates: tuple[Candidate, ...]
    """Best first, then those that aren't eligible by name and number."""
    features: tuple[str, ...]
    """Order of the training columns, as a tag or param says; empty: nothing says so."""
    trained_until: TrainedUntil | None = None
    """None: nothing says so, not even when it was registered."""
    recalibration: Recalibration | None = None
    """None: it is no recalibrated version."""

    @property
    def uri(self) -> str:
        return f"models:/{self.model_name}/{self.model_version}"

    @property
    def selected(self) -> Candidate:
        return next(each for each in self.candidates if each.is_selected)


@dataclass(frozen=True)
class FetchedModel:
    """The pinned version on this machine: whole, allowed, and known by its digest."""

    path: Path
    """Of the model; of a recalibrated one that of the model inside."""
    digest: str
    """sha256 over the sorted (relative path, size, sha256) of its files, without `registered_model_meta`."""
    flavor: str
    """MLflow flavor that `mlflow.pyfunc` loads it with (sklearn, xgboost, …), or the loader's module."""
    flavors: tuple[str, ...]
    is_pickle: bool
    size_bytes: int
    file_count: int
    calibration: str | None = None
    """Text of a recalibrated version's `calibration.json`."""
