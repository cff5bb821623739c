"""A harvest's files: damage is found, changes are told, and what is somebody else's stays."""

from __future__ import annotations

import json
import logging
import os
import random
import shutil
import sys
from functools import partial
from multiprocessing import get_context

import pytest
import torch
from safetensors.torch import save_file

from minicache.errors import ConfigError, DataError
from minicache.harvest import shards
from minicache.harvest.plan import Plan
from minicache.harvest.shards import CLAIM, hash_texts, survey, write
from minicache.harvest.texts import texts
from tests.harvests import WORDS, files, make, reader, some_texts

WRITTEN = some_texts(10)


def written():
    return iter(WRITTEN)


@pytest.mark.parametrize("seed", range(50))
def test_a_flipped_byte_in_any_file_is_found_and_the_file_made_again(tmp_path, caplog, seed):
    make(tmp_path, written)
    before, choose = files(tmp_path), random.Random(seed)
    assert len(before) == 4 + 2
    name = choose.choices(list(before), [len(content) for content in before.values()])[0]
    content = bytearray(before[name])
    content[choose.randrange(len(content))] ^= choose.randrange(1, 256)
    (tmp_path / name).write_bytes(content)
    with caplog.at_level(logging.WARNING):
        make(tmp_path, written)
    assert files(tmp_path) == before
    assert f"{name}' is damaged" in caplog.text


@pytest.mark.parametrize("name", ["shard-000001.safetensors", "index.json", CLAIM])
@pytest.mark.parametrize("damage", ["first", "last", "length", "cut", "longer", "nothing", "mark"])
def test_damage_of_every_kind_is_found(tmp_path, caplog, name, damage):
    make(tmp_path, written)
    before = files(tmp_path)
    whole = before[name]
    (tmp_path / name).write_bytes(
        {
            "first": bytes([whole[0] ^ 255]) + whole[1:],
            "last": whole[:-1] + bytes([whole[-1] ^ 1]),
            "length": b"\xff" * 8 + whole[8:],
            "cut": whole[:-1],
            "longer": whole + b"\n",
            "nothing": b"",
            "mark": whole.replace(b"sha256", b"sha257", 1).replace(b'"items": 10', b'"items": 11'),
        }[damage]
    )
    make(tmp_path, written)
    assert files(tmp_path) == before
    assert f"{name}' is damaged" in caplog.text


def test_a_sound_harvest_is_read_without_a_warning(tmp_path, caplog):
    make(tmp_path, written)
    make(tmp_path, written)
    assert caplog.text == ""


def test_a_damaged_claim_does_not_open_the_folder_to_another_plan(tmp_path):
    make(tmp_path, written)
    (tmp_path / CLAIM).write_text("{}")
    before = files(tmp_path)
    with pytest.raises(ConfigError, match="batch=32, and this one has 5"):
        make(tmp_path, written, batch=5)
    with pytest.raises(DataError, match="made from other texts"):
        make(tmp_path, lambda: iter(some_texts(10, seed=1)))
    assert files(tmp_path) == before


# A data set that changes


@pytest.mark.parametrize("change", ["other", "shorter", "longer", "swapped"])
def test_a_changed_data_set_leaves_the_folder_as_it_was(tmp_path, change):
    make(tmp_path, written)
    before = files(tmp_path)
    changed = {
        "other": some_texts(10, seed=1),
        "shorter": WRITTEN[:6],  # as many items as two shards have
        "longer": [*WRITTEN, *WRITTEN],
        "swapped": [*WRITTEN[3:6], *WRITTEN[:3], *WRITTEN[6:]],
    }[change]
    with pytest.raises(DataError, match="the data set has changed"):
        make(tmp_path, lambda: iter(changed))
    assert files(tmp_path) == before


def test_a_whole_shard_of_other_texts_is_not_taken_for_ours(tmp_path):
    make(tmp_path, written)
    first = survey(lambda: iter(some_texts(10, seed=1)), tmp_path, 3)[0]
    with pytest.raises(DataError, match="was made from other texts"):
        shards.is_complete(first, Plan.of(reader(), ["embed"], items_per_shard=3))


def test_where_a_text_ends_is_part_of_its_hash():
    assert hash_texts(["ab", "c"]) != hash_texts(["a", "bc"])
    assert hash_texts(["a", ""]) != hash_texts(["a"])


WATCH: list = []


def watch(event, args):
    if WATCH and event in ("open", "os.rename", "os.link", "os.mkdir"):
        WATCH[0](str(args[0]))


def test_a_data_set_rewritten_at_any_step_gives_an_error_or_the_right_bytes(tmp_path):
    one, two = "\n".join(WRITTEN), "\n".join([*some_texts(7, seed=5), *WRITTEN[3:]])
    right = []
    for content in (one, two):
        (tmp_path / "data.txt").write_text(content)
        make(tmp_path / f"right_{len(right)}", partial(texts, tmp_path / "data.txt"))
        right.append(files(tmp_path / f"right_{len(right)}"))
    sys.addaudithook(watch)
    ends = set()
    for step in range(10_000):
        (tmp_path / "data.txt").write_text(one)
        seen = 0

        def rewrite(path, step=step):
            nonlocal seen
            if str(tmp_path) in path:
                seen += 1
                if seen == step + 1:
                    WATCH.clear()
                    (tmp_path / "data.txt").write_text(two)

        WATCH[:] = [rewrite]
        out = tmp_path / "out"
        try:
            make(out, partial(texts, tmp_path / "data.txt"))
            assert files(out) in right
            ends.add("right")
        except DataError as error:
            assert "changed while it was read" in str(error)
            ends.add("error")
        over = bool(WATCH)
        WATCH.clear()
        shutil.rmtree(out, ignore_errors=True)
        if over:  # it has no such step
            break
    assert step > 20
    assert ends == {"right", "error"}


# What is somebody else's


def test_a_strangers_files_and_folders_stay(tmp_path):
    for name in ("thesis.part/chapter.tex", "tmpab12cd34.part/a", "shard-000001.part/b",
                 "shard-000001.safetensors.abcd1234.part/mine.txt", "notes.txt", "config.json",
                 "shard-1.safetensors", "old/shard-000000.safetensors"):  # fmt: skip
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("mine")
    before = files(tmp_path)
    for _ in range(2):
        make(tmp_path, written)
        after = files(tmp_path)
        assert {name: after[name] for name in before} == before


@pytest.mark.parametrize(
    "name", ["index.json", "shard-000000.safetensors", "shard-000099.safetensors"]
)
def test_files_of_our_names_from_elsewhere_are_not_overwritten(tmp_path, name):
    if name == "index.json":
        (tmp_path / name).write_text("{}")
    else:
        save_file({"mine": torch.ones(1)}, tmp_path / name)
    before = files(tmp_path)
    with pytest.raises(DataError, match=f"has a file '{name}', and no {CLAIM}"):
        make(tmp_path, written)
    assert files(tmp_path) == before


def test_what_killed_processes_left_is_taken_away(tmp_path):
    room = tmp_path / "shard-000001.safetensors.abcd_123.part"
    room.mkdir()
    (room / "shard-000001.safetensors").write_text("half")
    (room / ".tmpX1").write_text("half")
    make(tmp_path, written)
    assert not room.exists()


def test_another_tokenizer_is_another_plan(tmp_path):
    make(tmp_path, written)
    before = files(tmp_path)
    other = [*WORDS[:2], *reversed(WORDS[2:])]
    with pytest.raises(ConfigError, match="tokenizer="):
        make(tmp_path, written, reader(other))
    assert files(tmp_path) == before


def test_of_two_harvests_at_once_in_one_folder_one_is_told(tmp_path):
    right = []
    for batch in (2, 5):
        make(tmp_path / f"right_{batch}", written, batch=batch)
        right.append(files(tmp_path / f"right_{batch}"))

    def work(folder, batch):
        try:
            make(folder, written, batch=batch)
        except ConfigError:
            os._exit(2)
        os._exit(0)

    for number in range(5):
        folder = tmp_path / str(number)
        folder.mkdir()
        both = [get_context("fork").Process(target=work, args=(folder, b)) for b in (2, 5)]
        for process in both:
            process.start()
        for process in both:
            process.join()
        assert sorted(process.exitcode for process in both) == [0, 2]
        assert files(folder) == right[both[1].exitcode == 0]


def test_a_claim_that_another_process_wrote_in_between_counts(tmp_path, monkeypatch):
    make(tmp_path / "other", written, batch=5)
    link = os.link

    def slow(part, file):
        shutil.copy(tmp_path / "other" / CLAIM, file)
        link(part, file)

    monkeypatch.setattr(os, "link", slow)
    with pytest.raises(ConfigError, match="batch=5, and this one has 32"):
        make(tmp_path / "out", written)
    assert list(files(tmp_path / "out")) == [CLAIM]


def test_a_file_system_without_links_will_do(tmp_path, monkeypatch):
    def link(part, file):
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", link)
    make(tmp_path / "a", written)
    monkeypatch.undo()
    make(tmp_path / "b", written)
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_each_shard_is_opened_once_for_the_index(tmp_path, monkeypatch):
    opened = []
    real = shards.safe_open
    make(tmp_path, written)
    monkeypatch.setattr(shards, "safe_open", lambda *a: [opened.append(a[0]), real(*a)][1])
    model = reader()
    plan = Plan.of(model, ["embed"], items_per_shard=3)
    shards.write_index(survey(written, tmp_path, 3), plan, model.cfg)
    assert len(opened) == len(set(opened)) == 4


def test_a_tensor_that_cannot_be_written_leaves_nothing(tmp_path):
    plan = Plan.of(reader(), ["embed"], items_per_shard=3)
    (first, *_) = survey(written, tmp_path, 3)
    with pytest.raises(OSError, match="cannot be written"):
        write(first, plan, {"tokens": torch.ones(3).to_sparse()}, 0)
    assert files(tmp_path) == {}


def test_the_index_says_what_the_shards_hold(tmp_path):
    make(tmp_path, written, pos=4)
    index = json.loads((tmp_path / "index.json").read_text())
    lengths = [len(text.split()) + 1 for text in WRITTEN]
    assert index["items"] == 10
    assert index["tokens"] == sum(min(length, 4) for length in lengths)
    assert index["cut"] == sum(length > 4 for length in lengths)
    assert [row["items"] for row in index["shards"]] == [3, 3, 3, 1]
    assert [row["first_item"] for row in index["shards"]] == [0, 3, 6, 9]
