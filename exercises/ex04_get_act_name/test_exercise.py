"""What exercise 4 shows: every kind of address, and what names nothing."""

from exercises.grader.kit import points

TITLE = "a grammar of names"
LESSON = "lesson 9, Addresses"


@points(2)
def test_it_expands_the_names_of_a_block(answer, see):
    see("get_act_name('q', 3)", lambda: answer.get_act_name("q", 3))
    see("get_act_name('pre', 3)", lambda: answer.get_act_name("pre", 3))
    see("get_act_name('resid_mid', 12)", lambda: answer.get_act_name("resid_mid", 12))
    see("get_act_name('mlp_out', 1)", lambda: answer.get_act_name("mlp_out", 1))


def test_layer_0_is_a_layer(answer, see):
    see("get_act_name('z', 0)", lambda: answer.get_act_name("z", 0))
    see("get_act_name('scale', 0, 'ln2')", lambda: answer.get_act_name("scale", 0, "ln2"))


def test_the_whole_model_and_layernorms(answer, see):
    see("get_act_name('embed')", lambda: answer.get_act_name("embed"))
    see("get_act_name('normalized', 3, 'ln1')", lambda: answer.get_act_name("normalized", 3, "ln1"))
    see("get_act_name('scale')", lambda: answer.get_act_name("scale"))


def test_full_names_and_aliases(answer, see):
    see("get_act_name('hook_embed')", lambda: answer.get_act_name("hook_embed"))
    full = "blocks.3.attn.hook_q"
    see(f"get_act_name({full!r})", lambda: answer.get_act_name(full))
    see("get_act_name('attn', 2)", lambda: answer.get_act_name("attn", 2))


def test_what_names_nothing_raises(answer, see):
    see("get_act_name('kew', 3)", lambda: answer.get_act_name("kew", 3))
    see("get_act_name('q')", lambda: answer.get_act_name("q"))
    see("get_act_name('scale', 3)", lambda: answer.get_act_name("scale", 3))
