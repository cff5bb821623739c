"""MkDocs's side of the lessons: run each page, collect the decisions, check, write notebooks."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError

sys.path.insert(0, str(Path(__file__).parent))

import lesson as lessons  # it lies beside this file, and is no package
import listing
import live

_built: dict[str, lessons.Lesson] = {}


def on_config(config: Any) -> None:
    fences = config["mdx_configs"].setdefault("pymdownx.superfences", {})
    fences["custom_fences"] = [{"name": "listing", "class": "listing", "format": listing.render}]


def on_pre_build(config: Any) -> None:
    _built.clear()


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    name = page.file.src_uri.removesuffix(".md")
    if "<!-- decisions -->" in markdown:
        return markdown.replace("<!-- decisions -->", _all_decisions(files))
    made = lessons.Lesson(name, markdown)
    try:
        lessons.decisions(markdown)
        page_markdown = made.page()
    except lessons.LessonError as error:
        raise PluginError(str(error)) from error
    page_markdown = live.with_fallbacks(page_markdown)
    _built[name] = made
    if not made.executed:
        return page_markdown
    file = f"notebooks/{name}.ipynb"
    link = f'<a class="notebook" href="{file}" download>This page as a notebook</a>'
    head, _, rest = page_markdown.partition("\n")
    return f"{head}\n\n{link}\n{rest}"


def _all_decisions(files: Any) -> str:
    parts = []
    for file in files.documentation_pages():
        for title, body in lessons.decisions(Path(file.abs_src_path).read_text("utf-8")):
            parts.append(f"## {title}\n\nFrom [{file.name}]({file.src_uri}).\n\n{body}\n")
    return "\n".join(parts)


def on_post_build(config: Any) -> None:
    scripts = Path(config["site_dir"]) / "live"
    scripts.joinpath("weights.js").write_text(live.weights_script(), encoding="utf-8")
    folder = Path(config["site_dir"]) / "notebooks"
    folder.mkdir(exist_ok=True)
    for name, made in _built.items():
        if made.executed:
            text = json.dumps(made.notebook(), indent=1)
            (folder / f"{name}.ipynb").write_text(text + "\n", encoding="utf-8")
    runs = sum(made.executed for made in _built.values())
    asserts = sum(made.asserted for made in _built.values())
    print(f"lessons: {runs} blocks run, {asserts} assertions held, {len(_built)} pages")
    _check_all_is_shown()


def _check_all_is_shown() -> None:
    shown = set().union(*(made.shown for made in _built.values()))
    missing = []
    for module in lessons.modules("minicache"):
        for name in lessons.definitions(module):
            path = name.partition(":")[2].split(".")
            around = {module, *(f"{module}:{'.'.join(path[:n])}" for n in range(1, len(path) + 1))}
            if not around & shown:
                missing.append(name)
    if missing:
        raise PluginError(f"Shown in no lesson: {', '.join(missing)}.")
