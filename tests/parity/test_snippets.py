"""The lessons' own code, run here and in TransformerLens 3.9.0: equal prints, values, variables.

A fence `run both` of a lesson promises that. Such fences of a page are one script. Two things
differ there, and nothing else: `minicache` is TransformerLens, and its model has our weights.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

pytest.importorskip(
    "transformer_lens", reason="TransformerLens is not installed: see tests/parity/README.md"
)

from tokenizers import Tokenizer, pre_tokenizers  # only where the peer is there
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

import minicache
from tests.peer import peer_of

LESSONS = Path(__file__).parents[2] / "lessons"
sys.path.insert(0, str(LESSONS / "_site"))
import lesson as lessons  # noqa: E402  # the builder of the pages finds their fences

PAGES = {
    page.stem: [block.text for block in lessons.Lesson(page.stem, page.read_text()).blocks()
                if (block.kind, block.info) == ("run", "both")]
    for page in sorted(LESSONS.glob("*.md"))
}  # fmt: skip
PAGES = {name: snippets for name, snippets in PAGES.items() if snippets}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    """The shipped model's words, as the peer's kind of tokenizer."""
    words = minicache.HookedTransformer.from_pretrained().tokenizer.words
    inner = Tokenizer(WordLevel({word: n for n, word in enumerate(words)}, unk_token="<pad>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    special = {"bos_token": "<bos>", "eos_token": "<bos>", "pad_token": "<pad>"}
    folder = tmp_path_factory.mktemp("tokenizer")
    PreTrainedTokenizerFast(tokenizer_object=inner, **special).save_pretrained(folder)
    return PreTrainedTokenizerFast.from_pretrained(folder)  # it is to have a place: the peer asks


@pytest.fixture
def peer(tokenizer):
    """TransformerLens, but that its `from_pretrained()` gives the shipped model's weights."""
    module = ModuleType("minicache")
    module.HookedTransformer = ModuleType("HookedTransformer")
    module.HookedTransformer.from_pretrained = lambda: peer_of(
        minicache.HookedTransformer.from_pretrained(), tokenizer
    )
    return module


def run(code, space):
    """What running it prints, and the value of its last line."""
    session = lessons.Session()
    session.space = space
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        session.run(code)
    return out.getvalue(), session.last


def same(one, two, where):
    """How many leaves of two values were compared, and found equal up to rounding."""
    if isinstance(one, torch.Tensor) and isinstance(two, torch.Tensor):
        torch.testing.assert_close(one.detach(), two.detach(), atol=2e-4, rtol=1e-4, msg=where)
        return 1
    if isinstance(one, minicache.ActivationCache):
        asked = [name for name in two if not name.endswith("hook_result")]  # analyses add those
        assert list(one) == asked, where
        assert one.has_batch_dim == two.has_batch_dim
        return sum(same(one[name], two[name], f"{where}[{name}]") for name in one)
    if isinstance(one, list | tuple):
        assert len(one) == len(two), where
        return sum(
            same(a, b, f"{where}[{n}]") for n, (a, b) in enumerate(zip(one, two, strict=True))
        )
    if isinstance(one, bool | int | str):
        assert one == two, where
        return 1
    if isinstance(one, float):
        assert one == pytest.approx(two, abs=1e-3), where
        return 1
    return 0  # functions, modules, the models themselves


def same_text(one, two):
    """Equal but for the last digits of numbers: and each number is compared as one."""
    number = r"-?\d+\.\d+"
    assert re.sub(number, "#", one) == re.sub(number, "#", two)
    for a, b in zip(re.findall(number, one), re.findall(number, two), strict=True):
        assert float(a) == pytest.approx(float(b), abs=0.011)
    return len(one.splitlines())


def test_there_are_at_least_thirty_snippets():
    assert sum(map(len, PAGES.values())) >= 30


@pytest.mark.parametrize("page", PAGES)
def test_a_pages_snippets_give_the_same_in_both(page, peer, monkeypatch):
    ours, theirs = {"__name__": "__main__"}, {"__name__": "__main__"}
    for snippet in PAGES[page]:
        torch.manual_seed(0)
        printed, value = run(snippet, ours)
        with monkeypatch.context() as patch:
            for name in [name for name in sys.modules if name.partition(".")[0] == "minicache"]:
                patch.setitem(sys.modules, name, sys.modules[name])
            patch.setitem(sys.modules, "minicache", peer)
            torch.manual_seed(0)
            their_printed, their_value = run(snippet, theirs)
        assert ours.keys() == theirs.keys()
        compared = same_text(printed, their_printed) + same(value, their_value, "the value")
        compared += sum(same(ours[name], theirs[name], name) for name in ours if name[0] != "_")
        assert compared + snippet.count("assert ") > 0, snippet
    assert theirs["model"].__class__.__module__.startswith("transformer_lens")
