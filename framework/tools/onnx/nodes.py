"""The nodes and constants of an ONNX graph under construction."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.parameter import Buffer, Parameter
from firstlight.support.array import Array


class Nodes:
    """Nodes and constants.

    Attributes
    ----------
    nodes : list of onnx.NodeProto
    constants : dict of str to array
    scope : str
        Name of the layer that is being written.
    """

    def __init__(self, module: Module, dtype: Any) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, Array] = {}
        self.scope: str = ""
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.outputs: set[str] = set()
        self.renamed: dict[str, str] = {}  # tensors that became outputs
        self.sizes: dict[str, tuple[str, int]] = {}  # the input and axis that has a varied size
        self._used: set[str] = set()
        self._cache: dict[Any, Any] = {}
        self._leaves = {
            id(leaf): name
            for names in (module.named_parameters(), module.named_buffers())
            for name, leaf in names
        }
        self._memory = {_place(leaf.data): leaf for leaf in _leaves(module)}

    # --- nodes ------------------------------------------------------------------------------

    def add(self, op: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """Append a node; return the name of its output, or the list of the names.

        Parameters
        ----------
        op : str
            ONNX operator.
        *inputs : str
            Names of tensors; "" leaves one out.
        outputs : int
        **attributes
        """
        from onnx import helper

        name = self._unique(f"{self.scope.replace('.', '/')}/{op}".lstrip("/"))
        names = [name, *(f"{name}_{index}" for index in range(1, outputs))]
        self._used.update(names)
        self.nodes.append(helper.make_node(op, list(inputs), names, name=name, **attributes))
        return names[0] if outputs == 1 else names

    def _unique(self, name):
        unique, count = name, 1
        while unique in self._used:
            count += 1
            unique = f"{name}_{count}"
        self._used.add(unique)
        return unique

    def reserve(self, name: str) -> None:
        """Exclude a name from those of nodes."""
        self._used.add(name)

    def drop_unused(self, outputs: Sequence[str]) -> None:
        """Remove nodes and constants that no output depends on."""
        needed, kept = set(outputs), []
        for node in reversed(self.nodes):
            if needed & set(node.output):
                kept.insert(0, node)
                needed |= set(node.input)
        self.nodes = kept
        self.constants = {name: a for name, a in self.constants.items() if name in needed}

    @contextmanager
    def inside(self, scope: str) -> Iterator[None]:
        """Name the nodes within after a layer."""
        before, self.scope = self.scope, scope
        try:
            yield
        finally:
            self.scope = before

    def cached(self, key: Any, make: Any) -> Any:
        """Return ``make()`` of the first call with a key."""
        if key not in self._cache:
            self._cache[key] = make()
        return self._cache[key]

    # --- constants --------------------------------------------------------------------------

    def constant(self, array: Any, name: str = "") -> str:
        """Return the name of a constant; equal ones are stored once."""
        array = np.asarray(array)
        digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
        return self.cached((digest, array.shape, array.dtype), lambda: self._store(array, name))

    def _store(self, array, name):
        name = self._unique(name or f"constant_{len(self.constants)}")
        self.constants[name] = np.array(array, order="C")  # a copy, also of a view
        return name

    def ints(self, *numbers: int) -> str:
        """Return the name of a constant of int64."""
        return self.constant(np.array(numbers, "int64"))

    def number(self, value: float, dtype: Any = None) -> str:
        """Return the name of a constant without axes, of the model's dtype."""
        return self.constant(np.array(value, self.dtype if dtype is None else dtype))

    def parameter(self, leaf: Parameter | Buffer, order: Sequence[int] | None = None) -> str:
        """Return the name of a parameter, with its axes in some order.

        It is stored once, as it is needed first; another order is a Transpose of that.
        """
        order = tuple(order or range(leaf.data.ndim))
        name = self._leaves.get(id(leaf), "")
        stored, kept = self.cached(
            ("leaf", id(leaf)), lambda: (self._store(leaf.data.transpose(order), name), order)
        )
        if order == kept:
            return stored
        perm = [kept.index(axis) for axis in order]
        return self.cached(
            ("leaf", id(leaf), order), lambda: self.add("Transpose", stored, perm=perm)
        )

    def filled(self, leaf: Parameter | Buffer | None, like: Any, value: float) -> str:
        """Return the name of a parameter, or of ``like`` numbers of one value if there is none."""
        if leaf is not None:
            return self.parameter(leaf)
        return self.constant(np.full(like, value, self.dtype))

    def named(self, array: Array) -> str:
        """Return the name of a constant; that of a parameter, if it is one, or its transpose."""
        for order in (None, *([tuple(range(array.ndim))[::-1]] if array.ndim > 1 else [])):
            leaf = self._memory.get(_place(array if order is None else array.transpose(order)))
            if leaf is not None:
                return self.parameter(leaf, order)
        return self.constant(array)


def _leaves(module):
    yield from module.parameters()
    yield from (buffer for _, buffer in module.named_buffers())


def _place(array):
    return array.__array_interface__["data"][0], array.shape, array.strides, array.dtype
