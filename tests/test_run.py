"""A harvest's run: where it stops, what it holds in memory, and every item once and in order."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicache.harvest import run as app
from minicache.harvest.plan import Plan
from minicache.harvest.shards import survey, write_index
from minicache.memory.live import LiveBytes
from tests.harvests import reader, rows_by_item, some_texts
from tests.worlds import N_CTX


@pytest.mark.parametrize(
    ("names", "stop"),
    [
        (("hook_embed",), 0),
        (("blocks.0.attn.hook_z",), 1),
        (("hook_embed", "blocks.1.hook_resid_pre"), 2),
        (("blocks.0.hook_resid_pre", "ln_final.hook_scale"), None),
        (("unembed.hook_out",), None),
    ],
)
def test_a_run_stops_as_soon_as_all_has_passed(names, stop):
    assert app._find_stop(names) == stop


@given(
    number=st.integers(1, 25),
    per_shard=st.integers(1, 9),
    batch=st.integers(1, 9),
    pos=st.integers(1, N_CTX),
    world=st.integers(1, 4),
)
def test_every_item_comes_once_and_in_order(number, per_shard, batch, pos, world):
    model = reader()
    written = some_texts(number)
    plan = Plan.of(model, ["embed"], pos, batch, per_shard)
    with tempfile.TemporaryDirectory() as folder:
        shards = survey(lambda: iter(written), Path(folder), per_shard)
        for rank in range(world):
            list(app.harvest(model, lambda: iter(written), shards, plan, rank, world))
        write_index(shards, plan, model.cfg)
        found = [item["tokens"].tolist() for item in rows_by_item(Path(folder))]
    assert found == [model.to_tokens(text)[0, :pos].tolist() for text in written]


def test_memory_does_not_grow_with_the_data(tmp_path):
    model = reader()
    peaks = []
    for number in (20, 200):
        written = some_texts(number)
        plan = Plan.of(model, ["*"], items_per_shard=10, batch=5)
        folder = tmp_path / str(number)
        shards = survey(partial(iter, written), folder, 10)
        with LiveBytes() as live:
            list(app.harvest(model, partial(iter, written), shards, plan))
        peaks.append(live.peak)
    assert peaks[1] <= 1.5 * peaks[0]


def test_a_tokenizer_without_a_start_of_text_can_be_harvested():
    model = reader()
    model.tokenizer.bos_token_id = None
    made, cut = app.gather(model, ["a b", "c"], Plan.of(model, ["embed"]))
    assert model.to_string(made["tokens"]) == "a b c"
    assert (made["offsets"].tolist(), cut) == ([0, 2, 3], 0)


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "less than a second"), (1, "0:00:01"), (3600, "1:00:00")]
)
def test_a_dry_run_tells_no_time_of_zero(seconds, said):
    assert app._format_duration(seconds) == said
