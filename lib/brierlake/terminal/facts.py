"""What all texts of a terminal are made of."""

Fact = tuple[str, str]
"""A name and what is said of it."""


def number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
