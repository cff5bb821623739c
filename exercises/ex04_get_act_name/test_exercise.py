"""What exercise 4 shows: every kind of address, and what names nothing."""

from exercises.grader.kit import points

TITLE = "a grammar of names"
LESSON = "lesson 9, Addresses"
BLOCKS_OWN = ("resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out")
ATTENTIONS = ("q", "k", "v", "z", "attn_scores", "pattern")
MLPS = ("pre", "post")


def ask(answer, see, *address):
    words = ", ".join(map(repr, address))
    see(f"get_act_name({words})", lambda: answer.get_act_name(*address))


def test_it_expands_the_names_of_a_block(answer, see):
    for name, layer in (("q", 3), ("pre", 3), ("resid_mid", 12), ("z", 0), ("mlp_out", 0)):
        ask(answer, see, name, layer)
    for layer in (1, 0, 10):
        for name in (*BLOCKS_OWN, *ATTENTIONS, *MLPS):
            if (name, layer) not in (("z", 0), ("mlp_out", 0)):
                ask(answer, see, name, layer)


def test_the_whole_model_and_layernorms(answer, see):
    for name in ("embed", "pos_embed", "scale", "normalized"):
        ask(answer, see, name)
    for layer in (3, 0, 11):
        for name in ("scale", "normalized"):
            for layer_type in ("ln1", "ln2"):
                ask(answer, see, name, layer, layer_type)
    see(
        "get_act_name(name='scale', layer=1, layer_type='ln2')",
        lambda: answer.get_act_name(name="scale", layer=1, layer_type="ln2"),
    )


def test_full_names_and_aliases(answer, see):
    for name in (
        "hook_embed",
        "blocks.3.attn.hook_q",
        "blocks.0.hook_resid_pre",
        "blocks.10.ln2.hook_scale",
        "ln_final.hook_normalized",
        "blocks.1.mlp.hook_post",
    ):
        ask(answer, see, name)
    for layer in (2, 0):
        ask(answer, see, "attn", layer)
    see(
        "get_act_name(get_act_name('q', 0))",
        lambda: answer.get_act_name(answer.get_act_name("q", 0)),
    )


@points(4)
def test_what_names_nothing_raises(answer, see):
    for address in (
        ("kew", 3), ("kew",), ("kew", 0), ("", 1), ("Q", 1), ("resid", 1), ("attn_score", 2),
        ("q",), ("resid_pre",), ("mlp_out",), ("pre",), ("attn",),
        ("scale", 3), ("scale", 0), ("normalized", 3),
    ):  # fmt: skip
        ask(answer, see, *address)
