"""Write a module as an ONNX file: `to_onnx`."""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from firstlight import nn
from firstlight.module import Module
from firstlight.support.backend import to_host
from firstlight.support.extras import require
from firstlight.support.files import PathLike, made_room, replacing
from firstlight.tools.onnx import converters  # noqa: F401  registers them
from firstlight.tools.onnx.check import check
from firstlight.tools.onnx.graph import Graph, Value, Written
from firstlight.tools.onnx.model_proto import make_model, shown
from firstlight.tools.onnx.registry import function_converter, layer_converter
from firstlight.tools.onnx.samples import Samples
from firstlight.tools.tracing.recording import leaves, record
from firstlight.tools.tracing.symbolic import Dim, NotFixedError, Shaped, compared
from firstlight.tools.tracing.traced import Ref, UntraceableError, mapped

RESIZING = (  # images; their nodes depend on the size
    *(nn.Conv2d, nn.ConvTranspose2d, nn.MaxPool2d, nn.AvgPool2d),
    *(nn.AdaptiveAvgPool2d, nn.Upsample),
)
LARGEST = 2**31 - 2**20  # bytes; a protobuf message holds less than 2 GiB


@dataclass(frozen=True)
class Exported:
    """What `to_onnx` has written.

    Attributes
    ----------
    path : Path
    inputs, outputs : dict
        Names, and shapes in which sizes that may vary are names.
    nodes : int
    error : float
        Largest difference from NumPy, relative to the largest number of the output.
    runtime : str
        The program that ran the file for the comparison.
    """

    path: Path
    inputs: dict[str, tuple[Any, ...]]
    outputs: dict[str, tuple[Any, ...]]
    nodes: int
    error: float
    runtime: str


def to_onnx(
    module: Module, path: PathLike, x: Any, *, metadata: Mapping[str, str] | None = None
) -> Exported:
    """Write a module in evaluation mode as an ONNX file, after it has been run and compared.

    The module runs on samples like x, and the layers and NumPy functions that run become nodes.
    The number of samples may vary, and the length of sequences if the module allows it. The graph
    is run by onnxruntime, or by ONNX's own evaluator if that is not installed, on random inputs;
    the file is written if its outputs differ from NumPy's by 1e-5 at most, relative to the largest
    number.

    Parameters
    ----------
    module : Module
    path : path-like
        A name that ends in ``.onnx``.
    x : array, or tuple of arrays
        A batch with the shape and dtype of the input; a tuple for several arguments of forward.
        Integers are taken as examples of valid ones.
    metadata : dict of str, optional
        Further entries of the file's metadata, which have the version of firstlight, the class of
        the module, the classes and the preprocessing of its training data.

    Returns
    -------
    Exported

    Raises
    ------
    TypeError
        x is a dict.
    ValueError
        The name ends otherwise; the model does not fit into a file; a result differs from NumPy's,
        and the first layer that does is named; the result depends on the batch size or on values
        in a way that a graph cannot have.
    NotImplementedError
        A NumPy function without a converter; the message says where it is called.
    TypeError
        Forward makes a constant of an array that is computed from the input, or cannot be recorded
        otherwise; the message says where.
    MissingPackageError
        The package onnx is not installed.
    """
    require("to_onnx", "onnx", extra="onnx")
    who = f"{type(module).__name__}.to_onnx"
    path = Path(path).expanduser()
    if path.suffix != ".onnx":
        raise ValueError(f"{who}: expected a file name that ends in .onnx, got {str(path)!r}")
    _check_size(who, module)
    module, inputs = _on_host(module, x)
    samples = Samples(inputs)
    shaped, given, outputs, sizes = _recorded(who, module, samples)
    written = _written(who, shaped, given, outputs, module)
    model = make_model(written, module, metadata or {})
    runtime, error = check(who, module, model, shaped, written, samples, sizes)
    with replacing(made_room(path)) as temporary:
        temporary.write_bytes(model.SerializeToString())
    inputs, outputs = (
        {v.name: tuple(map(shown, v.shape)) for v in values}
        for values in (written.inputs, written.outputs)
    )
    return Exported(path, inputs, outputs, len(model.graph.node), error, runtime)


def _check_size(who, module):
    size = sum(p.data.nbytes for p in module.parameters())
    if size > LARGEST:
        raise ValueError(
            f"{who}: the parameters take {size / 2**30:.1f} GiB, and an ONNX file holds less than "
            "2 GiB; export parts of the model, or keep it with module.save('model.safetensors')"
        )


def _on_host(module, x):
    """Return the module and its inputs on the CPU."""
    parameters = module.parameters()
    if any(not isinstance(p.data, np.ndarray) for p in parameters):
        module = copy.deepcopy(module).to(device="cpu")
    inputs = x if isinstance(x, tuple) else (x,)
    return module, _hosted(inputs)


def _hosted(value):
    if isinstance(value, (tuple, list)):
        return tuple(map(_hosted, value))
    if isinstance(value, Mapping):
        raise TypeError(
            "to_onnx: expected x, an array, or a tuple of arrays for several arguments of forward, "
            "got a dict; give forward an argument for each of its entries"
        )
    return value if value is None else np.asarray(to_host(value))


def _recorded(who, module, samples):
    """Return the recorded pass with as many sizes varying as the module allows."""
    reason: Any = None
    for varied in samples.choices():
        try:
            pairs = [samples.draw(varied, which) for which in (0, 1)]
            (one, given, outputs), (two, *_) = (
                record(module, inputs, layer_converter) for inputs in pairs
            )
            shaped = compared(one, two, varied)
            _check_images(shaped)
            break
        except UntraceableError:
            raise
        except Exception as error:  # the module refuses another length of sequences, or other sizes
            reason = error
            if not varied:
                raise _not_exportable(who, error) from error
    if not varied:
        count = samples.first.shape[0]
        warnings.warn(
            f"{who}: the number of samples is fixed to {count}, that of x: {reason}", stacklevel=4
        )
    for at, what in one.reads.items():
        warnings.warn(
            f"{at}: {what} of an array that is computed from the input; the file has the course "
            "that the sample takes, for all inputs; use np.where to choose by values",
            stacklevel=4,
        )
    return shaped, given, outputs, varied


def _check_images(shaped):
    """Raise a NotFixedError if the size of images varies where a layer's nodes depend on it."""
    for step in shaped.steps:
        if isinstance(step.layer, RESIZING):
            size = shaped.shapes[step.args[0].index][1:3]
            if any(isinstance(n, Dim) for n in size):
                raise NotFixedError(f"{step} takes images of a size that varies")


def _not_exportable(who, error):
    if isinstance(error, NotFixedError):
        return ValueError(
            f"{who}: {error}; a graph has the same nodes and constants for all inputs. Choose by "
            "values with np.where, and create arrays like the input, e.g. np.zeros_like(x, "
            "shape=...)"
        )
    return error


def _written(who: str, shaped: Shaped, given: Any, outputs: Any, module: Module):
    """Return the graph with its inputs and outputs."""
    arrays = leaves(given)
    floats = [p.dtype for p in module.parameters()] + [a.dtype for a in arrays]
    dtype = next((d for d in floats if np.dtype(d).kind == "f"), np.dtype("float32"))
    graph, values = Graph(module, dtype), {}
    for index, array in enumerate(arrays):
        name = "input" if len(arrays) == 1 else f"input_{index}"
        shape = shaped.shapes[array.ref.index]
        values[array.ref.index] = Value(name, shape, array.dtype)
        graph.reserve(name)
        for axis, size in enumerate(shape):
            if isinstance(size, Dim) and size.factor == 1 and len(size.powers) == 1:
                graph.sizes.setdefault(size.powers[0][0], (name, axis))
    found = leaves(outputs)
    names = _output_names(outputs, len(found))
    for name in names:
        graph.reserve(name)
    for step in shaped.needed(array.ref for array in found if hasattr(array, "ref")):
        with graph.inside(step.scope):
            _write_step(graph, shaped, step, values)
    results = [values[array.ref.index] for array in found if hasattr(array, "ref")]
    if len(results) < len(found) or not found:
        raise ValueError(
            f"{who}: expected outputs that are computed from the input, got one that is the same "
            "for all inputs; return what forward computes from x"
        )
    graph.scope = ""
    results = [graph.finished(value, name) for value, name in zip(results, names, strict=True)]
    return Written(graph, [values[array.ref.index] for array in arrays], results, values)


def _output_names(outputs, count):
    if isinstance(outputs, dict):
        return [f"output_{name}" for name in outputs]
    return ["output"] if count == 1 else [f"output_{index}" for index in range(count)]


def _write_step(graph, shaped, step, values):
    """Write the nodes of one step, and enter its outputs in the values by index."""
    like = [
        Value("", shaped.shapes[ref.index], shaped.trace.values[ref.index].dtype)
        for ref in step.outputs
    ]
    args, options = mapped((step.args, step.options), Ref, lambda ref: values[ref.index])
    if step.layer is not None:
        write = layer_converter(step.layer)
        args = (step.layer, *args)
    else:
        write = function_converter(step.name)
    try:
        if write is None:
            raise NotImplementedError("it has no converter")
        if "result" in inspect.signature(write).parameters:
            options = {**options, "result": like[0]}
        made = write(graph, *args, **options)
    except (NotImplementedError, TypeError) as error:
        raise NotImplementedError(
            f"{step} cannot be written as ONNX: {error}; use other "
            "functions, or register a converter for the layer with firstlight.onnx.converter"
        ) from error
    made = made if isinstance(made, (tuple, list)) else [made]
    for ref, value, known in zip(step.outputs, made, like, strict=True):
        constant = value.constant
        values[ref.index] = replace(known, name=value.name, order=value.order, constant=constant)
