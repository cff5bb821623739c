"""What exercise 21 shows: the writes of blocks with many habits, and what is refused."""

from functools import cache

import torch
from torch.nn.functional import gelu

from exercises.grader.kit import points

TITLE = "follow the stream"
LESSON = "lesson 15, Any model"
AXES = "write batch pos d_model"
SIZES = {
    "batch 2, 3 positions": (2, 3, 4, torch.float32),
    "batch 1, float64": (1, 2, 3, torch.float64),
    "all sizes 3": (3, 3, 3, torch.float32),
}
USUAL = "batch 2, 3 positions"


class World:
    """A stream, and what blocks are made of. Nothing in them is zero, and all have biases."""

    def __init__(self, batch, pos, d_model, dtype):
        generator = torch.Generator().manual_seed(d_model)

        def random(*shape):
            return torch.randn(shape, generator=generator, dtype=dtype)

        self.stream, self.bias = random(batch, pos, d_model), random(d_model)
        self.W_V, self.W_in, self.W_out = (random(d_model, d_model) for _ in range(3))
        self.b_V, self.b_in, self.b_out, self.gain = (random(d_model) for _ in range(4))

    def norm(self, x):
        middle = x - x.mean(-1, keepdim=True)
        return middle / (middle.square().mean(-1, keepdim=True) + 0.1).sqrt() * self.gain

    def attn(self, x):
        pattern = (x @ x.mT).softmax(-1)
        return pattern @ x @ self.W_V.to(x) + self.b_V.to(x)

    def mlp(self, x):
        return gelu(x @ self.W_in + self.b_in) @ self.W_out + self.b_out


@cache
def world(size=USUAL):
    return World(*SIZES[size])


def show(answer, block, stream):
    """The writes as one tensor; where their shapes differ, their shapes."""
    writes = list(answer.find_writes(block, stream))
    shapes = [list(write.shape) for write in writes]
    if shapes != shapes[:1] * len(writes) or not writes:
        return shapes
    return torch.stack([write.detach().double() for write in writes])


def see_blocks(answer, see, blocks, size=USUAL):
    for name, block in blocks.items():
        stream = world(size).stream.clone()
        see(
            f"the writes of a block that does {name}" + f", {size}" * (size != USUAL),
            lambda block=block, stream=stream: show(answer, block, stream),
            AXES,
            stream=stream,
        )


def sequential(w):
    def block(x):
        x = x + w.attn(w.norm(x))
        return x + w.mlp(w.norm(x))

    return block


def turned_round(w):
    def block(x):
        x = w.attn(x) + x
        return w.mlp(x) + x

    return block


def three(w):
    def block(x):
        for part in (w.attn, w.mlp, w.attn):
            x = x + w.norm(part(x))
        return x

    return block


def test_the_writes_of_ordinary_blocks(answer, see):
    for size in SIZES:
        w = world(size)
        blocks = {
            "x = x + attn(x), then x + mlp(x)": sequential(w),
            "x + (attn(x) + mlp(x))": lambda x, w=w: x + (w.attn(x) + w.mlp(x)),
        }
        see_blocks(answer, see, blocks, size)
    w = world()
    blocks = {
        "x = attn(x) + x, then mlp(x) + x": turned_round(w),
        "x + attn(x) + mlp(x)": lambda x: x + w.attn(x) + w.mlp(x),
        "x + 0.22 * attn(x)": lambda x: x + 0.22 * w.attn(x),
        "three parts with a norm behind each": three(w),
        "x + x": lambda x: x + x,
        "nothing": lambda x: x,
    }
    see_blocks(answer, see, blocks)
    for write in ("first", "second"):
        see(
            f"the {write} call with a block of its own",
            lambda: show(answer, sequential(w), w.stream),
        )


def in_place(w):
    def block(x):
        x += w.attn(x)
        return x.add_(w.mlp(x), alpha=2)

    return block


def into_the_write(w):
    def block(x):
        part = w.attn(x)
        part.add_(x)
        return part + w.mlp(part)

    return block


def reused_buffer(w):
    def block(x):
        buffer = w.attn(x)
        x = x + buffer
        buffer.copy_(w.mlp(x))
        x = buffer + x
        buffer.zero_()
        return x

    return block


def test_other_ways_to_add(answer, see):
    w = world()
    blocks = {
        "torch.add(x, w, alpha=0.5)": lambda x: torch.add(x, w.attn(x), alpha=0.5),
        "torch.add(w, x)": lambda x: torch.add(w.attn(x), x),
        "torch.add(input=x, other=w, alpha=3)": lambda x: torch.add(
            input=x, other=w.attn(x), alpha=3
        ),
        "torch.add(input=w, other=x)": lambda x: torch.add(input=w.attn(x), other=x),
        "x += attn(x), then x.add_(mlp(x), alpha=2)": in_place(w),
        "w.add_(x), then w + mlp(w)": into_the_write(w),
        "x + buffer, and uses the buffer again": reused_buffer(w),
    }
    see_blocks(answer, see, blocks)
    numbers = torch.arange(6).reshape(2, 1, 3)
    see(
        "the writes of a block that does x + x[:1], whole numbers",
        lambda: [write.tolist() for write in answer.find_writes(lambda x: x + x[:1], numbers)],
        stream=numbers,
    )


def rows(w):
    def block(x):
        flat = x.view(-1, x.shape[-1])
        flat = flat + w.mlp(flat)
        flat += w.bias
        return flat.unflatten(0, x.shape[:2])

    return block


def wider(w):
    def block(x):
        wide = x.to(torch.float64)
        wide = wide + w.attn(wide)
        return wide.float() + w.mlp(x)

    return block


def copied(w):
    def block(x):
        residual = x.clone()
        x = w.attn(w.norm(x))
        x = residual.reshape(x.shape) + x
        return x.flatten().view(residual.shape).double()

    return block


@points(2)
def test_the_stream_in_other_forms(answer, see):
    w = world()
    blocks = {
        "all of it on rows [batch * pos, d_model]": rows(w),
        "its first addition in float64": wider(w),
        "all of it on copies": copied(w),
        "x + a bias [d_model]": lambda x: x + w.bias,
        "x + 0.5, then 2 + x": lambda x: 2 + (x + 0.5),
        "w + x, where w is [pos, d_model]": lambda x: w.attn(x)[0] + x,
    }
    see_blocks(answer, see, blocks)
    turned = w.stream.mT.contiguous().mT
    see(
        "the writes of a block that does x.contiguous() + attn(x), where x is not contiguous",
        lambda: show(answer, lambda x: x.contiguous() + w.attn(x), turned),
        AXES,
        stream=turned,
    )


def equal_values(w):
    def block(x):
        read = x * 1
        read = read + w.bias
        return x + w.mlp(read)

    return block


def first_position(w):
    def block(x):
        start = x[:, :1] + w.bias
        return x + w.mlp(start)

    return block


def old_stream(w):
    def block(x):
        y = x + w.attn(x)
        beside = x + w.bias
        return y + w.mlp(beside)

    return block


def old_form(w):
    def block(x):
        kept = x.clone()
        y = x + w.attn(x)
        beside = kept + w.bias
        return y + w.mlp(beside)

    return block


@points(2)
def test_only_the_stream_itself_counts(answer, see):
    w = world()
    blocks = {
        "mlp(x * 1 + bias), and adds that to x": equal_values(w),
        "mlp(x[:, :1] + bias), and adds that to x": first_position(w),
        "y = x + attn(x), and adds mlp(x + bias) to y": old_stream(w),
        "the same with a clone of x": old_form(w),
    }
    see_blocks(answer, see, blocks)


def broken(x):
    x = x + 1
    raise KeyError("on purpose")


def modes_on():
    return torch._C._len_torch_function_stack()


@points(4)
def test_what_is_no_sum_is_refused(answer, see):
    w = world()
    blocks = {
        "norm(x + attn(x))": lambda x: w.norm(x + w.attn(x)),
        "2 * (x + attn(x))": lambda x: 2 * (x + w.attn(x)),
        "1.0 * (x + attn(x))": lambda x: 1.0 * (x + w.attn(x)),
        "torch.add(w, x, alpha=2)": lambda x: torch.add(w.attn(x), x, alpha=2),
        "attn(x)": w.attn,
        "x + attn(x), and returns x": lambda x: [x, x + w.attn(x)][0],
    }
    for name, block in blocks.items():
        see(
            f"find_writes of a block that does {name}",
            lambda block=block: show(answer, block, w.stream),
            AXES,
            stream=w.stream,
        )
    see("find_writes of a block that raises a KeyError", lambda: show(answer, broken, w.stream))

    def behind():
        try:
            answer.find_writes(broken, w.stream)
        except KeyError:
            return modes_on()

    see("function modes that are still on after it", behind)

    def after():
        answer.find_writes(sequential(w), w.stream)
        return modes_on()

    see("function modes that are still on after a block that ends well", after)
