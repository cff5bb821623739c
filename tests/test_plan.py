"""A harvest's plan: what it asks for, checked, and what that takes on the disk."""

from __future__ import annotations

import math

import pytest
import torch

from minicache.errors import ConfigError
from minicache.harvest.plan import Plan, row_shape
from minicache.model.tokenizers import HubTokenizer
from tests.checkpoints import write_tokenizer
from tests.harvests import WORDS, reader
from tests.worlds import random_model


def test_a_plan_checks_itself_for_those_who_call_it():
    model = random_model(dtype=torch.float32)
    with pytest.raises(ConfigError, match="give one of float32, float64, bfloat16, float16"):
        Plan.of(model, ["embed"], dtype="int8")
    for name in ("batch", "items_per_shard"):
        with pytest.raises(ConfigError, match=f"{name}=0: give 1 or more"):
            Plan.of(model, ["embed"], **{name: 0})
    for pos in (0, model.cfg.n_ctx + 1):
        with pytest.raises(ConfigError, match=f"pos={pos}: give 1 to {model.cfg.n_ctx}"):
            Plan.of(model, ["embed"], pos=pos)
    assert Plan.of(model, ["z1", "hook_embed", "*.hook_z"]).names == (
        "hook_embed",
        "blocks.0.attn.hook_z",
        "blocks.1.attn.hook_z",
    )


def test_row_shapes_of_a_known_shape():
    shape = random_model().cfg
    assert math.prod(row_shape(shape, "blocks.0.attn.hook_pattern", 5)) == 3 * 5
    assert row_shape(shape, "unembed.hook_out", 5) == (11,)
    assert row_shape(shape, "blocks.1.mlp.hook_post", 5) == (7,)


def test_each_part_of_a_tokenizer_is_in_its_hash(tmp_path):
    plans = {Plan.of(reader(words), ["embed"]).tokenizer for words in (WORDS, [*WORDS[:-1], "j"])}
    model = reader()
    model.tokenizer = None
    plans.add(Plan.of(model, ["embed"]).tokenizer)
    write_tokenizer(tmp_path / "tokenizer.json")
    for bos in (1, 2):
        model.tokenizer = HubTokenizer(tmp_path / "tokenizer.json", bos)
        plans.add(Plan.of(model, ["embed"]).tokenizer)
    assert len(plans) == 5
