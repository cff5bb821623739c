"""What the documents tell to install and to run, done as it stands, in new environments or copies.

This takes minutes and a network, so only `.ci/run` asks for it: `pytest tests/install.py`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from exercises.commands.release import pack_for_gradescope, release
from exercises.grader.bank import HOME, exercises_in
from tests.test_documents import OURS, STUDENTS, commands, listed
from tests.test_lessons import lesson
from tests.test_workshop import classroom_commands, lay_out, repository, solution

__all__ = ["repository"]  # a fixture

ROOT, EXERCISES = HOME.parent, exercises_in()
# Nothing of the environment that the tests run in is to be found.
FOLDERS = [folder for folder in os.environ["PATH"].split(os.pathsep) if ".venv" not in folder]
KEPT = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "COV", "VIRTUAL"))}


def bare(venv: Path | None = None, **more: str) -> dict[str, str]:
    """The environment variables of somebody who has at most this one venv."""
    folders = [str(venv / "bin"), *FOLDERS] if venv else FOLDERS
    return {**KEPT, "PATH": os.pathsep.join(folders), **more}


def shell(script: str, folder: Path, env: dict[str, str]) -> str:
    """What a script prints."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder, env=env, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def without_an_index(commands: str) -> str:
    """Commands without the address of PyTorch's index, which CI need not reach: pip's own then."""
    return re.sub(r"--index-url \S+ ", "", commands)


def hand_in(folder: Path, name: str) -> None:
    for exercise in EXERCISES:
        shutil.copy(exercise.folder / "meta" / "solution.py", folder / name.format(exercise.name))


def until(happened, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.fixture(scope="module")
def students(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student's copy, in which the first commands of its README have been run."""
    copy = tmp_path_factory.mktemp("student") / "copy"
    release(copy, EXERCISES)
    commands = re.search(r"```bash\n(.*?)```", (copy / "README.md").read_text(), re.S)[1]
    shell(without_an_index(commands), copy, bare())
    return copy


def test_the_oldest_pytest_that_we_ask_for_shows_the_scoreboard_and_nothing_else(tmp_path):
    oldest = re.search(r'"pytest>=([\d.]+)"', (ROOT / "pyproject.toml").read_text())[1]
    there = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", tmp_path]
    subprocess.run([*there, f"pytest=={oldest}.*"], check=True)
    graded = "-W default -m pytest -p no:cacheprovider exercises -k hook_point --solutions".split()
    done = subprocess.run(
        [sys.executable, "-O", *graded],  # without assert pytest warns
        cwd=ROOT, env={**KEPT, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    assert "1 of 1 exercises" in done.stdout
    assert "warnings" not in done.stdout


def test_a_students_copy_installs_and_grades(students):
    env = bare(students / ".venv")
    shell("python -m exercises start my_answers", students, env)
    hand_in(students / "my_answers", "{}.py")
    assert "All is well" in shell("python -m exercises doctor", students, env)
    whole = f"{len(EXERCISES)} of {len(EXERCISES)} exercises"
    assert whole in shell("pytest exercises --answers my_answers", students, env)


@pytest.mark.parametrize(
    ("command", "file"),
    [
        ("ptw exercises -k getitem", "exercises/ex05_getitem/exercise.py"),
        ("ptw watched --answers watched", "watched/ex05_getitem.py"),
    ],
)
def test_the_watch_mode_grades_after_a_save(students, tmp_path, command, file):
    (students / "watched").mkdir(exist_ok=True)
    log = tmp_path / "log"
    with log.open("w") as output:
        watcher = subprocess.Popen(
            command.split(), cwd=students, env=bare(students / ".venv"), stdout=output
        )
    try:
        until(lambda: "Waiting" in log.read_text())
        time.sleep(1)  # it says so a little after it begins to watch the files one by one
        shutil.copy(EXERCISES[4].folder / "meta" / "solution.py", students / file)
        until(lambda: re.search(r"ex05_getitem +passed", log.read_text()))
    finally:
        watcher.kill()


def test_gradescopes_scripts_install_and_grade(tmp_path):
    base = tmp_path / "autograder"
    for name in ("results", "submission"):
        (base / name).mkdir(parents=True)
    pack_for_gradescope(tmp_path / "autograder.zip", EXERCISES)
    shell(f"unzip -q {tmp_path}/autograder.zip -d {base}/source", tmp_path, bare())
    hand_in(base / "submission", "{}.py")
    for name in ("setup.sh", "run_autograder"):
        shell(str(base / "source" / name), tmp_path, bare(AUTOGRADER=str(base), TORCH_INDEX=""))
    results = json.loads((base / "results" / "results.json").read_text())
    assert sum(one["score"] for one in results["tests"]) == sum(e.most for e in EXERCISES)


def test_classrooms_commands_install_and_grade(tmp_path):
    copy, python = tmp_path / "repository", tmp_path / "python"
    release(copy, EXERCISES, classroom=True)
    hand_in(copy / "exercises", "{}/exercise.py")
    shell(f"python3 -m venv {python}", tmp_path, bare())  # what actions/setup-python gives
    summary = tmp_path / "summary.md"
    for command in classroom_commands():
        shell(without_an_index(command), copy, bare(python, GITHUB_STEP_SUMMARY=str(summary)))
    assert summary.read_text().count("| passed |") == len(EXERCISES)


def run_as_written(command: str, folder: Path, home: Path) -> None:
    """Run it as somebody new does. Exercises that nobody has begun are a status of their own."""
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder, env={**KEPT, "HOME": str(home)}, capture_output=True, text=True,
    )  # fmt: skip
    said = f"{command}\n{done.stdout}{done.stderr}"
    unfinished = command.startswith("pytest exercises") and "--solutions" not in command
    assert done.returncode == int(unfinished), said
    assert "Traceback" not in said
    if unfinished:
        assert "not started" in said
    if chosen := re.search(r"-k (\w+)", command):
        found = re.findall(r"^ . (ex\d\d_\w+)", done.stdout, re.M)
        assert found == [e.name for e in EXERCISES if e.key == chosen[1]], said


@pytest.mark.parametrize("document", [one for one in OURS if not all(map(listed, commands(one)))])
def test_each_command_runs_as_it_stands(document, repository, tmp_path):
    (tmp_path / "home").mkdir()
    lay_out(repository, {f"handed_in/ada/{EXERCISES[4].name}.py": solution(5)})
    for command in commands(document):
        if not listed(command):
            run_as_written(command, repository, tmp_path / "home")


def test_each_command_of_a_students_readme_runs_in_the_students_copy(tmp_path):
    copy = tmp_path / "copy"
    release(copy, EXERCISES)
    assert (copy / "README.md").read_text().count("```bash") == 4
    (tmp_path / "home").mkdir()
    for command in commands(STUDENTS):
        if not listed(command):
            run_as_written(command, copy, tmp_path / "home")


@pytest.fixture
def jupyter(tmp_path):
    """A new environment with Jupyter's kernel in it, and nothing else."""
    shell(f"python3 -m venv {tmp_path}/jupyter", tmp_path, bare())
    pins = f"-c {ROOT}/constraints.txt"
    shell(f"pip install {pins} ipykernel nbclient nbformat", tmp_path, bare(tmp_path / "jupyter"))
    return bare(tmp_path / "jupyter")


@pytest.fixture
def clone(tmp_path):
    place = tmp_path / "a clone"  # with a space, as in many a home
    shutil.copytree(ROOT, place, ignore=shutil.ignore_patterns(".*", "*.egg-info", "build"))
    return place


def write_notebook(folder: Path, page: str) -> None:
    text = (ROOT / "lessons" / f"{page}.md").read_text()
    (folder / f"{page}.ipynb").write_text(json.dumps(lesson.Lesson(page, text).notebook()))


@pytest.mark.timeout(1200)  # torch is installed
def test_a_notebook_beside_a_clone_installs_what_it_needs(tmp_path, clone, jupyter):
    write_notebook(tmp_path, "08_finding")  # one with a picture
    execute = "jupyter execute --inplace --timeout=900 08_finding.ipynb"
    shell(execute, tmp_path, jupyter)
    _, *cells = nbformat.read(tmp_path / "08_finding.ipynb", as_version=4).cells
    shown = [output for cell in cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in shown)


@pytest.mark.timeout(2400)  # torch is installed, and every lesson runs
def test_every_notebook_runs_in_an_empty_folder_with_only_a_wheel_beside_it(
    tmp_path, clone, jupyter
):
    shell(f"pip wheel -q --no-deps -w {tmp_path} .", clone, jupyter)
    shutil.rmtree(clone)
    [wheel] = tmp_path.glob("minicache-*.whl")
    pages = sorted(page.stem for page in (ROOT / "lessons").glob("[0-9]*.md"))
    (tmp_path / "notebooks").mkdir()
    for page in pages:
        write_notebook(tmp_path / "notebooks", page)
    script = ROOT / "lessons" / "_site" / "run_notebooks.py"
    said = shell(f"python {script} . --timeout 900 --beside {wheel}", tmp_path, jupyter)
    assert re.findall(r"(\w+): \d+ cells run", said) == pages
