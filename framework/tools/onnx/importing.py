"""Load an ONNX file as a module: `from_onnx`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from firstlight import nn
from firstlight.data.preprocessing import Preprocessing
from firstlight.module import Module
from firstlight.support.array import Array
from firstlight.support.extras import require
from firstlight.support.files import PathLike
from firstlight.tools.onnx.wired import Permute, Wired

C = TypeVar("C", bound=Callable[..., Any])

OLDEST = 13  # opset; in older ones, axes are attributes, and Softmax flattens
LARGEST = 2**25  # numbers of a constant that is computed
N, T = 7919, 7907  # stand for sizes that vary; primes that no layer has

_readers: dict[str, Callable[..., None]] = {}


class UnsupportedError(ValueError):
    """A file has a node that no layer of firstlight computes."""


def reads(*operators: str) -> Callable[[C], C]:
    """Decorate a function that makes layers from a node: ``function(loader, node)``."""

    def register(function: C) -> C:
        _readers.update(dict.fromkeys(operators, function))
        return function

    return register


def from_onnx(path: PathLike) -> Module:
    """Return the network in an ONNX file as a module, in evaluation mode, with its weights.

    It is a `Sequential` of layers, or a `Wired` module if the graph branches, and can be trained.
    Its input is the file's: a network of PyTorch takes images (N, C, H, W), which are permuted for
    firstlight's layers; the files of `to_onnx` have images (N, H, W, C).

    Parameters
    ----------
    path : path-like

    Returns
    -------
    Module

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It is no ONNX file, or has a node that no layer computes; the node is named.
    MissingPackageError
        The package onnx is not installed.
    """
    require("from_onnx", "onnx", extra="onnx")
    import onnx

    from firstlight.tools.onnx import readers  # noqa: F401  registers them

    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"from_onnx: there is no file {path}")
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except Exception as error:  # damaged files raise many kinds
        raise ValueError(f"{path} is damaged, or no ONNX file: {error}") from error
    loader = Loader(str(path), model)
    module = loader.module().eval()
    entries = {entry.key: entry.value for entry in model.metadata_props}
    if "preprocessing" in entries and "firstlight" in entries:
        try:
            kept = Preprocessing.from_dict(json.loads(entries["preprocessing"]))
        except (ArithmeticError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(
                f"{path}: the preprocessing in its metadata is damaged ({error}); take another copy"
            ) from error
        module._preprocessing = kept
    return module


@dataclass(frozen=True)
class Held:
    """An array of the module for a tensor of the file.

    Attributes
    ----------
    slot : int
        Of `Wired`.
    axes : tuple of int
        The tensor's axis for each axis of the array; the tensor's other axes have length 1.
    """

    slot: int
    axes: tuple[int, ...]


class Loader:
    """Makes layers from the nodes of a file; the methods that readers use.

    Attributes
    ----------
    layers : list of Module
    slots_read : list of tuple of int
    constants : dict of str to array
    held : dict of str to Held
    shapes : dict of str to tuple of int
        With `N` and `T` for sizes that vary.
    """

    def __init__(self, who: str, model: Any) -> None:
        from onnx import numpy_helper

        self.who: str = who
        self.graph: Any = model.graph
        self.layers: list[Module] = []
        self.slots_read: list[tuple[int, ...]] = []
        self.constants: dict[str, Array] = {
            tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer
        }
        self.held: dict[str, Held] = {}
        versions = {one.domain: one.version for one in model.opset_import}
        if versions.get("", 0) < OLDEST:
            raise UnsupportedError(
                f"{who}: expected opset {OLDEST} or newer, got {versions.get('', 'none')}; convert "
                f"it with onnx.version_converter.convert_version(model, {OLDEST})"
            )
        inputs = [one for one in model.graph.input if one.name not in self.constants]
        if len(inputs) != 1 or len(model.graph.output) != 1:
            raise UnsupportedError(
                f"{who}: expected one input and one output, got {len(inputs)} and "
                f"{len(model.graph.output)}; run it with onnxruntime.InferenceSession"
            )
        self.input: str = inputs[0].name
        self.output: str = model.graph.output[0].name
        self._vary(inputs[0])
        self.of_sizes: set[str] = set()  # constants that are computed from sizes that vary
        self.shapes: dict[str, tuple[int, ...]] = {}
        while self._folded(model):
            pass
        self.uses: Counter[str] = Counter(name for node in model.graph.node for name in node.input)
        self.uses[self.output] += 1

    def _vary(self, one):
        """Replace the input's varying sizes, and the number of samples, by numbers."""
        dims = one.type.tensor_type.shape.dim
        self.samples: int = dims[0].dim_value if len(dims) else 0  # 0: any number
        for axis, dim in enumerate(dims):
            if axis == 0 or not dim.HasField("dim_value"):
                dim.dim_value = T if axis else N

    # --- the whole ------------------------------------------------------------------------------

    def module(self) -> Module:
        """Return the module of all nodes that the output needs."""
        rank = len(self.shapes[self.input])
        self.held[self.input] = Held(0, tuple(range(rank)))
        for node in self._needed():
            self._read(node)
        if self.output not in self.held:
            raise UnsupportedError(f"{self.who}: its output does not depend on its input")
        last = self.array(self.output)
        if last != len(self.layers) or not self.layers:
            self.layer(nn.Identity(), last)
        if all(slots == (index,) for index, slots in enumerate(self.slots_read)):
            return nn.Sequential(*self.layers)
        return Wired(self.layers, self.slots_read)

    def _needed(self):
        needed, kept = {self.output}, []
        for node in reversed(self.graph.node):
            if needed.intersection(node.output):
                kept.insert(0, node)
                needed.update(node.input)
        return kept

    def _read(self, node):
        if node.op_type not in _readers or node.domain not in ("", "ai.onnx"):
            raise self.unsupported(node, "for which there is no layer")
        if not any(name in self.held for name in node.input):
            raise self.unsupported(node, "which computes something from the size of the input")
        _readers[node.op_type](self, node)

    # --- constants and shapes -----------------------------------------------------------------

    def _folded(self, model):
        """Infer shapes; make constants of nodes of constants; return True if there were some."""
        from onnx import numpy_helper, shape_inference

        del model.graph.value_info[:]
        model.graph.output[0].type.tensor_type.ClearField("shape")
        inferred = shape_inference.infer_shapes(model, data_prop=True).graph
        self.shapes = {
            one.name: tuple(d.dim_value for d in one.type.tensor_type.shape.dim)
            for one in (*inferred.input, *inferred.value_info, *inferred.output)
        }
        kept, before = [], len(self.constants)
        for node in model.graph.node:
            names = [name for name in node.input if name]
            shape = self.shapes.get(names[0], (0,)) if node.op_type == "Shape" else (0,)
            if all(shape):
                ends = (self.attribute(node, name) for name in ("start", "end"))
                values = [np.array(shape[slice(*ends)], "int64")]
                varies = bool({N, T}.intersection(values[0].tolist()))
            elif all(name in self.constants for name in names):
                values = self._computed(node, {name: self.constants[name] for name in names})
                varies = not self.of_sizes.isdisjoint(names)
            else:
                values, varies = None, False
            if values is None:
                kept.append(node)
                continue
            made = dict(zip(node.output, values, strict=False))
            self.constants |= made
            self.of_sizes |= set(made) if varies else set()
            tensors = [numpy_helper.from_array(np.asarray(v), n) for n, v in made.items()]
            model.graph.initializer.extend(tensors)
        del model.graph.node[:]
        model.graph.node.extend(kept)
        return len(self.constants) > before

    def _computed(self, node, feeds):
        """Return the outputs of a node of constants; None if they cannot be computed."""
        from onnx.reference import ReferenceEvaluator

        if node.op_type in ("Expand", "ConstantOfShape"):
            (*_, shape) = feeds.values()
            if shape.prod() > LARGEST:  # T x T
                return None
        try:
            return ReferenceEvaluator(node).run(None, feeds)
        except Exception:  # of any kind, such as positions for a length that stands for all
            return None

    # --- what readers use -------------------------------------------------------------------------

    def unsupported(self, node: Any, why: str) -> UnsupportedError:
        """Return the error for a node."""
        domain = f"{node.domain}." if node.domain not in ("", "ai.onnx") else ""
        return UnsupportedError(
            f"{self.who}: node {node.name or node.output[0]!r} has the operator {domain}"
            f"{node.op_type}, {why}; run the file with onnxruntime.InferenceSession, or export the "
            "network without that operation"
        )

    def attribute(self, node: Any, name: str, default: Any = None) -> Any:
        """Return an attribute of a node."""
        from onnx import helper

        found = next((a for a in node.attribute if a.name == name), None)
        value = default if found is None else helper.get_attribute_value(found)
        if isinstance(value, float):
            return float(str(np.float32(value)))  # 1e-05, not 9.999999747378752e-06
        return value.decode() if isinstance(value, bytes) else value

    def constant(self, node: Any, index: int) -> Any:
        """Return an input of a node that must be a constant, None if it is left out."""
        if len(node.input) <= index or not node.input[index]:
            return None
        name = node.input[index]
        if name not in self.constants:
            raise self.unsupported(node, f"whose input {name!r} is no constant")
        if name in self.of_sizes:
            raise self.unsupported(node, f"whose input {name!r} depends on the size of the input")
        return self.constants[name]

    def numbers(self, node: Any, index: int, name: str) -> list[int] | None:
        """Return integers from a constant input or, in older opsets, an attribute."""
        found = self.constant(node, index)
        found = self.attribute(node, name) if found is None else found
        return None if found is None else [int(n) for n in np.atleast_1d(found)]

    def rank(self, name: str) -> int:
        """Return the number of axes of a tensor."""
        return len(self.shapes[name])

    def layer(self, module: Module, *slots: int) -> int:
        """Append a layer that reads slots; return its own slot."""
        self.layers.append(module)
        self.slots_read.append(slots)
        return len(self.layers)

    def hold(self, name: str, slot: int, axes: Sequence[int] | None = None) -> None:
        """Enter the array of a tensor."""
        self.held[name] = Held(slot, tuple(range(self.rank(name)) if axes is None else axes))

    def array(self, name: str, axes: Sequence[int] | None = None) -> int:
        """Return the slot of an array with its axes in an order, by default the tensor's."""
        held, rank = self.held[name], self.rank(name)
        axes = tuple(range(rank) if axes is None else axes)
        slot, stored = held.slot, held.axes
        missing = [axis for axis in range(rank) if axis not in stored]
        if missing:
            shape = [self.shapes[name][axis] for axis in stored]
            slot = self.layer(nn.Reshape(*shape[1:], *[1] * len(missing)), slot)
            stored = (*stored, *missing)
        if stored != axes:
            slot = self.layer(Permute(*(stored.index(axis) for axis in axes)), slot)
        self.held[name] = Held(slot, axes)
        return slot

    def channels_last(self, name: str) -> int:
        """Return the slot of a tensor's array with axis 1, the channels, at the end."""
        return self.array(name, last_axes(self.rank(name)))

    def hold_channels_last(self, name: str, slot: int) -> None:
        """Enter the array of a tensor whose channels are its last axis."""
        self.hold(name, slot, last_axes(self.rank(name)))


def last_axes(rank: int) -> tuple[int, ...]:
    """Return the axes of a tensor with axis 1 at the end."""
    return (0, *range(2, rank), 1) if rank > 2 else tuple(range(rank))


def filled(layer: Any, **arrays: Any) -> Any:
    """Return a layer with the given values, and their dtype."""
    floats = [array for array in arrays.values() if array is not None]
    layer.to(dtype=floats[0].dtype)
    for name, array in arrays.items():
        if array is not None:
            getattr(layer, name).data[...] = array
    return layer
