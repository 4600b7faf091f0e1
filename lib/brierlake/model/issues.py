"""Issues as words and as numbers: one double a row says all, a probability or, below zero, the code of an issue.

A struct with a text in it would make scoring a fifth slower. The words of most issues are known beforehand; of those
that a model makes up while it raises, a code keeps the kind of error and a hash.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import Column
from pyspark.sql import functions as F

from brierlake.model.outputs import Floats
from brierlake.redaction import redacted

Texts = NDArray[np.object_]

ALL_REFUSED: Final = "not evaluated: the model raised an error each time that rows of this batch were tried"
TOO_MANY: Final = "not evaluated: too many rows of this batch make the model raise an error"
RAISES: Final = "the model raises "
OUTSIDE: Final = "the model returned a value outside [0, 1]"
NO_NUMBER: Final = "the model returned no number"
GAPS: Final = {"null": "null or NaN", "infinite": "infinite"}
"""Kinds of gap that a feature can have, and how they are spoken of."""
WHOLE: Final = ("int32", "int64", "bool")
"""Types that have no room for a gap."""
LIMITED: Final = (*WHOLE, "datetime64[ns]")
"""Types that not every value of a column fits."""

_TOLD: Final = "see the run's examples"
# the order is part of the code: append only
_ERRORS: Final = (
    "an error", "ArithmeticError", "AssertionError", "AttributeError", "FloatingPointError", "IndexError", "KeyError",
    "LookupError", "MlflowException", "NotImplementedError", "OSError", "OverflowError", "RuntimeError", "TypeError",
    "UnicodeDecodeError", "UnicodeEncodeError", "ValueError", "ZeroDivisionError",
)  # fmt: skip
# what scikit-learn says of single rows, most often
_COMMON: Final = (
    ("ValueError", "Found unknown categories … in column … during transform"),
    ("ValueError", "could not convert string to float"),
)
_HASH_BYTES: Final = 5
_HASHES: Final = 256**_HASH_BYTES


def refused(name: str, gap: str) -> str:
    return f"{name} is {GAPS[gap]}, and the model doesn't take that"


def without_number(name: str, gap: str) -> str:
    return f"{name} is {GAPS[gap]}, and the model returned no number"


def unfit(name: str, to: str) -> str:
    """Say why a value can't be put into the model's type at all."""
    if to == "datetime64[ns]":
        return f"{name} is too far from today for a time in nanoseconds"
    kind = "true or false" if to == "bool" else f"whole numbers ({to})"
    return f"{name} is null or doesn't fit, and the model takes only {kind}"


def raised(error: str, said: str) -> str:
    return f"{RAISES}{error}: {said}" if said else f"{RAISES}{error}"


def foreseen(features: Sequence[str], types: Sequence[str]) -> list[str]:
    """Return every issue that rows of these features can have, but for most of what a model says when it raises."""
    of_features = [words(name, gap) for name in features for gap in GAPS for words in (refused, without_number)]
    of_types = [unfit(name, to) for name, to in zip(features, types, strict=True) if to in LIMITED]
    of_rows = [raised(error, said) for error, said in _COMMON]
    return [ALL_REFUSED, TOO_MANY, OUTSIDE, NO_NUMBER, *of_rows, *of_features, *of_types]


def is_vague(issue: str) -> bool:
    """Whether this stands for words that were not known when the rows were scored."""
    return issue.endswith(_TOLD)


def words_of(issue: str) -> str:
    """Return what a model said when it raised, without the kind of error; of other issues, all of it."""
    return issue.partition(": ")[2] or issue if issue.startswith(RAISES) else issue


def encode(probability: Floats, issue: Texts) -> Floats:
    """Return the probability (rows,), and where there is an issue (not empty) its code instead, below 0."""
    is_bad = np.asarray(issue != "", dtype=np.bool_)
    if not is_bad.any():
        return probability
    texts, places = np.unique(issue[is_bad].astype(str), return_inverse=True)
    coded = probability.copy()
    coded[is_bad] = np.array([code_of(text) for text in texts])[places]
    return coded


def code_of(issue: str) -> float:
    """Return a whole number below 0 that a double holds exactly."""
    error = issue.removeprefix(RAISES).partition(":")[0] if issue.startswith(RAISES) else ""
    kind = _ERRORS.index(error) if error in _ERRORS else 0
    hashed = int.from_bytes(hashlib.blake2b(issue.encode(), digest_size=_HASH_BYTES).digest(), "big")
    return -float(1 + kind * _HASHES + hashed)


def decode(coded: Column, *, known: Iterable[str]) -> tuple[Column, Column]:
    """Return `probability` (null: none) and `issue` (null: none) of what `encode` made.

    Args:
        known: Issues whose words are known; of others the kind of error is told.
    """
    words = json.dumps({str(int(code_of(issue))): redacted(issue) for issue in known})
    kinds = json.dumps([f"{RAISES}{error}; {_TOLD}" for error in _ERRORS])
    # literals by way of JSON: one for each word would be a call into the JVM for each
    found = F.try_element_at(F.from_json(F.lit(words), "map<string, string>"), coded.cast("long").cast("string"))
    kind = F.floor((-coded - 1) / F.lit(float(_HASHES))).cast("int") + 1
    told = F.try_element_at(F.from_json(F.lit(kinds), "array<string>"), kind)
    return F.when(coded >= 0, coded), F.when(coded < 0, F.coalesce(found, told))
