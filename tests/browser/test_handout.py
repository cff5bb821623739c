"""A student's copy with its site, as it is handed out: packed, unpacked, opened from the disk."""

from __future__ import annotations

import html
import re
import shutil
from urllib.parse import unquote

import pytest

from exercises.commands.release import release
from exercises.grader.bank import exercises_in

INSTRUCTORS = ("instructors.html", "mistakes.html")
pytestmark = pytest.mark.timeout(900)  # the first test waits for a whole build of the site


@pytest.fixture(scope="module")
def handout(browser, tmp_path_factory):
    """The copy, as a student unpacks it, in a folder with a space and an umlaut."""
    made = tmp_path_factory.mktemp("made")
    release(made / "copy", exercises_in(), site=True)
    packed = shutil.make_archive(str(made / "copy"), "zip", made / "copy")
    place = tmp_path_factory.mktemp("student") / "Übung 1"
    shutil.unpack_archive(packed, place)
    return place


def test_no_page_of_the_handout_is_for_instructors_and_none_leads_to_one(handout):
    lessons = handout / "lessons"
    assert (lessons / "index.html").exists()
    for file in [*lessons.rglob("*.html"), *lessons.rglob("*.js"), *lessons.rglob("*.json")]:
        assert file.name not in INSTRUCTORS
        text = file.read_text("utf-8")
        assert not any(page in text for page in INSTRUCTORS), file
        assert "Mistakes to expect" not in text, file


def test_the_notebooks_of_the_handout_have_the_pictures_of_its_site(handout):
    pages = sorted((handout / "notebooks").glob("*.ipynb"))
    assert len(pages) > 15
    pictures = 0
    for page in pages:
        text = page.read_text("utf-8")
        assert "a picture stands here" not in text, page
        pictures += text.count("data:image/svg+xml;base64,")
    assert pictures > 15


def test_every_link_of_the_handout_leads_somewhere(handout):
    pages = {
        page: page.read_text("utf-8") for page in handout.rglob("*.html") if page.name != "404.html"
    }
    links = 0
    for page, text in pages.items():
        for link in map(html.unescape, re.findall(r'(?:href|src)="([^"]*)"', text)):
            if re.match(r"[a-z]+:", link):
                continue
            links += 1
            file, _, anchor = link.partition("#")
            target = (page.parent / unquote(file.partition("?")[0])).resolve() if file else page
            assert target.is_file(), f"{page.name}: {link}"
            if anchor and target in pages and not anchor.startswith("__"):
                assert f'id="{html.escape(anchor)}"' in pages[target], f"{page.name}: {link}"
    assert links > 1000


def test_the_handout_opens_from_the_disk_with_its_search_and_its_live_model(handout, opened):
    start = handout.as_uri() + "/"
    page, asked, complaints = opened("lessons/index.html", start=start)
    element = page.locator("mini-model").first
    element.evaluate("element => element.ready")
    page.locator("input[name=query]").fill("hook")
    page.locator(".md-search-result__item").first.wait_for()
    found = page.locator(".md-search-result").inner_text()
    assert "hook" in found.lower()
    assert "instructors" not in found.lower()
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert complaints == []


def test_the_sheet_of_commands_prints_on_one_page(handout, browser):
    page = browser.new_page()
    page.goto((handout / "commands.html").as_uri())
    printed = page.pdf(format="A4", prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1
    page.close()
