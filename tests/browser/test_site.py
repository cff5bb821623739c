"""The built site in a real browser: every page, wide and narrow, light and dark.

See conftest.py for what it needs.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from urllib.parse import urldefrag, urljoin

import pytest

from tests.browser.conftest import SIZES

ROOT = Path(__file__).parents[2]
PAGES = sorted(f"{page.stem}.html" for page in (ROOT / "lessons").glob("*.md"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_whole(opened, site, path, size, scheme):
    page, asked, complaints = opened(path, size, scheme)
    foreign = [url for url in asked if not url.startswith((site, "data:", "blob:"))]
    assert foreign == []
    assert complaints == []
    scroll = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert scroll <= 0, "it scrolls sideways"
    clipped = page.evaluate(
        "[...document.querySelectorAll('pre > code')]"
        ".filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.textContent.slice(0, 60))"
    )
    assert clipped == []
    assert page.locator("img:not([alt])").count() == 0
    assert page.locator("figure > svg:not([aria-label], [aria-labelledby])").count() == 0
    if folder := os.environ.get("SCREENSHOTS"):
        name = f"{path.removesuffix('.html')}-{size}-{scheme}.png"
        page.screenshot(path=Path(folder) / name, full_page=True)
    if axe := os.environ.get("AXE"):
        page.add_script_tag(path=axe)
        found = page.evaluate("axe.run({resultTypes: ['violations']})")
        bad = [
            (v["id"], [n["target"] for n in v["nodes"]][:3])
            for v in found["violations"]
            if v["impact"] in ("serious", "critical")
        ]
        assert bad == []


@pytest.mark.parametrize("path", [path for path in PAGES if path[:2].isdigit()])
def test_every_lesson_has_pictures_whose_words_can_be_read_on_a_phone(opened, path):
    page, _, _ = opened(path, "narrow")
    page.evaluate("document.querySelectorAll('details').forEach((e) => (e.open = true))")
    assert page.locator(".stream svg:visible").count() == 1
    ideas = page.locator("article figure:not(.stream):not(mini-model figure), mini-model")
    assert ideas.count() >= 1
    small = page.evaluate(
        """() => [...document.querySelectorAll("article figure:not(mini-model figure) svg text")]
          .filter((e) => e.getClientRects().length && e.textContent.trim())
          .map((e) => [e, parseFloat(getComputedStyle(e).fontSize), e.getScreenCTM()])
          .map(([e, size, { a, b }]) => [e.textContent, size * Math.hypot(a, b)])
          .filter(([, size]) => size < 9)"""
    )
    assert small == []


@pytest.mark.parametrize("path", ["02_hook_points.html", "06_not_a_cause.html"])
def test_the_words_of_a_picture_are_no_larger_than_the_text_on_a_wide_screen(opened, path):
    page, _, _ = opened(path)
    page.evaluate("document.querySelectorAll('details').forEach((e) => (e.open = true))")
    sizes = page.evaluate(
        """() => [...document.querySelectorAll("figure.picture svg text")]
          .map((e) => parseFloat(getComputedStyle(e).fontSize) * e.getScreenCTM().a)"""
    )
    body = page.evaluate(
        "parseFloat(getComputedStyle(document.querySelector('article p')).fontSize)"
    )
    assert sizes
    assert max(sizes) < 1.2 * body


def test_a_note_stands_beside_its_line_on_a_wide_screen_and_below_on_a_narrow_one(opened):
    wide, _, _ = opened("02_hook_points.html")
    note, code = wide.locator("ol.notes").first.bounding_box(), wide.locator(".noted pre").first
    assert note["x"] >= code.bounding_box()["x"] + code.bounding_box()["width"]
    mark = wide.locator(".noted .mark").first.bounding_box()
    assert abs(wide.locator("ol.notes li").first.bounding_box()["y"] - mark["y"]) < 12
    narrow, _, _ = opened("02_hook_points.html", "narrow")
    note, code = narrow.locator("ol.notes").first.bounding_box(), narrow.locator(".noted pre").first
    assert note["y"] >= code.bounding_box()["y"] + code.bounding_box()["height"]


def test_search_finds_decompose_resid(opened):
    page, _, _ = opened("index.html")
    page.locator("input.md-search__input").click()
    page.keyboard.type("decompose_resid")
    page.wait_for_selector(".md-search-result__item")
    links = page.locator(".md-search-result__link").evaluate_all("all => all.map(a => a.href)")
    assert any("04_decompose_resid" in link for link in links)


def test_the_labels_in_pictures_are_no_words_of_the_search(folder):
    index = json.loads((Path(folder) / "search" / "search_index.json").read_text())
    text = " ".join(entry["text"] for entry in index["docs"])
    assert "Where each word looks, in head L1H0" in text  # a caption
    for labels in ("wordsembed", "attentionMLP", "0_attn_out0_mlp_out"):
        assert labels not in text


def test_a_notebook_downloads(opened):
    page, _, _ = opened("04_decompose_resid.html")
    with page.expect_download() as download:
        page.locator("a.notebook").click()
    assert download.value.suggested_filename == "04_decompose_resid.ipynb"
    assert '"nbformat": 4' in Path(download.value.path()).read_text()


def test_every_internal_link_and_anchor_resolves(opened, site, folder):
    anchors, links = {}, {}
    made = (str(file.relative_to(folder)) for file in Path(folder).rglob("*.html"))
    for path in sorted(path for path in made if path != "404.html"):
        page, _, _ = opened(path)
        anchors[site + path] = set(page.locator("[id]").evaluate_all("all => all.map(e => e.id)"))
        links[site + path] = page.locator("a[href]").evaluate_all("all => all.map(a => a.href)")
    broken = []
    for start, targets in links.items():
        for target in targets:
            address, anchor = urldefrag(urljoin(start, target))
            if not address.startswith(site) or address.endswith(".ipynb"):
                continue
            there = address in anchors and (not anchor or anchor in anchors[address])
            if not there and not anchor.startswith("__"):  # those are the theme's own
                broken.append((start, target))
    assert broken == []


def test_the_page_can_be_used_from_the_keyboard(opened):
    page, _, _ = opened("index.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "A"
    page.keyboard.press("/")
    page.wait_for_timeout(300)
    assert page.evaluate("document.activeElement.className").startswith("md-search__input")
