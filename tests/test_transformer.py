"""The whole model: its runs, its weights, its words, and that it travels."""

import copy
import io
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minicache import HookedTransformer, HookedTransformerConfig
from minicache.errors import (
    ArgumentTypeError,
    ConfigError,
    LayerRangeError,
    MissingParameterError,
    TokenError,
    UnknownWordError,
)
from minicache.names import split_act_name
from tests.worlds import D_VOCAB, N_CTX, assert_close, models, random_model, tokens

GOOD = dict(n_layers=2, d_model=8, n_ctx=4, d_head=4, d_vocab=5)


def test_the_loss_is_the_mean_cross_entropy_of_each_next_token():
    model, ids = random_model(), tokens(3, 5)
    logits, loss = model(ids, return_type="both")
    expected = -logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None]).mean()
    assert_close(loss, expected)
    assert torch.equal(model(ids, return_type="loss"), loss)
    assert model(ids, return_type=None) is None


@given(model=models(), data=st.data())
def test_stop_at_layer_gives_the_stream_before_that_block(model, data):
    n_layers, ids = model.cfg.n_layers, tokens(2, 3)
    _, cache = model.run_with_cache(ids)
    layer = data.draw(st.integers(-n_layers, n_layers - 1))
    assert torch.equal(model(ids, stop_at_layer=layer), cache["resid_pre", layer])
    assert torch.equal(model(ids, stop_at_layer=n_layers), cache["resid_post", -1])
    with pytest.raises(LayerRangeError):
        model(ids, stop_at_layer=n_layers + 1)


@given(model=models(), data=st.data())
def test_a_run_from_the_stream_at_a_layer_goes_on_as_the_run_that_it_comes_from(model, data):
    n_layers, ids = model.cfg.n_layers, tokens(2, 4)
    logits, cache = model.run_with_cache(ids)
    start = data.draw(st.integers(-n_layers, n_layers))
    at_end = start == n_layers
    stream = cache["resid_post", -1] if at_end else cache["resid_pre", start]
    again, rest = model.run_with_cache(stream, start_at_layer=start)
    assert torch.equal(again, logits)
    first = n_layers if at_end else start % n_layers
    assert list(rest) == [name for name in cache if not is_before(name, first)]
    loss = model(stream, start_at_layer=start, return_type="loss", tokens=ids)
    assert torch.equal(loss, model(ids, return_type="loss"))
    stop = data.draw(st.integers(first, n_layers))
    between = model(stream, start_at_layer=start, stop_at_layer=stop)
    assert torch.equal(between, model(ids, stop_at_layer=stop))


def is_before(name, layer):
    place, _ = split_act_name(name)
    return name in ("hook_embed", "hook_pos_embed") or (place is not None and place < layer)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (dict(start_at_layer=3), LayerRangeError, "Layer 3"),
        (dict(start_at_layer=2, stop_at_layer=1), LayerRangeError, "is 2 or later"),
        (dict(start_at_layer=None), ConfigError, "only for start_at_layer"),
        (dict(input=tokens(2, 4)), ConfigError, "not from torch.int64"),
        (dict(input="a text"), ConfigError, "not from str"),
        (dict(input=torch.zeros(4, 10)), ConfigError, r"\(4, 10\)"),
        (dict(input=torch.zeros(2, 4, 11)), ConfigError, "d_model=10"),
        (dict(input=torch.zeros(2, 0, 10)), ConfigError, "at least"),
        (dict(return_type="loss", tokens=None), ConfigError, "needs the tokens of the stream"),
        (dict(return_type="loss", tokens=tokens(2, 3)), ConfigError, r"\(2, 3\)"),
        (dict(return_type="loss", tokens=tokens(2, 4) + 99), TokenError, "0 to 10"),
    ],
)
def test_a_stream_that_a_run_cannot_start_from_raises_before_any_work(change, error, words):
    model, calls = random_model(), []
    model.add_hook(lambda name: True, lambda t, hook: calls.append(hook.name))
    asked = dict(input=torch.zeros(2, 4, 10).double(), start_at_layer=1, tokens=tokens(2, 4))
    with pytest.raises(error, match=words):
        model(**(asked | change))
    assert calls == []


def test_one_row_of_tokens_needs_no_batch_axis():
    model, ids = random_model(), tokens(1, 4)
    assert torch.equal(model(ids[0]), model(ids))


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (torch.tensor([[0, D_VOCAB]]), ["0 to 10", "to 11"]),
        (torch.tensor([[-1, 0]]), ["from -1"]),
        (torch.zeros(1, N_CTX + 1, dtype=torch.long), ["10 tokens", "n_ctx=9"]),
        (torch.zeros(1, 3), ["ints", "float32"]),
        (torch.zeros(1, 3, dtype=torch.bool), ["ints", "bool"]),
        (torch.zeros(1, 3, dtype=torch.complex64), ["ints"]),
        (torch.zeros(0, 3, dtype=torch.long), ["(0, 3)"]),
        (torch.zeros(1, 0, dtype=torch.long), ["(1, 0)"]),
        (torch.zeros(1, 1, 1, dtype=torch.long), ["(1, 1, 1)"]),
        (torch.tensor(3), ["()"]),
        ("a text", ["no tokenizer"]),
    ],
)
def test_tokens_that_cannot_be_read_raise_before_any_work(bad, words):
    model, calls = random_model(), []
    model.add_hook(lambda name: True, lambda t, hook: calls.append(hook.name))
    with pytest.raises(TokenError) as caught:
        model(bad)
    for word in words:
        assert word in str(caught.value)
    assert calls == []


def test_other_bad_arguments_raise():
    model = random_model()
    with pytest.raises(ConfigError, match="'logits', 'loss', 'both' or None"):
        model(tokens(1, 2), return_type="logit")
    with pytest.raises(TokenError, match="at least 2 tokens"):
        model(tokens(1, 1), return_type="loss")


def test_a_seed_fixes_the_first_weights_and_leaves_torchs_generator_alone():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    one, two = (HookedTransformer(HookedTransformerConfig(**GOOD, seed=3)) for _ in range(2))
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_the_shortcuts_stack_every_layers_weights():
    model = random_model(2, n_heads=3)
    shapes = {
        "W_Q": (2, 3, 10, 4), "W_K": (2, 3, 10, 4), "W_V": (2, 3, 10, 4), "W_O": (2, 3, 4, 10),
        "b_Q": (2, 3, 4), "b_K": (2, 3, 4), "b_V": (2, 3, 4), "b_O": (2, 10),
        "W_in": (2, 10, 7), "b_in": (2, 7), "W_out": (2, 7, 10), "b_out": (2, 10),
        "W_E": (11, 10), "W_pos": (9, 10), "W_U": (10, 11), "b_U": (11,),
    }  # fmt: skip
    for name, shape in shapes.items():
        assert getattr(model, name).shape == shape, name
    assert torch.equal(model.W_O[1], model.blocks[1].attn.W_O)


def test_a_state_dict_with_transformerlenss_two_constants_loads():
    model = random_model()
    state = model.state_dict()
    state["blocks.0.attn.mask"] = torch.zeros(0, 0)
    state["blocks.0.attn.IGNORE"] = torch.tensor(-torch.inf)
    model.load_state_dict(state)
    assert "blocks.0.attn.mask" in state  # the caller's dictionary is the caller's


@given(model=models(), mlp_input=st.booleans(), include=st.booleans(), data=st.data())
def test_the_accumulated_bias_is_the_sum_of_the_output_biases(model, mlp_input, include, data):
    n_layers = model.cfg.n_layers
    layer = data.draw(st.integers(0, n_layers - mlp_input))
    expected = torch.zeros(10, dtype=torch.float64)
    for block in list(model.blocks)[:layer]:
        expected = expected + block.attn.b_O
        if block.mlp is not None and include:
            expected = expected + block.mlp.b_out
    if mlp_input:
        expected = expected + model.blocks[layer].attn.b_O
    assert_close(model.accumulated_bias(layer, mlp_input, include), expected)
    with pytest.raises(LayerRangeError):
        model.accumulated_bias(n_layers, mlp_input=True)


def test_text_becomes_tokens_and_comes_back(shipped):
    ids = shipped.to_tokens("In France people")
    assert ids.shape == (1, 4)
    assert shipped.to_string(ids) == ["<bos> In France people"]
    assert shipped.to_string(ids[0]) == "<bos> In France people"
    assert shipped.to_string([int(ids[0, 2])]) == "France"
    assert shipped.to_str_tokens("In France") == ["<bos>", "In", "France"]
    assert shipped.to_str_tokens("In France", prepend_bos=False) == ["In", "France"]
    assert shipped.to_str_tokens(ids) == ["<bos>", "In", "France", "people"]
    assert shipped.to_single_token("France") == int(ids[0, 2])


def test_shorter_texts_are_filled_up_and_do_not_count(shipped):
    short, long = "In France people", "The capital of France is Paris ."
    both = shipped.to_tokens([short, long])
    assert both.shape == (2, 8)
    assert shipped.to_string(both)[0].endswith("people <pad> <pad> <pad> <pad>")
    alone = shipped(short)
    assert torch.allclose(shipped([short, long])[0, :4], alone[0], atol=1e-4)
    losses = [shipped(text, return_type="loss") * n for text, n in ((short, 3), (long, 7))]
    assert torch.allclose(shipped([short, long], return_type="loss"), sum(losses) / 10, atol=1e-4)


@pytest.mark.parametrize("bad", [[], 3, None, [1, 2], ["In", 3]])
def test_what_is_no_text_raises(shipped, bad):
    with pytest.raises(TokenError, match="list of texts"):
        shipped.to_tokens(bad)


def test_unknown_words_raise_with_the_nearest_known_ones(shipped):
    with pytest.raises(UnknownWordError, match=r"'Pariss'\. Nearest: 'Paris'"):
        shipped("The capital of Pariss")
    with pytest.raises(UnknownWordError, match=r"'mary'\. Nearest: 'Mary'"):
        shipped("mary")
    with pytest.raises(UnknownWordError, match=r"'xyzzy'\. It knows"):
        shipped.to_tokens("xyzzy")


def test_single_tokens_and_directions(shipped):
    with pytest.raises(TokenError, match="is 2 tokens"):
        shipped.to_single_token("In France")
    with pytest.raises(TokenError, match="is 0 tokens"):
        shipped.to_single_token("")
    token = shipped.to_single_token("Mary")
    column = shipped.W_U[:, token]
    for asked in ("Mary", token, torch.tensor(token)):
        assert torch.equal(shipped.tokens_to_residual_directions(asked), column)
    batch = shipped.tokens_to_residual_directions(torch.tensor([[token, 0]]))
    assert batch.shape == (1, 2, 64)
    with pytest.raises(TokenError, match="tokens 0 to"):
        shipped.tokens_to_residual_directions(10_000)
    with pytest.raises(TokenError, match="a batch of 2"):
        shipped.to_str_tokens(torch.zeros(2, 2, dtype=torch.long))
    with pytest.raises(TokenError, match="tokens 0 to"):
        shipped.to_string([10_000])


@pytest.mark.parametrize("layer", [1.5, 1.0, 2.0, True, "1", [1]])
@pytest.mark.parametrize("argument", ["stop_at_layer", "start_at_layer"])
def test_a_layer_that_is_no_int_raises(argument, layer):
    with pytest.raises(ArgumentTypeError):
        random_model()(tokens(1, 3), **{argument: layer})


INTS = [torch.int8, torch.int16, torch.int32, torch.int64]
UNSIGNED = [torch.uint8, torch.uint16, torch.uint32, torch.uint64]


@pytest.mark.parametrize("dtype", INTS + UNSIGNED)
def test_tokens_may_be_ints_of_every_size(dtype):
    model, ids = random_model(), tokens(2, 4)
    assert torch.equal(model(ids.to(dtype)), model(ids))
    assert torch.equal(
        model.tokens_to_residual_directions(ids.to(dtype)), model.tokens_to_residual_directions(ids)
    )
    with pytest.raises(TokenError, match="to 100"):
        model(torch.full((1, 2), 100).to(dtype))


def test_a_list_of_words_gives_a_direction_for_each(shipped):
    words = ["Mary", "John"]
    expected = torch.stack([shipped.tokens_to_residual_directions(word) for word in words])
    assert torch.equal(shipped.tokens_to_residual_directions(words), expected)
    ids = [shipped.to_single_token(word) for word in words]
    assert torch.equal(shipped.tokens_to_residual_directions(ids), expected)
    assert shipped.to_string(ids) == "Mary John"


def test_tokens_given_in_any_way_have_the_same_ids(shipped):
    mary, john = (shipped.to_single_token(word) for word in ("Mary", "John"))
    for asked in (["Mary", "John"], [mary, john], torch.tensor([mary, john], dtype=torch.int32)):
        ids = shipped.to_token_ids(asked)
        assert ids.tolist() == [mary, john]
        assert ids.dtype == torch.int64
    assert shipped.to_token_ids("Mary").shape == ()
    with pytest.raises(TokenError, match="is not tokens"):
        shipped.to_token_ids(10**30)


@pytest.mark.parametrize("bad", [None, "ab", [[1], [1, 2]], [1, "a"], object(), {"a": 1}, [None]])
def test_what_is_no_token_raises_our_error(shipped, bad):
    with pytest.raises(TokenError):
        shipped.tokens_to_residual_directions(bad)
    with pytest.raises(TokenError):
        shipped.to_string(bad)


@pytest.mark.parametrize("name", ["W_in", "b_in", "W_out", "b_out"])
def test_a_model_without_mlps_says_so_when_their_weights_are_asked_for(name):
    model = random_model(attn_only=True)
    with pytest.raises(MissingParameterError, match=f"no {name}: the model is attn_only"):
        getattr(model, name)
    assert not hasattr(model, name)
    assert not hasattr(model, "W_none")
    assert model.W_Q.shape == (2, 3, 10, 4)


def sums(model, cache, ids):
    """Runs in another process. Sums, for a tensor is sent back through a file."""
    with torch.no_grad():
        return float(model(ids).sum()), float(cache["resid_post", -1].sum()), model.cfg.n_heads


@pytest.mark.parametrize("options", [dict(), dict(act_fn="gelu"), dict(attn_only=True)])
def test_a_model_and_a_cache_can_be_pickled_copied_and_saved(options):
    model, ids = random_model(**options), tokens(2, 4)
    logits, cache = model.run_with_cache(ids)

    def saved(thing):
        file = io.BytesIO()
        torch.save(thing, file)
        file.seek(0)
        return torch.load(file, weights_only=False)

    for again in (lambda x: pickle.loads(pickle.dumps(x)), copy.deepcopy, saved):
        assert torch.equal(again(model)(ids), logits)
        other = again(cache)
        assert all(torch.equal(other[name], cache[name]) for name in cache)
        assert torch.equal(other.decompose_resid(), cache.decompose_resid())


def test_a_model_and_a_cache_can_be_sent_to_a_spawned_process():
    model, ids = random_model(1), tokens(1, 3)
    _, cache = model.run_with_cache(ids)
    expected = sums(model, cache, ids)
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        found = pool.submit(sums, model, cache, ids).result()
    assert found == pytest.approx(expected)


def test_a_copy_has_the_models_hooks_and_not_those_of_a_run():
    model, ids, calls = random_model(), tokens(1, 3), []
    model.add_hook("hook_embed", lambda t, hook: calls.append("model's"))
    with model.hooks([("hook_embed", lambda t, hook: calls.append("run's"))]):
        twin = copy.deepcopy(model)
        twin(ids)
    assert calls == ["model's"]
    assert twin.hook_dict["hook_embed"] is twin.hook_embed


def test_forward_can_be_exported_and_compiled_without_a_break():
    model, ids = random_model(1), tokens(2, 4)
    exported = torch.export.export(model, (ids,), strict=False).module()
    assert_close(exported(ids), model(ids))
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    assert_close(compiled(ids), model(ids))
    assert_close(compiled(ids, return_type="loss"), model(ids, return_type="loss"))
    with pytest.raises(TokenError):
        model(ids + D_VOCAB)


def test_hooks_act_on_a_compiled_model_too():
    model, ids, name = random_model(1), tokens(2, 4), "blocks.0.attn.hook_z"
    compiled, plain = torch.compile(model, backend="eager"), model(ids)
    assert_close(compiled(ids), plain)
    with model.hooks([(name, lambda z, hook: 0 * z)]):
        without = compiled(ids)
        assert_close(without, model(ids))
    assert not torch.allclose(without, plain)
    assert_close(compiled(ids), plain)


def test_forward_runs_on_the_meta_device():
    model = random_model(1).to("meta")
    assert model(tokens(2, 4).to("meta")).shape == (2, 4, D_VOCAB)
    assert model(tokens(2, 4).to("meta"), return_type="loss").shape == ()
