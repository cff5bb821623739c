"""The command line as a user meets it: real processes, pipes, signals and mistakes."""

import ast
import inspect
import os
import resource
import signal
import subprocess
import sys
import threading

import pytest
import torch

import minicache
from minicache import __main__ as front
from minicache.__main__ import main
from minicache.cli import memory, tour
from minicache.cli.options import COMMANDS
from tests.command import cli


def test_an_ascii_terminal_does_no_harm():
    assert cli(PYTHONIOENCODING="ascii").returncode == 0


@pytest.mark.parametrize("arguments", [[], ["--json"], ["--help"], ["memory", "--batch", "1"]])
def test_a_reader_that_has_seen_enough_is_no_mistake(arguments):
    reader = subprocess.Popen(["true"], stdin=subprocess.PIPE)  # reads nothing, and is gone
    reader.wait()
    done = subprocess.run(
        [sys.executable, "-m", "minicache", *arguments],
        stdout=reader.stdin, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_closed_and_full_outputs_are_one_line():
    def status(redirect):
        command = f"{sys.executable} -m minicache {redirect}"
        return subprocess.run(command, shell=True, capture_output=True, text=True)

    closed = status(">&-")
    assert closed.returncode == 2
    assert closed.stderr.startswith("minicache: Standard output is closed")
    full = status("> /dev/full")
    assert full.returncode == 2
    assert full.stderr.splitlines() == ["minicache: No space left on device"]
    silent = status("--nonsense 2>&-")
    assert (silent.returncode, silent.stdout) == (2, "")
    assert status(">&- 2>&-").returncode == 2


def test_ctrl_c_ends_without_a_traceback(monkeypatch, capsys):
    def interrupted(args):
        raise KeyboardInterrupt

    monkeypatch.setattr(tour, "run", interrupted)
    assert main([]) == 130
    assert capsys.readouterr().err == "minicache: stopped.\n"


def test_a_closed_pipe_inside_the_process_ends_quietly(monkeypatch, tmp_path):
    def closed(args):
        raise BrokenPipeError

    monkeypatch.setattr(tour, "run", closed)
    with (tmp_path / "out").open("w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        assert main([]) == 0


def test_a_misspelt_command_is_told_with_the_commands_that_there_are():
    done = cli("harvst", "data.txt")
    assert (done.returncode, done.stdout) == (2, "")
    assert "There is no command 'harvst'. Nearest: 'harvest'." in done.stderr
    assert all(command in done.stderr for command in COMMANDS)
    assert len(done.stderr.strip().splitlines()) == 1


def test_help_names_the_commands():
    told = cli("--help").stdout
    assert all(command in told for command in COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--prompt", "The capital of Atlantis is"], "does not know 'Atlantis'"),
        (["--answer", "Pariss"], "Nearest: 'Paris'"),
        (["--versus", "In France"], "is 2 tokens"),
        (["--prompt", "a " * 60], "at most n_ctx=48"),
        (["--model", "nowhere"], "There is no model at 'nowhere'"),
        (["--device", "nonsense"], "--device nonsense: There is no device 'nonsense' here"),
        (["--plot", "heads.png"], "does not end with .svg"),
        (["--plot", "no/such/folder/heads.svg"], "there is no folder 'no/such/folder'"),
        (["--nonsense"], "unrecognized arguments"),
        (["train", "--steps", "0"], "'0': give a whole number from 1"),
        (["train", "--steps", "many"], "'many': give a whole number from 1"),
        (["train", "--seed", "9" * 5000], "give a whole number from 0"),
        (["train", "--out", "/dev/null"], "/dev/null"),
        (["harvest", "a", "b", "--names", "z0", "--items-per-shard", "9" * 30], "whole number"),
        (["memory", "--batch", "1000000000"], "more than this machine has"),
        (["--device", "meta"], "--device meta: 'meta' keeps shapes, and no values"),
        (["--device", "mps"], "--device mps: There is no device 'mps' here"),
    ],
)
def test_a_mistake_gives_one_clear_line_and_status_2(arguments, words):
    done = cli(*arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("minicache: ")
    assert len(line) < 1000


@pytest.mark.skipif(
    torch.cuda.is_available(), reason="CUDA is here, so asking for it is no mistake"
)
def test_no_cuda_is_said_in_one_line():
    done = cli("--device", "cuda")
    assert done.returncode == 2
    assert "--device cuda: There is no device 'cuda' here" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("loaded", ["torch.torch_version", "torch.nn", "minicache.names"])
def test_ctrl_c_while_torch_loads_ends_without_a_traceback(loaded):
    running = subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "minicache", "memory"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for line in running.stderr:  # a line for each module that has been loaded
        if line.rpartition("|")[2].strip() == loaded:
            break
    running.send_signal(signal.SIGINT)
    _, told = running.communicate()
    said = [line for line in told.splitlines() if not line.startswith("import time:")]
    assert (running.returncode, said) == (130, ["minicache: stopped."])


def test_an_interrupt_while_modules_load_ends_the_process(monkeypatch, capfd):
    ended = []
    monkeypatch.setattr(os, "_exit", ended.append)
    with front._interrupt_ends_process():
        signal.raise_signal(signal.SIGINT)
    assert ended == [130]
    assert capfd.readouterr().err == "minicache: stopped.\n"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_thread_and_an_ignored_interrupt_are_left_alone():
    seen = []

    def inside():
        with front._interrupt_ends_process():
            seen.append(signal.getsignal(signal.SIGINT))

    other = threading.Thread(target=inside)
    other.start()
    other.join()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        inside()
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    assert seen == [signal.default_int_handler, signal.SIG_IGN]


def test_what_does_not_fit_into_memory_is_told(monkeypatch, capsys):
    monkeypatch.setattr(memory, "_read_total_memory", lambda device: 2**62)
    limit = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (2**38, limit[1]))  # some systems promise any memory
    try:
        assert main(["memory", "--batch", "1000000000"]) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limit)
    assert "out of memory" in capsys.readouterr().err

    def broken(args):
        raise RuntimeError("a defect of ours")

    monkeypatch.setattr(tour, "run", broken)
    with pytest.raises(RuntimeError, match="a defect"):
        main([])


@pytest.mark.parametrize(
    "arguments", [["--help"], ["harvest", "--help"], ["train", "--steps", "x"]]
)
def test_help_and_misspelt_options_do_not_wait_for_torch(arguments):
    code = (
        "import sys; from minicache.__main__ import main\n"
        f"try: main({arguments})\nexcept SystemExit: pass\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_every_public_name_is_there_and_others_are_told():
    assert all(getattr(minicache, name) is not None for name in minicache.__all__)
    assert set(minicache.__all__) <= set(dir(minicache))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        minicache.nonsense  # noqa: B018


def test_the_names_that_type_checkers_see_are_those_that_are_given():
    block = inspect.getsource(minicache).partition("if TYPE_CHECKING:")[2].partition("\n_HOME")[0]
    seen = {
        name
        for node in ast.walk(ast.parse("if True:" + block))
        if isinstance(node, ast.ImportFrom)
        for name in (alias.asname or alias.name for alias in node.names)
    }
    assert seen == set(minicache.__all__)
