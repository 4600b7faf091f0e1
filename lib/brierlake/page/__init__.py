"""What a person sees: one self-contained HTML page, and tables for the terminal. Draws; reads no table itself."""

from brierlake.page.document import render_page
from brierlake.page.map_curves import draw_maps
from brierlake.page.pooled import find_months_verdict, pool_months
from brierlake.page.sources import COMPARED, Tables
from brierlake.page.verdicts import Verdict, find_verdict

__all__ = [
    "COMPARED",
    "Tables",
    "Verdict",
    "draw_maps",
    "find_months_verdict",
    "find_verdict",
    "pool_months",
    "render_page",
]
