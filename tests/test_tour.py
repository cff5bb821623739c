"""The tour: what it shows, what it prints as JSON, and that its own Python gives the same."""

import json
import os
import pty
import re
import subprocess
import sys

import pytest

import minicache
from minicache.__main__ import main
from minicache.model.loading import Parts, save_parts
from minicache.model.tokenizers import WordTokenizer
from tests.checkpoints import GPT2, write_checkpoint
from tests.command import cli


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


def test_the_tour_of_a_model_with_other_words_finds_a_phrase_of_its_own(tmp_path):
    cfg = minicache.HookedTransformerConfig(
        n_layers=1, d_model=8, n_ctx=8, d_head=4, d_vocab=5, attn_only=True, seed=0
    )
    model = minicache.HookedTransformer(cfg)
    words = WordTokenizer(["<pad>", "<bos>", "one", "two", "three"])
    save_parts(tmp_path, Parts(model.config_dict(), model.state_dict(), words))
    done = cli("--model", str(tmp_path), "--prompt", "one two", "--json")
    assert json.loads(done.stdout)["induction"]["words"][0] == "<bos>"


def test_a_model_folder_without_rights_or_with_damage_is_one_line(tmp_path):
    (tmp_path / "config.json").write_text("{")
    (tmp_path / "model.safetensors").write_text("")
    (tmp_path / "words.txt").write_text("")
    done = cli("--model", str(tmp_path))
    assert (done.returncode, len(done.stderr.strip().splitlines())) == (2, 1)


def test_an_empty_prompt_is_taken_as_it_is(capsys):
    assert main(["--prompt", "", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tokens"] == ["<bos>"]


def test_a_tokenizer_without_a_start_of_text_tours_as_well(tmp_path, capsys):
    write_checkpoint(
        tmp_path / "model", {**GPT2, "bos_token_id": None}, "safetensors", tokenizer=True
    )
    command = ["--model", str(tmp_path / "model"), "--prompt", "b c d"]
    assert main([*command, "--json"]) == 0
    findings = json.loads(capsys.readouterr().out)
    assert findings["tokens"] == ["b", "c", "d"]
    assert len(findings["induction"]["words"]) == 8
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "model.run_with_cache('b c d', prepend_bos=False)" in shown
    assert shown.count("prepend_bos=False") == 2
