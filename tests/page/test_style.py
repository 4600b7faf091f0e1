"""Colours can be told apart from the page, in light and in dark."""

import pytest

from brierlake.page.style import DARK, VARIABLES

LIGHT = {name: colour for colour, name in VARIABLES.items()}


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """As WCAG 2 defines it, 1 to 21."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_contrast(theme: dict[str, str]) -> None:
    assert set(theme) == set(LIGHT)
    for name in ("ink", "muted", "brier", "expected", "base", "bad", "gain", "loss"):
        assert contrast(theme[name], theme["paper"]) >= 4.5, name
    assert contrast(theme["quiet"], theme["paper"]) >= 3
    for name in ("low3", "low2", "low1", "level", "high1", "high2", "high3"):
        assert contrast(theme["ink"], theme[name]) >= 4.5, name
    assert contrast(theme["muted"], theme["greyed"]) >= 4.5
    assert contrast(theme["ink"], theme["level"]) >= 4.5
