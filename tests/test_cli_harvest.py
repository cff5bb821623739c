"""Harvests: every row right, whatever kills them, the same bytes from any number of processes."""

from __future__ import annotations

import json
import os
import pty
import random
import resource
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from itertools import count
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from minicache import HookedTransformer
from minicache.__main__ import main
from minicache.cli import harvest as cli
from minicache.errors import DataError, MinicacheError
from minicache.harvest import run as app
from minicache.harvest.plan import Plan, bytes_a_token, row_shape
from minicache.harvest.shards import CLAIM, survey, write_index
from minicache.model.loading import Parts, save_parts
from minicache.model.tokenizers import WordTokenizer
from tests.harvests import WORDS, files, rows_by_item, some_texts
from tests.worlds import N_CTX, random_model


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    model = random_model(attn_types=["global", "local"], window_size=3, dtype=torch.float32)
    save_parts(folder, Parts(model.config_dict(), model.state_dict(), WordTokenizer(WORDS)))
    return folder


@pytest.fixture(scope="module")
def model(model_folder):
    return HookedTransformer.from_pretrained(model_folder)


@pytest.fixture
def data(tmp_path):
    file = tmp_path / "data.txt"
    file.write_text("\n".join(some_texts(50)) + "\n")
    return file


@pytest.fixture
def command(model_folder, data):
    """The arguments of a harvest of 50 items in 9 shards, but for the folder."""

    def arguments(out, *more, names=("z1", "blocks.*.hook_resid_post")):
        return [
            "harvest", str(data), str(out), "--model", str(model_folder), "--names", *names,
            "--items-per-shard", "6", "--batch", "4", *more,
        ]  # fmt: skip

    return arguments


def test_every_row_is_the_activation_of_its_token(model, command, data, tmp_path):
    out = tmp_path / "out"
    assert main(command(out, names=["*"])) == 0
    items = rows_by_item(out)
    index = json.loads((out / "index.json").read_text())
    written = data.read_text().splitlines()
    assert len(items) == len(written) == index["items"] == 50
    assert index["tokens"] == sum(len(item["tokens"]) for item in items)
    assert index["cut"] == sum(len(text.split()) + 1 > N_CTX for text in written) > 0
    assert list(index["activations"]) == list(model.hook_dict)
    for text, item in zip(written, items, strict=True):
        ids = model.to_tokens(text)[:, :N_CTX]
        assert torch.equal(item.pop("tokens"), ids[0])
        with torch.no_grad():
            _, cache = model.run_with_cache(ids)
        assert set(item) == set(cache)
        for name, rows in item.items():
            assert rows.shape == (ids.shape[1], *row_shape(model.cfg, name, N_CTX))
            expected = cache[name][0]
            if name.endswith(("pattern", "scores")):  # a row a query, with room for all keys
                expected = expected.movedim(1, 0)
                rows, unseen = rows[..., : ids.shape[1]], rows[..., ids.shape[1] :]
                assert (unseen == (0 if name.endswith("pattern") else -torch.inf)).all()
            torch.testing.assert_close(rows, expected, atol=1e-5, rtol=1e-5)


def test_the_formula_is_the_bytes_on_the_disk(command, tmp_path, model, capsys):
    for dtype in ("float32", "bfloat16", "float64", "float16"):
        out = tmp_path / dtype
        assert main(command(out, "--dtype", dtype, names=["*"])) == 0
        index = json.loads((out / "index.json").read_text())
        each = bytes_a_token(model.cfg, tuple(index["plan"]["names"]), N_CTX, dtype)
        held = 0
        for shard in index["shards"]:
            tensors = load_file(out / shard["file"])
            assert {t.dtype for n, t in tensors.items() if "hook" in n} == {getattr(torch, dtype)}
            held += sum(t.nbytes for name, t in tensors.items() if "hook" in name)
        assert held == each * index["tokens"]


# Killed at any moment


def in_child(arguments, before=lambda: None):
    """A process of its own that harvests: the model and torch are there already."""

    def work():
        before()
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115  # as long as the child
        os._exit(main(arguments))

    child = get_context("fork").Process(target=work)
    child.start()
    return child


def die_at(step, folder):
    """Kill this process at its `step`th operation on a file of this folder."""
    done = count(1)

    def hook(event, args):
        of_files = event in ("open", "os.rename", "os.remove", "os.chmod", "os.mkdir")
        if of_files and str(args[0]).startswith(str(folder)) and next(done) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


@pytest.mark.long
def test_a_kill_at_every_step_loses_nothing_and_doubles_nothing(command, tmp_path):
    whole = tmp_path / "whole"
    assert main(command(whole)) == 0
    steps = 0
    for step in count(1):
        out = tmp_path / f"killed_{step}"
        child = in_child(command(out), partial(die_at, step, out))
        child.join()
        if child.exitcode == 0:  # it has no such step: it came to its end
            break
        assert child.exitcode == -signal.SIGKILL
        steps += 1
        assert main(command(out)) == 0
        assert files(out) == files(whole)
    print(f"{steps} steps, a kill at each")
    assert steps > 9 * 4


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
def test_kills_at_random_moments_lose_nothing_and_double_nothing(command, tmp_path, seed):
    whole, out, choose = tmp_path / "whole", tmp_path / "out", random.Random(seed)
    start = time.monotonic()
    in_child(command(whole, "--items-per-shard", "1", names=["*"])).join()
    takes, kills = time.monotonic() - start, 0
    while True:
        child = in_child(command(out, "--items-per-shard", "1", names=["*"]))
        child.join(choose.uniform(0, takes / 4) if kills < 99 else 60)
        if child.exitcode == 0:
            break
        child.kill()
        child.join()
        kills += 1
    assert files(out) == files(whole)
    print(f"{kills} kills survived")


def test_a_finished_harvest_is_left_as_it_is(command, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(command(out)) == 0
    before = {file: file.stat().st_mtime_ns for file in out.glob("shard*")}
    assert main(command(out)) == 0
    assert before == {file: file.stat().st_mtime_ns for file in out.glob("shard*")}
    assert "50 items" in capsys.readouterr().out


def test_a_terminal_shows_a_bar_and_a_pipe_does_not(command, tmp_path):
    arguments = [sys.executable, "-m", "minicache", *command(tmp_path / "piped")]
    assert subprocess.run(arguments, capture_output=True, text=True).stderr == ""
    parent, child = pty.openpty()
    arguments = [sys.executable, "-m", "minicache", *command(tmp_path / "seen")]
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=child)
    os.close(child)
    shown = b""
    with suppress(OSError):  # the terminal closes when the process ends
        while chunk := os.read(parent, 65536):
            shown += chunk
    os.close(parent)
    assert process.wait() == 0
    assert b"50/50" in shown


# Several processes


def torchrun(processes, *arguments, **more):
    module = ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return subprocess.Popen(
        [sys.executable, "-m", *module, "-m", "minicache", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, **more,
    )  # fmt: skip


@pytest.mark.long
def test_the_bytes_are_the_same_from_1_2_and_4_processes(command, tmp_path):
    whole = tmp_path / "whole"
    assert main(command(whole)) == 0
    for processes in (1, 2, 4):
        out = tmp_path / f"from_{processes}"
        running = torchrun(processes, *command(out))
        said, complained = running.communicate()
        assert running.returncode == 0, complained
        assert said.count("50 items") == 1
        assert files(out) == files(whole)


def test_what_two_processes_began_one_can_finish(command, tmp_path):
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert main(command(whole)) == 0
    running = torchrun(2, *command(out))
    deadline = time.monotonic() + 60
    while not list(out.glob("shard*s")) and time.monotonic() < deadline:
        time.sleep(0.001)
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate()
    assert main(command(out)) == 0
    assert files(out) == files(whole)


def test_a_mistake_in_one_process_is_told_and_ends_all(command, data, tmp_path):
    data.write_text(data.read_text().replace("\n", "\nzebra\n", 1))
    running = torchrun(2, *command(tmp_path / "out"))
    _, complained = running.communicate()
    assert running.returncode != 0
    assert "minicache: Item 1, counted from 0: The model does not know 'zebra'" in complained


def test_a_peer_that_is_gone_is_told_in_one_line(monkeypatch):
    def gone():
        raise RuntimeError("Connection closed by peer")

    monkeypatch.setattr(cli.distributed, "barrier", gone)
    with pytest.raises(MinicacheError, match="Another process of this harvest stopped"):
        cli._wait_for_all(2)


def test_a_folder_that_machines_do_not_share_is_told(model, tmp_path):
    written = some_texts(9)
    plan = Plan.of(model, ["embed"], items_per_shard=3)
    shards = survey(lambda: iter(written), tmp_path, 3)
    list(app.harvest(model, lambda: iter(written), shards, plan, rank=0, world=2))
    with pytest.raises(DataError, match=r"1 shards are missing.*shard-000001"):
        write_index(shards, plan, model.cfg)
    assert not (tmp_path / "index.json").exists()


# Limits


def test_a_full_disk_is_told_and_leaves_whole_shards_only(command, tmp_path, capsys):
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert main(command(whole)) == 0
    sizes = [len(content) for name, content in files(whole).items() if "shard" in name]
    limit = sorted(sizes)[len(sizes) // 2]

    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write that is too long fails
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        assert main(command(out)) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert "cannot be written" in capsys.readouterr().err
    assert all(files(whole)[name] == content for name, content in files(out).items())
    assert main(command(out)) == 0
    assert files(out) == files(whole)


def test_a_dry_run_counts_and_writes_nothing(command, tmp_path, capsys, data, model):
    out = tmp_path / "out"
    assert main(command(out, "--dry-run", names=["resid_post1"])) == 0
    said = capsys.readouterr().out
    tokens = sum(min(len(t.split()) + 1, N_CTX) for t in data.read_text().splitlines())
    assert f"50 items, {tokens} tokens of {4 * model.cfg.d_model} bytes" in said
    assert "Nothing was written" in said
    assert not out.exists()


# What a user can get wrong


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--names", "resid_pots1"], "no activation"),
        (["--names", "z7"], "'blocks.7.attn.hook_z'. Nearest: 'blocks.1.attn.hook_z'"),
        (["--names", "blocks.*.hook_resid_pots"], "no activation 'blocks.*.hook_resid_pots'"),
        (["--names", "blocks.7.hook_resid_post"], "Nearest: 'blocks.1.hook_resid_post'"),
        (["--names", "z0", "--pos", "10"], "pos=10: give 1 to 9, the model's n_ctx"),
        (["--names", "z0", "--batch", "0"], "--batch: '0': give a whole number from 1"),
        (["--names", "z0", "--items-per-shard", "0"], "--items-per-shard: '0'"),
        (["--names", "z0", "--dtype", "int8"], "give one of float32, float64"),
        (["--names", "z0", "--device", "nonsense"], "--device nonsense"),
        ([], "--names"),
    ],
)
def test_a_wrong_argument_is_told_before_anything_is_written(
    arguments, words, data, model_folder, tmp_path, capsys
):
    out = tmp_path / "out"
    call = ["harvest", str(data), str(out), "--model", str(model_folder), *arguments]
    assert main(call) == 2
    assert words in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--batch", "5"], "batch=4, and this one has 5"),
        (["--pos", "5"], "pos=9, and this one has 5"),
        (["--dtype", "bfloat16"], "dtype='float32'"),
        (["--model", "shipped"], "model="),
        (["--names", "z1"], "names="),
    ],
)
def test_a_folder_of_another_harvest_is_not_touched(change, words, command, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(command(out)) == 0
    before = files(out)
    (out / "shard-000003.safetensors").unlink()  # there would be something to do
    del before["shard-000003.safetensors"]
    if "shipped" in change:
        change = ["--model", str(Path(app.__file__).parents[1] / "model" / "tiny"), "--pos", "9"]
    assert main(command(out, *change)) == 2
    assert words in capsys.readouterr().err
    assert files(out) == before


def test_changed_texts_and_damaged_shards_are_told(command, data, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(command(out)) == 0
    before = files(out)
    written = data.read_text()
    data.write_text(written.replace("a", "b"))
    assert main(command(out)) == 2
    assert "was made from other texts" in capsys.readouterr().err
    data.write_text(written)
    shard = out / "shard-000002.safetensors"
    for content in (b"", before[shard.name][:-9], b"\x02\0\0\0\0\0\0\0{}"):
        shard.write_bytes(content)
        assert main(command(out)) == 0
        assert files(out) == before


def test_an_item_that_cannot_be_read_is_named_and_the_shards_before_it_stay(
    command, data, tmp_path, capsys
):
    out, lines = tmp_path / "out", data.read_text().splitlines()
    lines[20] = "a zebra"
    data.write_text("\n".join(lines))
    assert main(command(out)) == 2
    assert "Item 20, counted from 0: The model does not know 'zebra'" in capsys.readouterr().err
    assert sorted(files(out)) == [CLAIM, *(f"shard-00000{n}.safetensors" for n in range(3))]


def test_no_texts_and_a_missing_package_are_told(tmp_path, command, data, monkeypatch, capsys):
    data.write_text("\n \n")
    assert main(command(tmp_path / "out")) == 2
    assert "has no texts" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert main(["harvest", "owner/name", str(tmp_path / "out"), "--names", "z0"]) == 2
    assert "Install it with: pip install -c constraints.txt -e '.[data]'" in capsys.readouterr().err
