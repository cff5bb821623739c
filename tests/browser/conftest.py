"""The site in a real browser: what the browser tests share.

They need Chromium and the extra `browser`, and for the accessibility check the file axe.min.js of
the npm package axe-core, named by the environment variable AXE. SITE names a built site, so that it
is not built again. `.ci/run` brings all four.
"""

from __future__ import annotations

import http.server
import os
import shutil
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
ROOT = Path(__file__).parents[2]
SIZES = {"wide": (1280, 900), "narrow": (390, 800)}


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        """Nothing: a test's output is the test's."""


def pytest_collection_modifyitems(items):
    """These take minutes, and build the site."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.long)


@pytest.fixture(scope="session")
def folder(browser, tmp_path_factory):
    """The built site: the folder named by SITE, or else built from this checkout.

    It is asked for behind the browser: where there is none, nothing is built.
    """
    if "SITE" in os.environ:
        return Path(os.environ["SITE"])
    folder = tmp_path_factory.mktemp("site")
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder]
    subprocess.run(list(map(str, command)), cwd=ROOT, env=env, check=True)
    return folder


@pytest.fixture(scope="session")
def site(folder):
    """The address of the site, served on loopback."""
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(folder))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture(scope="session")
def browser():
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here")
    playwright = pytest.importorskip("playwright.sync_api", reason="no extra `browser` here")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def opened(site, browser):
    """Opens a page; gives it with what it asked for and what it complained of."""
    contexts = []

    def open_page(path, size="wide", scheme="light", start=site, **options):
        width, height = SIZES[size]
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            accept_downloads=True,
            **options,
        )
        contexts.append(context)
        page = context.new_page()
        asked, complaints = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(start + path, wait_until="networkidle")
        return page, asked, complaints

    yield open_page
    for context in contexts:
        context.close()
