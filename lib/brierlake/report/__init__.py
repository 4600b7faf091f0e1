"""What a person sees: one self-contained HTML page, and tables for the terminal. Draws; reads no table itself."""

from brierlake.report.page import render_page
from brierlake.report.pooled import judge_months, pool_months
from brierlake.report.tables import COMPARED, Tables
from brierlake.report.verdicts import Verdict, judge

__all__ = ["COMPARED", "Tables", "Verdict", "judge", "judge_months", "pool_months", "render_page"]
