"""A module's tree and state: traversal, copies to and from dicts, PyTorch's layout."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.parameter import Buffer, Parameter
from firstlight.support import backend, registration
from firstlight.support.array import Array

if TYPE_CHECKING:
    from firstlight.module import Module

CONTAINERS = (list, tuple, dict)


def entries(module: Module) -> Iterator[tuple[str, Any]]:
    """Yield ``(name, value)`` for a module's attributes and for items of containers in them."""
    for name, value in vars(module).items():
        if isinstance(value, CONTAINERS):
            if name != "_stack":
                yield from items(name, value)
        else:
            yield name, value


def items(name: str, container: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield ``(name, item)`` for the items of a list, tuple or dict, at any depth."""
    if any(container is outer for outer in above):  # a list that contains itself
        return
    pairs = container.items() if isinstance(container, dict) else enumerate(container)
    for key, item in pairs:
        if isinstance(item, CONTAINERS):
            yield from items(f"{name}.{key}", item, (*above, container))
        else:
            yield f"{name}.{key}", item


def children(module: Module) -> Iterator[tuple[str, Module]]:
    """Yield ``(name, child)`` for the direct children, each once."""
    seen = set()
    for name, value in entries(module):
        if is_module(value) and id(value) not in seen:
            seen.add(id(value))
            yield name, value


def is_module(value: Any) -> bool:
    """Return True for a `Module`; the class itself cannot be imported here."""
    return _is_module_class(type(value))


@lru_cache(maxsize=512)
def _is_module_class(kind):
    return hasattr(kind, "named_modules") and hasattr(kind, "saved")  # PyTorch's has no `saved`


def walk_modules(
    module: Module, prefix: str, seen: set[int], above: tuple[Any, ...] = ()
) -> Iterator[tuple[str, Module]]:
    """Yield ``(name, module)`` depth first, without modules in ``seen``."""
    if any(module is outer for outer in above):
        raise ValueError(
            f"{prefix} leads back to the {type(module).__name__} that contains it; a module keeps "
            "its parts as attributes, not its parent"
        )
    if id(module) in seen:
        return
    seen.add(id(module))
    yield prefix, module
    for name, child in children(module):
        path = f"{prefix}.{name}" if prefix else name
        yield from walk_modules(child, path, seen, (*above, module))


def walk_leaves(module: Module, kind: type) -> Iterator[tuple[str, Any]]:
    """Yield ``(name, leaf)`` for all `Parameter` or `Buffer` objects, each once.

    Raises
    ------
    TypeError, ValueError
        A part is not registered; see `firstlight.support.registration.check`.
    """
    parts = list(module.named_modules())
    registration.check(module, parts)
    seen = set()
    for prefix, owner in parts:
        for name, value in entries(owner):
            if isinstance(value, kind) and id(value) not in seen:
                seen.add(id(value))
                yield (f"{prefix}.{name}" if prefix else name), value


def named_leaves(module: Module) -> dict[str, Parameter | Buffer]:
    """Return all parameters and buffers by name."""
    return {**dict(walk_leaves(module, Parameter)), **dict(walk_leaves(module, Buffer))}


def move(module: Module, device: str | None, dtype: Any) -> None:
    """Move every parameter and buffer to ``device`` and ``dtype``, if needed."""

    def moved(array):
        if dtype is not None and array.dtype != dtype and array.dtype.kind == "f":
            array = array.astype(dtype)
        return array if device is None else backend.to_device(array, device)

    for _, buffer in module.named_buffers():
        buffer.data = moved(buffer.data)
    for parameter in module.parameters():
        data, grad = moved(parameter.data), moved(parameter.grad)
        if data is not parameter.data:
            parameter.bind(data, grad)


def collect(module: Module) -> dict[str, Array]:
    """Return copies of all parameters and buffers as contiguous NumPy arrays by name."""
    return {
        name: np.array(backend.to_host(leaf.data), order="C")
        for name, leaf in named_leaves(module).items()
    }


def restore(module: Module, arrays: Mapping[str, Any], *, strict: bool = True) -> None:
    """Copy arrays into a module's parameters and buffers, by name.

    Nothing is written unless everything fits.

    Parameters
    ----------
    module : Module
    arrays : dict of str to array
    strict : bool
        If False, ignore names on one side only; shapes must still match.

    Raises
    ------
    TypeError
        Not a dict, e.g. the path of a file.
    ValueError
        Shapes differ; names are missing or unexpected (strict only).
    """
    if not isinstance(arrays, Mapping):
        raise TypeError(_kind_message(f"{type(module).__name__}.load_state_dict", arrays))
    leaves = named_leaves(module)
    missing = [name for name in leaves if name not in arrays]
    unexpected = [name for name in arrays if name not in leaves]
    if strict and (missing or unexpected):
        raise ValueError(_names_message(type(module).__name__, missing, unexpected))
    common = [name for name in leaves if name in arrays]
    misshaped = [
        f"{name} is {leaves[name].data.shape} here and {np.shape(arrays[name])} there"
        for name in common
        if np.shape(arrays[name]) != leaves[name].data.shape
    ]
    if misshaped:
        raise ValueError(
            f"{type(module).__name__}.load_state_dict: shapes differ: {'; '.join(misshaped)}; "
            "build the model with the arguments it was saved with"
        )
    fitting = {name: np.asarray(arrays[name], dtype=leaves[name].data.dtype) for name in common}
    for name, source in fitting.items():
        target = leaves[name].data
        if hasattr(target, "set"):  # a CuPy array
            target.set(source)
        else:
            target[...] = source


def _kind_message(who, came):
    """Return the error message for an argument that is not a dict, with advice."""
    advice = "pass the result of state_dict()"
    if isinstance(came, (str, PathLike)):
        advice = (
            f"read the file first: load_state_dict(firstlight.Checkpoint.load({str(came)!r}).model)"
        )
    elif hasattr(came, "model"):
        advice = "pass its model: load_state_dict(checkpoint.model)"
    return f"{who}: expected a dict of arrays by name, got a {type(came).__name__}; {advice}"


def _names_message(who, missing, unexpected):
    parts = []
    if missing:
        parts.append("missing: " + ", ".join(missing))
    if unexpected:
        close = {name: difflib.get_close_matches(name, missing, n=1) for name in unexpected}
        parts.append(
            "unexpected: "
            + ", ".join(n + (f" (is it {close[n][0]}?)" if close[n] else "") for n in unexpected)
        )
    return (
        f"{who}.load_state_dict: names do not match; {'; '.join(parts)}; "
        "strict=False loads what matches"
    )


def to_torch(module: Module) -> dict[str, Any]:
    """Return the state as a dict of torch tensors, in PyTorch's layout."""
    import torch

    leaves = named_leaves(module)
    return {
        name: torch.from_numpy(_to_torch_layout(array, leaves[name]))
        for name, array in collect(module).items()
    }


def from_torch(module: Module, tensors: Mapping[str, Any], *, strict: bool = True) -> Any:
    """Load the ``state_dict()`` of the same PyTorch module, and return the module."""
    if not isinstance(tensors, Mapping):
        raise TypeError(
            f"{type(module).__name__}.from_torch: expected a state_dict(), got a "
            f"{type(tensors).__name__}; pass network.state_dict(), or torch.load(path) of one"
        )
    leaves = named_leaves(module)
    arrays = {}
    for name, tensor in tensors.items():
        if name.rpartition(".")[2] == "num_batches_tracked":
            continue  # PyTorch's counter, needed only for momentum=None
        array = np.asarray(tensor.detach().cpu() if hasattr(tensor, "detach") else tensor)
        arrays[name] = _from_torch_layout(array, leaves[name]) if name in leaves else array
    restore(module, arrays, strict=strict)
    return module


def _to_torch_layout(array, leaf):
    """Return an array of ours in PyTorch's layout, contiguous."""
    moved = array if leaf.torch_axes is None else np.transpose(array, leaf.torch_axes)
    return np.ascontiguousarray(moved).reshape(leaf.torch_shape or moved.shape)


def _from_torch_layout(array, leaf):
    """Return an array of PyTorch's in our layout; as it is if its shape does not fit."""
    axes, shape = leaf.torch_axes, leaf.torch_shape
    if shape is not None and array.shape == shape:
        array = array.reshape([leaf.data.shape[axis] for axis in axes])
    return np.transpose(array, np.argsort(axes)) if axes and array.ndim == len(axes) else array
