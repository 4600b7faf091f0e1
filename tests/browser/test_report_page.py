"""The report in a real browser, on a phone and on a desk: nothing fetched, nothing cut off, nothing on top of another."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.browser.chromium import CHROMIUM, NO_CHROMIUM, open_browser
from tests.page.pages import NOW, make_rows, make_tables

from brierlake.page import render_page
from brierlake.page.document import SECTIONS

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)]

OUTSIDE = """() => [...document.querySelectorAll('body *')].filter(each => {
  const box = each.getBoundingClientRect();
  const isShown = box.width > 1 && box.height > 1 && !each.closest('thead');
  return isShown && (box.left < -1 || box.right > document.documentElement.clientWidth + 1);
}).map(each => each.tagName + ' ' + each.textContent.slice(0, 60))"""

CLIPPED = """() => [...document.querySelectorAll('body *')].filter(each =>
  !each.closest('svg') && !each.closest('thead') && getComputedStyle(each).overflowX !== 'visible'
  && each.scrollWidth > each.clientWidth + 1).map(each => each.tagName + ' ' + each.textContent.slice(0, 60))"""

OVERLAPPING = """() => [...document.querySelectorAll('svg')].flatMap(svg => {
  const texts = [...svg.querySelectorAll('text')].map(each => [each.textContent, each.getBoundingClientRect()])
    .filter(([, box]) => box.width > 0);
  return texts.flatMap(([one, a], place) => texts.slice(place + 1).filter(([, b]) => {
    const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    return across > 0 && down > 0 && across * down > 0.2 * Math.min(a.width * a.height, b.width * b.height);
  }).map(([other]) => svg.classList.value + ': ' + one + ' / ' + other));
})"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(render_page(make_tables(make_rows()), made_at=NOW), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_browser() as opened:
        yield opened


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_and_needs_nothing(browser: Any, path: Path, width: int, scheme: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
    page = context.new_page()
    told: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    assert (told, asked) == ([], [path.as_uri()])
    for name, _ in SECTIONS:
        assert page.locator(f"section#{name} h2").is_visible(), name
    kind = "narrow" if width < 700 else "wide"
    assert page.locator(f"svg.{kind}").first.is_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.evaluate(OUTSIDE) == []
    assert page.evaluate(CLIPPED) == []
    assert page.evaluate(OVERLAPPING) == []
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(254, 254, 254)" if scheme == "light" else "rgb(20, 25, 31)")
    context.close()


def test_print_is_light_and_whole(browser: Any, path: Path) -> None:
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(path.as_uri())
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(254, 254, 254)"
    assert not page.locator("nav").is_visible()
    assert len(page.pdf(format="A4")) > 10_000
    context.close()
