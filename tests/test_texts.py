"""Data sets of every kind give their texts, and say what is wrong with them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from minicache.errors import DataError
from minicache.harvest.texts import texts


def test_text_and_json_lines_and_saved_data_sets_give_the_same_items(tmp_path):
    package = pytest.importorskip("datasets", reason="the extra `data` is not installed")
    written = ["a b", "  c", "d é"]
    (tmp_path / "data.txt").write_text("a b\n\n  c\n \nd é", encoding="utf-8")
    rows = "".join(json.dumps({"text": text, "id": 1}) + "\n" for text in written)
    (tmp_path / "data.jsonl").write_text(rows)
    made = package.Dataset.from_dict({"text": written, "id": [1, 2, 3]})
    made.save_to_disk(tmp_path / "one")
    package.DatasetDict({"train": made, "test": made.select([2])}).save_to_disk(tmp_path / "two")
    for name in ("data.txt", "data.jsonl", "one", "two"):
        assert list(texts(tmp_path / name)) == written
    assert list(texts(tmp_path / "two", split="test")) == ["d é"]
    renamed = made.rename_column("text", "story")
    renamed.save_to_disk(tmp_path / "three")
    assert list(texts(tmp_path / "three", field="story")) == written


def test_a_byte_order_mark_is_no_part_of_a_text(tmp_path):
    for name, content in (("a.txt", "a b\nc"), ("a.JsonL", '{"text": "a b"}\n{"text": "c"}')):
        (tmp_path / name).write_text(content, encoding="utf-8-sig")
        assert list(texts(tmp_path / name)) == ["a b", "c"]


def test_a_saved_data_set_without_rows_is_told(tmp_path):
    package = pytest.importorskip("datasets", reason="the extra `data` is not installed")
    package.Dataset.from_dict({"text": []}).save_to_disk(tmp_path / "none")
    with pytest.raises(DataError, match="has no rows"):
        list(texts(tmp_path / "none"))


def test_a_name_on_the_hub_goes_to_the_package(monkeypatch):
    package = pytest.importorskip("datasets", reason="the extra `data` is not installed")
    asked = []

    def load_dataset(name, subset, split):
        asked.append((name, subset, split))
        return [{"text": "a"}]

    monkeypatch.setattr(package, "load_dataset", load_dataset)
    assert list(texts("owner/name", split="test", subset="small")) == ["a"]
    assert asked == [("owner/name", "small", "test")]


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("a.jsonl", '{"text": "a"}\n{"text": ', "object 1: this line is not valid JSON"),
        ("a.jsonl", '{"text": "a"}\n{"story": "b"}', "object 1: no text in the field 'text'"),
        ("a.jsonl", '{"text": 3}', "It has: 'text'"),
        ("a.jsonl", "[1]", "It has: list"),
        ("a.JSONL", '{"story": "a"}', "no text in the field 'text'"),
        ("a.jsonl", "[" * 100_000, "object 0: this line is not valid JSON"),
        (
            "a.jsonl",
            '{"text": "a"}\n{"text": "\\ud800"}',
            "object 1: its text is not valid Unicode: 'utf-8' codec",
        ),
        ("a.csv", "text\na", ".csv files cannot be read. Give a text file"),
        ("a.CSV", "text\na", ".CSV files cannot be read"),
        ("a.parquet", "PAR1", ".parquet files cannot be read"),
        ("a.txt.gz", b"\x1f\x8b", ".gz files cannot be read"),
        ("a.txt", b"\xff\xfe", "not text in UTF-8"),
        ("nowhere.txt", None, "There is no data set"),
        ("folder", "", "cannot be loaded"),
        ("two", "", "no split 'train'. It has: test"),
    ],
)
def test_a_data_set_that_cannot_be_read_is_told(tmp_path, file, content, words):
    path = tmp_path / file
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        path.write_text(content)
    elif file == "folder":
        path.mkdir()
    elif file == "two":
        package = pytest.importorskip("datasets", reason="the extra `data` is not installed")
        one = package.Dataset.from_dict({"text": ["a"]})
        package.DatasetDict({"test": one}).save_to_disk(path)
    with pytest.raises(DataError, match=words.replace("[", r"\[")):
        list(texts(path))


def test_a_hub_that_does_not_answer_is_told(tmp_path):
    pytest.importorskip("datasets", reason="the extra `data` is not installed")
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "minicache", "harvest", "owner/name", str(tmp_path / "out"),
         "--names", "z0"],
        capture_output=True, text=True, env=env,
    )  # fmt: skip
    assert done.returncode == 2
    assert "The data set 'owner/name' cannot be loaded" in done.stderr
    assert "Traceback" not in done.stderr
