"""Numbers and dates as the report says them. What is None says so by a dash, never by 0."""

import math
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, TypeGuard

DASH = "\N{EN DASH}"
_MINUS = "\N{MINUS SIGN}"


def is_known(value: Any) -> TypeGuard[Any]:
    return value is not None and not (isinstance(value, float) and math.isnan(value)) and value == value  # noqa: PLR0124 - NaT


def number(value: Any, digits: int = 3) -> str:
    return f"{float(value):.{digits}f}".replace("-", _MINUS) if is_known(value) else DASH


def signed(value: Any, digits: int = 3) -> str:
    return f"{float(value):+.{digits}f}".replace("-", _MINUS) if is_known(value) else DASH


def share(value: Any, digits: int = 1) -> str:
    return f"{float(value):.{digits}%}" if is_known(value) else DASH


def count(value: Any) -> str:
    return f"{int(value):,}" if is_known(value) else DASH


def between(value: Any, low: Any, high: Any, digits: int = 3, *, is_signed: bool = False) -> str:
    """`value (low to high)`, or the value alone where there is no interval."""
    told = signed if is_signed else number
    ends = f" ({told(low, digits)} to {told(high, digits)})" if is_known(low) and is_known(high) else ""
    return f"{told(value, digits)}{ends}"


def interval(row: Mapping[str, Any], digits: int = 4) -> str:
    """The Brier score's interval as its status allows it."""
    if row.get("interval_status") == "withheld" or not is_known(row.get("brier_low")):
        return "interval withheld: too few rows" if is_known(row.get("brier")) else DASH
    text = f"{number(row['brier_low'], digits)} to {number(row['brier_high'], digits)}"
    return f"{text} (rough)" if row["interval_status"] == "rough" else text


def month(value: Any) -> str:
    return f"{value:%b %Y}" if is_known(value) else "all"


def day(value: Any) -> str:
    return f"{value:%a} {value.day} {value:%b %Y}" if is_known(value) else "no date"


def moment(value: Any) -> str:
    return f"{value:%Y-%m-%d %H:%M} UTC" if is_known(value) else DASH


def as_date(value: Any) -> date | None:
    if not is_known(value):
        return None
    return value.date() if isinstance(value, datetime) else value
