"""Compare what a call was given, and the process's settings, before and after it.

One rule of all exercises: leave what you are given as it was. A check says what a call is given
(`see(.., z=z, model=model)`), and here it is looked through: tensors, weights and their devices,
hooks, the entries of caches and dictionaries, and attributes. What changed is named, as in "it
changed `z` in place". Beside it the settings that everybody shares: grad mode, default dtype and
device. They are given back, so that one slip is not counted again by the next check.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["changes", "picture", "restore", "set_up", "settings"]

Picture = dict[str, Any]
SKIPPED = (FunctionType, BuiltinFunctionType, MethodType, ModuleType, type, torch.Generator)
HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_hooks", "fwd_hooks", "bwd_hooks")
PLAIN = (bool, int, float, str, bytes, type(None), torch.dtype, torch.device)


def picture(given: Mapping[str, Any]) -> Picture:
    """What there is to see of the things that a call is given: a value for each path."""
    found: Picture = {}
    seen: set[int] = set()
    for name, thing in given.items():
        _look_through(thing, name, found, seen)
    return found


def _look_through(thing: Any, path: str, found: Picture, seen: set[int]) -> None:
    if isinstance(thing, PLAIN):
        found[path] = thing
        return
    if id(thing) in seen or isinstance(thing, SKIPPED):
        return
    seen.add(id(thing))
    if isinstance(thing, Tensor):
        found[path] = _tensor(thing)
    elif isinstance(thing, nn.Module):
        _look_at_module(thing, path, found)
    elif isinstance(thing, Mapping):
        found[f"the keys of {path}"] = [repr(key) for key in thing]
        for key in thing:
            _look_through(thing[key], f"{path}[{key!r}]", found, seen)
    if isinstance(thing, list | tuple):
        found[f"the length of {path}"] = len(thing)
        for i, one in enumerate(thing):
            _look_through(one, f"{path}[{i}]", found, seen)
    elif not isinstance(thing, Tensor | nn.Module | dict) and hasattr(thing, "__dict__"):
        for name, value in list(vars(thing).items()):
            _look_through(value, f"{path}.{name}", found, seen)


def _look_at_module(module: nn.Module, path: str, found: Picture) -> None:
    parts = {f"{path}.{name}".rstrip("."): part for name, part in module.named_modules()}
    for kind in ("_parameters", "_buffers"):  # not by `named_parameters`: it walks all parts again
        for here, part in parts.items():
            for name, tensor in vars(part)[kind].items():
                if tensor is not None:
                    found[f"{here}.{name}"] = _tensor(tensor)
    for here, part in parts.items():
        own = vars(part)  # not by getattr: an nn.Module is slow to say that it has no such thing
        found[f"{here}.training"] = own["training"]
        for kind in HOOKS:
            if hooks := own.get(kind):  # none is the rule, and takes no entry
                found[f"the hooks of {here} ({kind})"] = list(
                    hooks.values() if isinstance(hooks, Mapping) else hooks
                )
        if isinstance(notes := own.get("ctx"), dict):
            found[f"{here}.ctx"] = {key: id(value) for key, value in notes.items()}


def _tensor(tensor: Tensor) -> tuple[torch.device, torch.dtype, bool, Tensor]:
    values = torch.zeros(0) if tensor.is_meta else tensor.detach().cpu().clone()
    return tensor.device, tensor.dtype, tensor.requires_grad, values


def changes(before: Picture, after: Picture) -> list[str]:
    """What is different, as sentences."""
    said = []
    for path in dict.fromkeys([*before, *after]):
        if path.startswith("the hooks of "):
            one, two = before.get(path, []), after.get(path, [])
            said += [] if _same(one, two) else [_told(path, one, two)]
        elif path not in after or path not in before:
            known = path.rpartition("[")[0] or path
            told = f"it {'added' if path in after else 'removed'} `{path}`"
            said += [told] * (f"the keys of {known}" not in before)
        elif not _same(before[path], after[path]):
            said.append(_told(path, before[path], after[path]))
    return said


def _same(one: Any, two: Any) -> bool:
    if isinstance(one, tuple) and isinstance(two, tuple):
        if one[:3] != two[:3] or one[3].shape != two[3].shape:
            return False
        a, b = one[3], two[3]
        if torch.equal(a, b):  # the quick way, which takes no NaN for equal
            return True
        return bool(torch.isclose(a, b, 0, 0, equal_nan=True).all())
    if isinstance(one, list) and isinstance(two, list):
        pairs = zip(one, two, strict=False)
        return len(one) == len(two) and all(a is b or a == b for a, b in pairs)
    return type(one) is type(two) and bool(one == two)


def _told(path: str, before: Any, after: Any) -> str:
    if path.startswith("the hooks of "):
        where = path.removeprefix("the hooks of ").rpartition(" (")[0]
        if len(after) == len(before):
            return f"it changed the hooks on `{where}`"
        count = abs(len(after) - len(before))
        what = "left {} hook(s) on `{}`" if len(after) > len(before) else "took {} hook(s) off `{}`"
        return f"it {what.format(count, where)}"
    if path.startswith("the "):  # keys, length
        what, _, where = path.partition(" of ")
        return f"it changed {what} of `{where}`"
    if isinstance(before, tuple) and isinstance(after, tuple):
        if before[0] != after[0]:
            return f"it moved `{path}` to {after[0]}"
        if before[1] != after[1] or before[3].shape != after[3].shape:
            return f"it put another tensor in the place of `{path}`"
        if before[2] != after[2]:
            return f"it changed `{path}.requires_grad`"
        return f"it changed `{path}` in place"
    return f"it changed `{path}`: it was {before!r}, and is {after!r}"[:160]


def settings() -> dict[str, Any]:
    """The settings that everybody in the process shares."""
    return {
        "the grad mode": torch.is_grad_enabled(),
        "the default dtype": torch.get_default_dtype(),
        "the default device": torch.empty(0).device,  # much sooner known than by torch's function
    }


def restore(before: Mapping[str, Any]) -> list[str]:
    """Give the settings back. What had changed, as sentences."""
    now = settings()
    changed = [name for name in before if now[name] != before[name]]
    if changed:
        torch.set_grad_enabled(before["the grad mode"])
        torch.set_default_dtype(before["the default dtype"])
        torch.set_default_device(before["the default device"])
    return [f"it left {name} changed, from {before[name]} to {now[name]}" for name in changed]


def set_up(given: Mapping[str, Any]) -> str:
    """What a call is given, in a line: shapes, dtypes, sizes of models."""
    return ", ".join(f"{name} {words}" for name, thing in given.items() if (words := _words(thing)))


def _words(thing: Any) -> str:
    if isinstance(thing, Tensor):
        dtype = str(thing.dtype).removeprefix("torch.")
        home = f" on {thing.device.type}" if thing.device.type != "cpu" else ""
        return f"{list(thing.shape)} {dtype}{home}"
    cfg = getattr(thing, "cfg", None) or getattr(getattr(thing, "model", None), "cfg", None)
    if cfg is not None and hasattr(cfg, "n_layers"):
        return f"(n_layers {cfg.n_layers}, n_heads {cfg.n_heads}, d_model {cfg.d_model})"
    if isinstance(thing, bool | int | float | str | None | list | tuple):
        words = repr(thing)
        return f"= {words}" if len(words) <= 60 else ""
    return ""
