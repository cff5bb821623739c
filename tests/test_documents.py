"""Every command of the documents: what runs it, and the form that Windows needs.

`tests/install.py` runs each as it stands, in a fresh copy and with an empty home, unless it is
listed here with the reason. So a command that is new to a document is run or has to be listed, and
one that has gone has to leave the list.
"""

from __future__ import annotations

import re

from exercises.grader.bank import HOME, exercises_in

__all__ = ["OURS", "STUDENTS", "commands", "listed"]

ROOT = HOME.parent
OURS = ["README.md", "CONTRIBUTING.md", "exercises/README.md"]
OURS += sorted(f"lessons/{page.name}" for page in (ROOT / "lessons").glob("*.md"))
STUDENTS = "exercises/commands/handout/README.md"  # what this holds is run in a student's copy
FENCE = r"^```{}\n(.*?)^```"

INSTALLS = "tests/install.py installs in new environments"
WATCHES = "it runs until Ctrl+C: tests/install.py saves a file, and ends it"
NOT_RUN_HERE = {
    r"python3 -m venv .*": INSTALLS,
    r"source \.venv/bin/activate": INSTALLS,
    r"(\.venv/bin/)?pip install .*": INSTALLS,
    r"\.venv/bin/python -m minicache": INSTALLS,
    r"pip download .*": "it takes gigabytes, and PyTorch's own index",
    r"ptw .*": WATCHES,
    r".* --site": "it builds the site: tests/browser/test_handout.py",
    r'pytest tests/bridge -k "qwen3 and parts"': "the suite runs the same test",
    r"torchrun .*": "tests/test_shards.py runs several processes; two machines cannot be had here",
}


def commands(document: str, language: str = "bash") -> list[str]:
    """The commands of a document's code blocks, in order, without their comments."""
    blocks = re.findall(FENCE.format(language), (ROOT / document).read_text("utf-8"), re.S | re.M)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    bare = (re.sub(r"(^|\s+)# .*", "", line) for line in lines)
    return [" ".join(line.split()) for line in bare if line.strip()]


def listed(command: str) -> bool:
    return any(re.fullmatch(pattern, command) for pattern in NOT_RUN_HERE)


def test_what_is_listed_as_not_run_stands_in_a_document():
    every = [command for one in (*OURS, STUDENTS) for command in commands(one)]
    for pattern in NOT_RUN_HERE:
        assert any(re.fullmatch(pattern, command) for command in every), pattern


def test_each_exercise_that_a_document_names_is_one():
    keys = {exercise.key for exercise in exercises_in()}
    asked = [
        key[1]
        for document in (*OURS, STUDENTS)
        for command in commands(document)
        if (key := re.match(r"pytest exercises.* -k (\S+)", command))
    ]
    assert len(asked) > 20
    assert set(asked) <= keys


def test_what_follows_the_installation_is_the_same_on_windows():
    """Words and double quotes mean the same to PowerShell, cmd and Bash; little else does."""
    pages = (STUDENTS, "exercises/README.md", "lessons/index.md", "lessons/instructors.md")
    for command in (one for page in pages for one in commands(page)):
        if not re.match(r"python3 -m venv|source |\.venv/bin", command):
            assert not re.search(r"[$&|;<>'`\\~]|\.venv", re.sub(r'"[^"]*"', "", command)), command


def test_windows_has_each_step_of_the_installation_in_its_own_form():
    windows = commands(STUDENTS, "powershell")
    mac = commands(STUDENTS)[3:5]
    assert windows == ["py -m venv .venv", r".venv\Scripts\Activate.ps1", mac[1]]
    assert mac == ["python3 -m venv .venv && source .venv/bin/activate", windows[2]]
    for page in (STUDENTS, "README.md", "lessons/index.md", "lessons/instructors.md"):
        text = (ROOT / page).read_text("utf-8")
        assert r".venv\Scripts\Activate.ps1" in text, page
        assert not re.search(r"\.venv\\bin|\.venv/Scripts|Scripts/activate", text), page
