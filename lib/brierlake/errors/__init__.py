"""The one family of errors: what went wrong, what is there instead, and what to do. Each leaf has its exit code."""

from brierlake.errors.base import BrierlakeError, first_line, listed, nearest
from brierlake.errors.gate import GateError
from brierlake.errors.inputs import ContractError
from brierlake.errors.model import ModelError
from brierlake.errors.settings import ConfigError
from brierlake.errors.setup import SetupError
from brierlake.errors.storage import StorageError

__all__ = [
    "BrierlakeError",
    "ConfigError",
    "ContractError",
    "GateError",
    "ModelError",
    "SetupError",
    "StorageError",
    "first_line",
    "listed",
    "nearest",
]
