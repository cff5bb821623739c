"""Exercise 4: a grammar of names. Lesson 9.

Nobody wants to type `blocks.3.attn.hook_q`. Please write the function that expands ("q", 3).

`get_act_name(name, layer=None, layer_type=None)` gives the full name of an activation:

- An activation of a block: `("q", 3)` is `blocks.3.attn.hook_q`, `("pre", 3)` is
  `blocks.3.mlp.hook_pre`, `("resid_pre", 3)` is `blocks.3.hook_resid_pre`. The table `PLACES` says
  what lives where. Layers count from 0.
- Of the whole model: `"embed"` is `hook_embed`.
- Of a LayerNorm: `("scale", 3, "ln1")` is `blocks.3.ln1.hook_scale`, and `"scale"` without a layer
  is `ln_final.hook_scale`.
- `ALIASES` are other words for the same. A full name (one with `hook_` in it) comes back unchanged.
- What names nothing raises a KeyError: an unknown word, a block's activation without a layer, the
  scale of a block without its LayerNorm.

    >>> get_act_name("z", 0)
    'blocks.0.attn.hook_z'

You may use the tables or write your own.

You may use all of minicache, but not its own `get_act_name`.
"""

# Which activations live where in a block. Those at "" are the block's own.
PLACES = {
    "": ("resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out"),
    "attn": ("q", "k", "v", "z", "attn_scores", "pattern"),
    "mlp": ("pre", "post"),
}
NORM = ("scale", "normalized")  # in ln1 and ln2 of a block, and in ln_final of the model
WHOLE = ("embed", "pos_embed")  # of the whole model
ALIASES = {"attn": "pattern"}


def get_act_name(name: str, layer: int | None = None, layer_type: str | None = None) -> str:
    raise NotImplementedError
