"""The one family of errors: what went wrong, what is there instead, and what to do. Each leaf has its exit code."""

from brierlake.errors.base import BrierlakeError, listed, nearest
from brierlake.errors.config import ConfigError
from brierlake.errors.contract import ContractError
from brierlake.errors.gate import GateError
from brierlake.errors.model import ModelError
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
    "listed",
    "nearest",
]
