"""Wrong answers of this exercise, as edits of the reference."""

from exercises.grader.variants import Edit

LEFT = "                written = torch.as_tensor(right * alpha)\n"
TURNED = """            elif is_stream(right) and alpha == 1:
                written = torch.as_tensor(left).clone()
"""
FORM = """        if func.__name__ in SAME and is_stream(args[0]):
            forms.append(result)
"""
SHAPED = "written.expand(result.shape).reshape(stream.shape)"
SUM = "            forms[:] = [result]\n"
REFUSED = """    if not is_stream(behind):
        raise ValueError("The block returns something else than the stream that it added to.")
"""

EDITS = [
    Edit(
        "one_difference_for_all",
        {"    return writes\n": "    return [behind - stream]\n"},
        "All that the block wrote comes as one. What it gives less what it was given is the sum of "
        "all writes; the additions say which there were.",
    ),
    Edit(
        "every_addition",
        {"            if is_stream(left):\n": "            if not is_stream(right):\n"},
        "Additions count that are not to the stream: a bias inside of a layer, the epsilon of a norm. "
        "Only those count of which one operand is the stream.",
    ),
    Edit(
        "first_addition_only",
        {SUM: ""},
        "The sum is not taken for the stream, so what is added to it later is missed, and what the "
        "block returns does not look like the stream. After an addition the sum is the stream.",
    ),
    Edit(
        "old_stream_counts",
        {SUM: "            forms.append(result)\n"},
        "What was the stream before an addition still counts as the stream. Only the sum does: put it "
        "in the place of all that you held.",
    ),
    Edit(
        "one_order_only",
        {TURNED: ""},
        "`w + x` is not seen as an addition to x. Either operand may be the stream.",
    ),
    Edit(
        "gives_the_stream",
        {"written = torch.as_tensor(left).clone()": "written = torch.as_tensor(right).clone()"},
        "For `w + x` you give x, the stream itself, as the write. The write is the other operand.",
    ),
    Edit(
        "by_value",
        {
            "value is form for": "value is form or (isinstance(value, torch.Tensor) and value.shape == form.shape and bool((value == form).all())) for"
        },
        "A tensor with the stream's values is taken for the stream. Something that was computed from "
        "it may be equal to it: ask with `is`.",
    ),
    Edit(
        "by_address",
        {
            "value is form for": "value is form or (isinstance(value, torch.Tensor) and value.data_ptr() == form.data_ptr()) for"
        },
        "A part of the stream, or another tensor on the same memory, is taken for the stream. Ask with "
        "`is` whether it is the tensor itself.",
    ),
    Edit(
        "not_in_place",
        {'ADDITIONS = {"add", "add_"}': 'ADDITIONS = {"add"}'},
        "Additions in place are missed. `x += w` and `x.add_(w)` come as `add_`.",
    ),
    Edit(
        "after_an_addition_in_place",
        {TURNED: TURNED.replace(".clone()", "")},
        "For `w.add_(x)`, or where the block uses the tensor of a write again, you give what stands in "
        "the tensor afterwards. A write is what was added then: copy it before the addition runs.",
    ),
    Edit(
        "kept_by_reference",
        {
            LEFT: "                written = torch.as_tensor(right * alpha if alpha != 1 else right)\n"
        },
        "Where the block uses the tensor of a write again, the write in your list changes with it. "
        "Copy what was added when it is added.",
    ),
    Edit(
        "alpha_ignored",
        {LEFT: LEFT.replace("right * alpha", "right * 1")},
        "`alpha` is left out. `torch.add(x, w, alpha=2)` writes 2 * w.",
    ),
    Edit(
        "operands_with_names_missed",
        {
            "            left, right = [*args, *named]\n": ""
            "            if named:\n                return func(*args, **kwargs)\n"
            "            left, right = args\n"
        },
        "Additions whose operands have names, `torch.add(input=x, other=w)`, are missed. Those stand in "
        "`kwargs`.",
    ),
    Edit(
        "forms_missed",
        {FORM: ""},
        "When the stream changes its form (view, reshape, another dtype, a clone), you lose it. What a "
        "function of `SAME` makes of the stream is the stream as well.",
    ),
    Edit(
        "only_the_newest_form",
        {"            forms.append(result)\n": "            forms[:] = [result]\n"},
        "After a view, a cast or a clone of the stream, only that counts for you, and additions to the "
        "tensor itself are missed. Until the next addition both are the stream.",
    ),
    Edit(
        "shape_as_added",
        {SHAPED: "written"},
        "A write has the shape in which it was added: that of a bias, of a number, or of a view of the "
        "stream. Every write comes back as [batch, pos, d_model].",
    ),
    Edit(
        "shape_of_the_sum",
        {SHAPED: "written.expand(result.shape)"},
        "A write has the shape of the sum that it went into. Where the block works on a view of the "
        "stream that is another one: every write comes back as [batch, pos, d_model].",
    ),
    Edit(
        "changes_the_stream",
        {"[stream.clone()], []": "[stream], []"},
        "The caller's stream changes when a block adds in place. Run the block on a copy.",
    ),
    Edit(
        "refuses_nothing",
        {REFUSED: ""},
        "A block that scales or normalises what it added to gets a list, though the stream and these "
        "writes do not sum to what it gives. Look at what it returns: is it the stream?",
    ),
    Edit(
        "scaled_stream_passes",
        {"elif is_stream(right) and alpha == 1:": "elif is_stream(right):"},
        "`torch.add(w, x, alpha=2)` passes as an addition to x. It adds 2 * x to w: the stream was "
        "scaled, and nothing can be written that makes it a sum.",
    ),
    Edit(
        "mode_left_on",
        {
            "    with Calls(handle):\n        behind = block(forms[0])\n": ""
            "    mode = Calls(handle)\n    mode.__enter__()\n"
            "    behind = block(forms[0])\n    mode.__exit__(None, None, None)\n"
        },
        "When the block raises, your mode stays on, and watches whatever runs next. "
        "`with Calls(handle):` ends it by any road.",
    ),
    Edit(
        "the_sum_for_the_write",
        {SHAPED: "result.clone().reshape(stream.shape)"},
        "You give the stream after each addition. The write is what was added to it.",
    ),
    Edit(
        "operands_read_afterwards",
        {
            "        result = func(*args, **kwargs)\n": ""
            "        result = func(*args, **kwargs)\n"
            "        if written is not None and result is left and not is_stream(left):\n"
            "            written = left.clone()\n"
        },
        "For `w.add_(x)` you give what stands in w when the addition is over: x is in it already. Look "
        "at the operands before the addition runs.",
    ),
    Edit(
        "the_stream_into_the_write",
        {
            SUM: "            into = result is left and not is_stream(left)\n"
            "            forms[:] = [right if into else result]\n"
        },
        "After `w.add_(x)` x is still the stream for you. The sum stands in w, and the call returns it: "
        "that is the stream.",
    ),
    Edit(
        "operators_only",
        {"in ADDITIONS:": "in ADDITIONS and func is not torch.add:"},
        "`torch.add(x, w)` is missed, and `x + w` is seen. They are two functions of one name: ask for "
        "`func.__name__`.",
    ),
    Edit(
        "not_repeated",
        {
            SHAPED: "written.reshape(stream.shape if written.numel() == stream.numel() else written.shape)"
        },
        "A write that is smaller than the stream (a bias, a number, `x[:1]`) comes back as it was added. "
        "It is repeated: every write is [batch, pos, d_model].",
    ),
    Edit(
        "one_list_for_all_calls",
        {
            "def find_writes(block, stream):": "def find_writes(block, stream, writes=[]):",
            "forms, writes = [stream.clone()], []": "forms = [stream.clone()]",
        },
        "The list holds the writes of earlier calls too: it is made once, outside of the function or as "
        "a default argument. Make it in the function.",
    ),
    Edit(
        "values_of_the_sum",
        {
            "    if not is_stream(behind):\n": ""
            "    whole = sum(writes, stream).double().reshape(behind.shape)\n"
            "    if not torch.allclose(behind.double(), whole, atol=1e-5):\n"
        },
        "What the block returns is judged by its values. `1.0 * (x + w)` has the values of the stream "
        "and is another tensor: ask with `is`.",
    ),
]

# Small changes of the reference that no answer can be told by: the change, and the reason.
EQUIVALENT = {
    "super().__init__() -> ": "It is given, and the base class sets nothing up.",
    "raise ValueError('The block returns something else than the stream that it added to.') -> "
    "raise ValueError()": "What it says is not looked at.",
}
