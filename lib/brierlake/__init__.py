"""Batch scoring in Spark that holds every probability to account.

The front door of the Python API; each name is loaded when it is first used:

    read_config                     a YAML file, with overrides, as a `Config`
    plan, score, diagnose, report   the commands, in the session that is given; they return typed summaries
    recalibrate                     the same: a version whose probabilities are mended, where later windows prove it
    diagnostics                     every statistic of arrays of probabilities and outcomes
    log_brier, log_features         for training code: the Brier score, and the order of the features
    brier                           the statistics one by one
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brierlake import brier
    from brierlake.brier import diagnostics
    from brierlake.commands.diagnose import diagnose
    from brierlake.commands.plan import plan
    from brierlake.commands.recalibrate import recalibrate
    from brierlake.commands.report import report
    from brierlake.commands.score import score
    from brierlake.configfile import read_config
    from brierlake.training import log_brier, log_features

__version__ = "0.1.0"
__all__ = [
    "brier",
    "diagnose",
    "diagnostics",
    "log_brier",
    "log_features",
    "plan",
    "read_config",
    "recalibrate",
    "report",
    "score",
]

_HOMES = {
    "diagnose": "brierlake.commands.diagnose",
    "diagnostics": "brierlake.brier",
    "log_brier": "brierlake.training",
    "log_features": "brierlake.training",
    "plan": "brierlake.commands.plan",
    "read_config": "brierlake.configfile",
    "recalibrate": "brierlake.commands.recalibrate",
    "report": "brierlake.commands.report",
    "score": "brierlake.commands.score",
}


def __getattr__(name: str) -> Any:
    if name == "brier":
        return import_module("brierlake.brier")
    if name not in _HOMES:
        raise AttributeError(f"module 'brierlake' has no attribute {name!r}")
    found = getattr(import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
