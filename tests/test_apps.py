"""The front door, as a user opens it: real processes, real terminals, real mistakes."""

import json
import os
import pty
import re
import subprocess
import sys

import pytest
import torch
from rich.progress import Progress

import minicache
from minicache.__main__ import COMMANDS, main
from minicache.cli import tour
from minicache.cli.train import main as train_main


def cli(*arguments, text=True, **environment):
    env = {**os.environ, "COLUMNS": "80", **environment}
    return subprocess.run(
        [sys.executable, "-m", "minicache", *arguments], capture_output=True, text=text, env=env
    )


@pytest.fixture(scope="module")
def toured():
    return cli()


def test_the_tour_runs_and_proves_its_sum(toured):
    assert toured.returncode == 0, toured.stderr
    assert toured.stderr == ""
    for heading in "123456":
        assert re.search(rf"^{heading}  \S", toured.stdout, re.M)
    total, own, difference = map(
        float,
        re.search(r"sum (\S+)   the model's own (\S+)   difference (\S+)", toured.stdout).groups(),
    )
    assert abs(total - own) < 1e-3
    assert difference < 1e-4
    assert "Mary" in toured.stdout


def test_the_tour_fits_80_columns_and_has_no_escapes_when_piped(toured):
    drawn = [line for line in toured.stdout.splitlines() if not line.startswith(">>> ")]
    assert max(map(len, drawn)) <= 80
    assert "\x1b" not in toured.stdout


def test_every_line_of_python_in_the_tour_runs_and_gives_what_was_shown(toured):
    lines = [line[4:] for line in toured.stdout.splitlines() if line.startswith(">>> ")]
    assert len(lines) == 11
    space: dict[str, object] = {}
    values = {}
    for line in lines:
        try:
            values[line] = eval(line, space)
        except SyntaxError:
            exec(line, space)
    total = next(v for line, v in values.items() if line.startswith("shares.sum(0)"))
    mary = space["model"].to_single_token("Mary")
    assert total.item() == pytest.approx(space["logits"][0, -1, mary].item(), abs=1e-3)
    assert f"{total.item():.2f}" in toured.stdout
    assert next(v for line, v in values.items() if line.startswith("again[")).shape == (11, 11)
    cost = next(v for line, v in values.items() if "predict_saved" in line)
    assert f"{cost / 1e6:.2f} MB for this prompt" in toured.stdout


def test_in_a_real_terminal_it_has_colour_unless_no_color_is_set():
    def in_terminal(**environment):
        parent, child = pty.openpty()
        env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", **environment}
        env.pop("NO_COLOR", None) if "NO_COLOR" not in environment else None
        process = subprocess.Popen(
            [sys.executable, "-m", "minicache"], stdout=child, stderr=child, env=env
        )
        os.close(child)
        shown = b""
        try:
            while chunk := os.read(parent, 65536):
                shown += chunk
        except OSError:  # the terminal closes when the process ends
            pass
        os.close(parent)
        assert process.wait() == 0
        return shown.decode()

    coloured = in_terminal()
    assert "\x1b[1;36m" in coloured
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", in_terminal(NO_COLOR="1"))


def test_json_holds_everything_and_nothing_else():
    done = cli("--json", "--versus", "John")
    findings = json.loads(done.stdout)
    assert findings["answer"] == "Mary"
    assert findings["versus"] == "John"
    assert findings["difference"] < 1e-4
    assert findings["sum"] == pytest.approx(
        sum(row["share"] for row in findings["components"]) + findings["constant"], abs=1e-4
    )
    assert findings["logit"] > 10
    assert len(findings["induction"]["pattern"]) == 11
    assert findings["next"][0]["word"] == "Mary"


def test_another_prompt_explains_its_likeliest_word():
    done = cli("--prompt", "The capital of France is", "--json")
    assert json.loads(done.stdout)["answer"] == "Paris"


def test_a_prompt_with_a_difference_shows_both_words(capsys):
    assert main(["tour", "--prompt", "In France people speak", "--versus", "Greek"]) == 0
    shown = capsys.readouterr().out
    assert "logit of 'French' less that of 'Greek'" in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--prompt", "The capital of Atlantis is"], "does not know 'Atlantis'"),
        (["--answer", "Pariss"], "Nearest: 'Paris'"),
        (["--versus", "In France"], "is 2 tokens"),
        (["--prompt", "a " * 60], "at most n_ctx=48"),
        (["--model", "nowhere"], "There is no model at 'nowhere'"),
        (["--device", "nonsense"], "--device nonsense: not to be had here"),
        (["--plot", "heads.png"], "does not end with .svg"),
        (["--plot", "no/such/folder/heads.svg"], "No such file or directory"),
        (["--nonsense"], "unrecognized arguments"),
        (["train", "--steps", "0"], "count from 1"),
        (["train", "--steps", "many"], "invalid int value"),
    ],
)
def test_a_mistake_gives_one_clear_line_and_status_2(arguments, words):
    done = cli(*arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith(("minicache: ", "python -m minicache"))


@pytest.mark.skipif(
    torch.cuda.is_available(), reason="CUDA is here, so asking for it is no mistake"
)
def test_no_cuda_is_said_in_one_line():
    done = cli("--device", "cuda")
    assert done.returncode == 2
    assert "--device cuda: not to be had here" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_model_folder_without_rights_or_with_damage_is_one_line(tmp_path):
    (tmp_path / "config.json").write_text("{")
    (tmp_path / "model.safetensors").write_text("")
    (tmp_path / "words.txt").write_text("")
    done = cli("--model", str(tmp_path))
    assert (done.returncode, len(done.stderr.strip().splitlines())) == (2, 1)


def test_an_ascii_terminal_and_a_closed_pipe_do_no_harm():
    assert cli(PYTHONIOENCODING="ascii").returncode == 0
    done = subprocess.run(
        f"{sys.executable} -m minicache | head -n 2", shell=True, capture_output=True, text=True
    )
    assert done.stderr == ""


def test_ctrl_c_ends_without_a_traceback(monkeypatch, capsys):
    def interrupted(argv):
        raise KeyboardInterrupt

    monkeypatch.setattr(tour, "main", interrupted)
    assert main([]) == 130
    assert capsys.readouterr().err == "minicache: stopped.\n"


def test_a_closed_pipe_inside_the_process_ends_quietly(monkeypatch, tmp_path):
    def closed(argv):
        raise BrokenPipeError

    monkeypatch.setattr(tour, "main", closed)
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
    assert all(command in told for command in COMMANDS if command != "tour")


def test_the_plot_is_an_svg_that_names_every_head(tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
    file = tmp_path / "heads.svg"
    assert main(["--plot", str(file), "--versus", "John"]) == 0
    drawn = file.read_text()
    assert "<svg" in drawn
    assert "less" in drawn


def test_a_missing_plotting_package_gives_the_command_that_installs_it(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert main(["--plot", "heads.svg"]) == 2
    assert "pip install -c constraints.txt" in capsys.readouterr().err


def test_training_writes_a_folder_that_loads_and_that_the_tour_can_show(tmp_path, capsys):
    out = tmp_path / "trained"
    assert train_main(["--steps", "3", "--layers", "1", "--out", str(out)]) == 0
    model = minicache.HookedTransformer.from_pretrained(out)
    assert model.cfg.n_layers == 1
    assert len(json.loads((out / "history.json").read_text())) == 4
    assert "Its heads" in (out / "CARD.md").read_text()
    assert "repeated_words" in capsys.readouterr().out
    assert main(["--model", str(out)]) == 0


def test_training_twice_from_one_seed_gives_the_same_weights():
    from minicache.cli.train import train

    quiet = Progress(disable=True)
    one, two = (train(1, 5, 3, quiet, checkpoints=1)[0].state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_the_tour_of_a_model_with_other_words_finds_a_phrase_of_its_own(tmp_path):
    from minicache.model.loading import Parts, save_parts
    from minicache.model.tokenizers import WordTokenizer

    cfg = minicache.HookedTransformerConfig(
        n_layers=1, d_model=8, n_ctx=8, d_head=4, d_vocab=5, attn_only=True, seed=0
    )
    model = minicache.HookedTransformer(cfg)
    words = WordTokenizer(["<pad>", "<bos>", "one", "two", "three"])
    save_parts(tmp_path, Parts(model.config_dict(), model.state_dict(), words))
    done = cli("--model", str(tmp_path), "--prompt", "one two", "--json")
    assert json.loads(done.stdout)["induction"]["words"][0] == "<bos>"
