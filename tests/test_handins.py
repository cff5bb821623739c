"""Hand-ins as people make them: encodings, names and places that the documents do not ask for."""

from __future__ import annotations

import codecs

import pytest

from exercises.grader.bank import exercises_in, grade

FIRST = exercises_in()[0]
SOLUTION = (FIRST.folder / "meta" / "solution.py").read_text()


@pytest.mark.parametrize(
    ("before", "encoding"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        ("# -*- coding: latin-1 -*-\n# schön\n".encode("latin-1"), "latin-1"),
        ("# coding: cp1252\n# 5 €\n".encode("cp1252"), "cp1252"),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_an_answer_is_read_as_python_reads_it(tmp_path, before, encoding, newline):
    answer = tmp_path / "answer.py"
    for text, status in ((SOLUTION, "passed"), (FIRST.stub.read_text(), "not started")):
        answer.write_bytes(before + text.replace("\n", newline).encode(encoding))
        assert grade(FIRST, answer).status == status


@pytest.mark.parametrize(
    "content", [b"# coding: no-such-code\n", b"# sch\xf6n\n", "x = 1".encode("utf-16")]
)
def test_a_file_that_python_cannot_read_is_told(tmp_path, content):
    answer = tmp_path / "answer.py"
    answer.write_bytes(content)
    result = grade(FIRST, answer)
    assert (result.status, result.score) == ("crashed", 0)
    assert "cannot be read" in result.problem
