"""The model registry: every version looked at, the best one found and pinned, downloaded whole, and proof of why."""

from brierlake.registry.connection import connect
from brierlake.registry.experiment import Result, Source, log_result, tag_version
from brierlake.registry.fetching import fetch_calibration, fetch_model
from brierlake.registry.recalibrations import Offer, find_registered, register_recalibrated
from brierlake.registry.records import Candidate, FetchedModel, Recalibration, Resolution
from brierlake.registry.registering import register_runs
from brierlake.registry.resolution import resolve_model
from brierlake.registry.training_period import read_trained_until
from brierlake.registry.versions import read_alias, set_alias

__all__ = [
    "Candidate",
    "FetchedModel",
    "Offer",
    "Recalibration",
    "Resolution",
    "Result",
    "Source",
    "connect",
    "fetch_calibration",
    "fetch_model",
    "find_registered",
    "log_result",
    "read_alias",
    "read_trained_until",
    "register_recalibrated",
    "register_runs",
    "resolve_model",
    "set_alias",
    "tag_version",
]
