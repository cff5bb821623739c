"""MkDocs's side of the lessons: run each page, collect the decisions, check, write notebooks."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from markdown.extensions.toc import slugify
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

sys.path.insert(0, str(Path(__file__).parent))

import course
import glossary
import lesson as lessons  # it lies beside this file, and is no package
import listing
import live
import workshop

_built: dict[str, lessons.Lesson] = {}
INSTRUCTORS = ("instructors.md", "mistakes.md")  # pages that a student's copy does not have
RAISED = re.compile(r"(<td>\s*<code>)([\w, ()]+)(</code>)")  # what is no link yet
MODULE = re.compile(r"^::: minicache\.((\w+)\.)?.+$\n", re.M)


def on_config(config: Any) -> None:
    fences = config["mdx_configs"].setdefault("pymdownx.superfences", {})
    fences["custom_fences"] = [{"name": "listing", "class": "listing", "format": listing.render}]
    pages = ["reference.md", *(f"reference/{folder}.md" for folder in _reference(config)[1])]
    if config["extra"]["for_students"]:
        kept = [one for one in config["nav"] if next(iter(one.values())) not in INSTRUCTORS]
        config["nav"] = kept
    for entry in config["nav"]:
        if "API reference" in entry:
            entry["API reference"] = pages


def _reference(config: Any) -> tuple[str, dict[str, str]]:
    """reference.md without the folders' modules, and a page for each folder, in its order."""
    text = Path(config["docs_dir"], "reference.md").read_text("utf-8")
    folders: dict[str, str] = {}
    for line in MODULE.finditer(text):
        if line[2]:
            folders[line[2]] = folders.get(line[2], f"# minicache.{line[2]}\n\n") + line[0]
    return MODULE.sub(lambda line: "" if line[2] else line[0], text), folders


def on_files(files: Any, config: Any) -> Any:
    """A page of the reference for each folder of the package, and for students none of ours."""
    if config["extra"]["for_students"]:
        for page in INSTRUCTORS:
            files.remove(files.get_file_from_path(page))
    for folder, text in _reference(config)[1].items():
        files.append(File.generated(config, f"reference/{folder}.md", content=text))
    return files


def on_pre_build(config: Any) -> None:
    _built.clear()


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    name = page.file.src_uri.removesuffix(".md")
    if "<!-- decisions -->" in markdown:
        return markdown.replace("<!-- decisions -->", _all_decisions(files))
    if page.file.src_uri in INSTRUCTORS:
        return workshop.filled(markdown)
    if name == "glossary":
        return glossary.anchored(markdown)
    if name == "reference":
        top, folders = _reference(config)
        links = "".join(f"- [minicache.{folder}](reference/{folder}.md)\n" for folder in folders)
        top = top.replace("<!-- analyses -->", _analyses())
        return top.replace("\n\n:::", f"\n\nEach folder has its page:\n\n{links}\n:::", 1)
    if page.file.generated_by:
        return markdown
    made = lessons.Lesson(name, markdown)
    try:
        lessons.decisions(markdown)
        page_markdown = made.page()
    except lessons.LessonError as error:
        raise PluginError(str(error)) from error
    page_markdown = live.with_fallbacks(page_markdown)
    page_markdown = page_markdown.replace("<!-- stream -->", course.stream(""))
    _built[name] = made
    first, _, rest = page_markdown.partition("\n")
    prose = " ".join(block.text for block in made.blocks() if block.kind == "text")
    head = course.head(name, _titles(files), prose, made.code_lines)
    if made.executed:
        head += f'\n<a class="notebook" href="notebooks/{name}.ipynb" download>'
        head += "This page as a notebook</a>\n"
    return f"{first}\n\n{head}\n{rest}"


def _analyses() -> str:
    """The analyses that a cache has as methods: a link to the page of each."""
    from minicache import ActivationCache

    found = {
        name: f"{one.__module__}.{one.__name__}"
        for name, one in vars(ActivationCache).items()
        if getattr(one, "__module__", "").startswith("minicache.analysis.")
    }
    links = "".join(f"- [`cache.{name}`][{place}]\n" for name, place in found.items())
    return f"### The analyses, as methods of a cache\n\n{links}"


def on_page_content(html: str, page: Any, config: Any, files: Any) -> str:
    """Link each error of ours in the reference, also where its module does not import the class."""
    from minicache import errors

    def linked(match: re.Match[str]) -> str:
        link = r'<autoref identifier="minicache.errors.\g<0>">\g<0></autoref>'
        known = "|".join(name for name in errors.__all__ if name.endswith("Error"))
        return match[1] + re.sub(rf"\b(?:{known})\b", link, match[2]) + match[3]

    if not page.file.src_uri.startswith("reference"):
        return html
    return RAISED.sub(linked, html)


def _titles(files: Any) -> dict[int, tuple[str, str]]:
    """For each lesson's number its file and its title."""
    found = {}
    for file in files.documentation_pages():
        number = course.number(file.src_uri)
        if number is not None and number not in found:
            title = Path(file.abs_src_path).read_text("utf-8").partition("\n")[0]
            found[number] = (file.src_uri, title.removeprefix("# "))
    return found


def _all_decisions(files: Any) -> str:
    """Every decision, under its theme, after an index of all of them."""
    themes: dict[str, list[tuple[str, str]]] = {}
    for file in files.documentation_pages():
        if file.generated_by:
            continue
        page = Path(file.abs_src_path).read_text("utf-8")
        name = page.partition("\n")[0].removeprefix("# ")
        for title, body in lessons.decisions(page):
            text = f"### {title}\n\nFrom [{name}]({file.src_uri}).\n\n{body}\n"
            themes.setdefault(course.theme(file.name), []).append((title, text))
    index = ["| theme | decisions |", "|---|---|"]
    for theme, found in themes.items():
        links = "<br>".join(f"[{title}](#{slugify(title, '-')})" for title, _ in found)
        index.append(f"| {theme} | {links} |")
    parts = [f"## {name}\n\n" + "\n".join(text for _, text in f) for name, f in themes.items()]
    return "\n".join(index) + "\n\n" + "\n".join(parts)


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
