"""The page from hand-made tables: what it says, that it needs nothing else, and what it says of nothing."""

import re
from datetime import date
from html.parser import HTMLParser

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from tests.page.pages import APRIL, LAST, MARCH, NASTY, NOW, make_rows, make_tables

from brierlake.page import Tables, render_page
from brierlake.page.document import SECTIONS
from brierlake.page.incidents import find_incidents, find_latest_verdict
from brierlake.page.views import find_contrast, slice_grids


@pytest.fixture(scope="module")
def tables() -> Tables:
    return make_tables(make_rows())


@pytest.fixture(scope="module")
def page(tables: Tables) -> str:
    return render_page(tables, made_at=NOW)


class Text(HTMLParser):
    """Collects text, sections, ids and addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("src", "href", "xlink:href", "action"):
                self.addresses.append(value or "")

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(page: str) -> Text:
    text = Text()
    text.feed(page)
    return text


def words(page: str) -> str:
    return re.sub(r"\s+", " ", " ".join(read(page).words))


def test_every_section_is_there_in_order_and_nothing_is_fetched(page: str) -> None:
    found = read(page)
    sections = re.findall(r'<section id="([a-z]+)"', page)
    assert sections == [name for name, _ in SECTIONS]
    assert all(each.startswith(("#", "data:")) for each in found.addresses)
    assert "script" not in found.tags
    assert not re.findall(r"url\((?!#)", page)
    assert len(page.encode()) < 2_000_000
    assert len(found.ids) == len(set(found.ids)), "an id twice on one page"


def test_pictures_say_in_words_what_they_show_and_follow_the_pages_colours(page: str) -> None:
    labels = re.findall(r'<svg class="(wide|narrow) [^>]*role="img" aria-label="([^"]+)"', page)
    assert [kind for kind, _ in labels].count("wide") == [kind for kind, _ in labels].count("narrow") == 6
    assert any("Apr 2024: Brier" in label for _, label in labels)
    pictures = " ".join(re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL))
    assert set(re.findall(r"#[0-9a-f]{6}\b", pictures)) <= {"#000000"}, "a colour that dark mode doesn't know"
    assert "var(--ink)" in pictures


def test_the_lowest_brier_is_exposed_as_the_worst_calibration(tables: Tables, page: str) -> None:
    months = tables.published("month")
    contrast = find_contrast(months)
    assert contrast is not None
    assert (contrast.lowest["window_start"], contrast.is_worst_calibrated) == (APRIL, True)
    assert contrast.best["window_start"] == MARCH
    assert "Apr 2024 has the lowest Brier score, and is the worst calibrated month." in words(page)
    assert find_contrast(months[:1]) is None
    unsure = [{**row, "skill_se": 0.9} for row in months]
    assert find_contrast(unsure) is None, "what may be chance"


def test_a_day_gone_wrong_stands_out_without_any_label(tables: Tables) -> None:
    rows = make_rows()
    rows.loc[rows["window_start"] == LAST, "outcome"] = np.nan
    windows = make_tables(rows).published("window")
    incidents = find_incidents(windows)
    assert incidents[0].window == LAST
    assert "mean probability 0.998" in incidents[0].reason
    assert incidents[0].outcome == ""
    verdict = find_latest_verdict(windows, incidents)
    assert verdict is not None
    assert verdict.words == "scores stand out"
    usual = windows[:-1]
    calm = find_latest_verdict(usual, find_incidents(usual))
    assert calm is not None
    assert calm.words == "scores as usual"
    assert find_latest_verdict(windows[:5], incidents) is None
    known = find_incidents(tables.published("window"))[0].outcome
    assert re.match(r"It said 0\.998, 0\.\d+ happened: Brier 0\.\d+", known)


def test_no_brier_without_base_rate_and_skill_beside_it(page: str) -> None:
    rows = re.findall(r'<tr><td data-label="what".*?</tr>', page, flags=re.DOTALL)
    assert len(rows) == 4
    for row in rows:
        assert all(f'data-label="{name}"' in row for name in ("Brier (95 % interval)", "base rate", "skill"))
    assert "(lowest)" in next(row for row in rows if "Apr 2024" in row)


def test_small_slices_come_last_and_are_greyed(tables: Tables, page: str) -> None:
    (grid,) = slice_grids(tables)
    assert grid.names[-1] == "tiny"
    assert "(missing)" in grid.names
    april = [row[1] for row in grid.cells]
    assert [each.is_small for each in april if each is not None] == [False, False, True]
    assert "too few" in page


def test_a_challenger_is_compared_on_the_same_rows_beside_the_base_rate() -> None:
    row = {
        "grain": "month", "window_start": APRIL, "champion_name": "games", "champion_version": 7,
        "challenger_name": "games", "challenger_version": 5, "n": 400, "n_events": 100, "brier_champion": 0.18,
        "brier_challenger": 0.17, "difference": -0.01, "difference_low": -0.015, "difference_high": -0.005,
        "se_kind": "independent", "verdict": "better", "log_e_value": None, "n_windows": None, "evidence_status": "ok",
        "is_current": True,
    }  # fmt: skip
    total = {**row, "grain": "all", "window_start": None, "verdict": "not_distinguishable", "difference_low": None}
    total |= {"log_e_value": 1.1, "n_windows": 26}
    former = [{**each, "is_current": False, "challenger_version": 3} for each in (row, total)]
    comparison = pd.DataFrame([*former, row, total])
    text = words(render_page(make_tables(make_rows()[:600], comparison=comparison), made_at=NOW))
    text = text.replace("\N{MINUS SIGN}", "-").replace(" ", "")
    assert "games7(champion)againstgames5(challenger)" in text
    assert "Apr2024better4000.2500.18000.1700-0.0100(-0.0150to-0.0050)" in text
    assert "allnotdistinguishable4000.2500.18000.1700-0.0100Intotal:evidence3:1,26windows" in text
    assert "games3" not in text, "a pair that no longer serves"


def test_text_from_tables_is_never_markup(page: str) -> None:
    assert NASTY not in page
    assert "&lt;b&gt;R&amp;D" in page
    assert "no &lt;metric&gt;" in page
    assert "games &amp; more" in page


def test_status_rules_hold_on_the_page() -> None:
    rows = make_rows()
    rows = rows[rows["window_start"] == date(2024, 3, 2)].head(12)
    page = render_page(make_tables(rows), made_at=NOW)
    row = re.findall(r'<tr><td data-label="what".*?</tr>', page, flags=re.DOTALL)[0]
    assert "interval withheld: too few rows" in row
    assert 'data-label="skill">too few<' in row
    assert "too few labels" in row


@pytest.mark.parametrize("case", ["no labels", "nothing scored", "no windows", "no ledger"])
def test_a_page_of_little_is_still_a_page(case: str) -> None:
    rows = make_rows()[:600]
    other: dict[str, pd.DataFrame] = {}
    if case == "no labels":
        rows["outcome"] = np.nan
    elif case == "nothing scored":
        rows[["probability", "outcome"]] = np.nan
        other["issues"] = pd.DataFrame({"issue": ["x1 is missing"], "n": [600], "examples": [["7", "8"]]})
    elif case == "no ledger":
        other = {"runs": pd.DataFrame({"status": [], "action": [], "run_id": []}), "candidates": pd.DataFrame()}
    tables = make_tables(rows, **other)
    if case == "no windows":
        whole = tables.metrics[tables.metrics["grain"] == "all"]
        tables = make_tables(rows, metrics=pd.concat([whole, whole.assign(grain="window")]))
    page = render_page(tables, made_at=NOW)
    assert "nan" not in words(page).lower().split()
    assert "None" not in words(page)
    told = {
        "no labels": "no labels yet",
        "nothing scored": "x1 is missing",
        "no windows": "All rows, as published.",
        "no ledger": "The runs table holds no published scoring run.",
    }
    assert told[case] in words(page)


def test_drawing_leaves_matplotlib_as_it_was(tables: Tables) -> None:
    before = dict(mpl.rcParams)
    render_page(tables, made_at=NOW)
    assert dict(mpl.rcParams) == before
