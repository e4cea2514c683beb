"""Run a graph before it is written, and compare it with NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.support import forms
from firstlight.support.array import Array
from firstlight.support.extras import installed
from firstlight.support.summary import undisturbed
from firstlight.tools.onnx.graph import Graph, Value
from firstlight.tools.onnx.recording import leaves
from firstlight.tools.onnx.samples import Samples
from firstlight.tools.onnx.symbolic import Shaped

TOLERANCE = 1e-5


def check(
    who: str,
    module: Module,
    model: Any,
    shaped: Shaped,
    graph: Graph,
    names: Any,
    samples: Samples,
    sizes: Any,
) -> tuple[str, float]:
    """Compare a model with its module on random inputs of several sizes.

    Returns
    -------
    runtime, error : str, float
        The largest difference, relative to the largest number of an output.

    Raises
    ------
    ValueError
        It is above 1e-5.
    """
    inputs, outputs = names
    worst = 0.0
    trials = [{name: pair[which] for name, pair in sizes.items()} for which in (0, 1)]
    trials += [trials[1] | {"N": 1}] if "N" in sizes else []
    run, runtime = runner(model)
    for trial in trials:
        given = samples.with_sizes(trial)
        feeds = {value.name: array for value, array in zip(inputs, leaves(given), strict=True)}
        expected = leaves(_evaluated(module, given))
        found = run(feeds)
        for value, ours, theirs in zip(outputs, expected, found, strict=True):
            error = difference(theirs, ours)
            worst = max(worst, error)
            if not error <= TOLERANCE:
                told = first_difference(model, shaped, graph, inputs)
                raise ValueError(
                    f"{who}: {value.name} of the graph, run by {runtime} on inputs with {trial}, "
                    f"differs from NumPy's by {error:.2g} of its largest number; {told}. Nothing "
                    "was written; if the layer's forward uses views of arrays that it changes "
                    "later, let it compute new arrays"
                )
    return runtime, worst


def _evaluated(module, given):
    with undisturbed(module), forms.only():
        module.eval()
        return module(*given)


def difference(found: Array, expected: Array) -> float:
    """Return the largest difference, relative to the largest number; inf for other shapes."""
    found, expected = np.asarray(found), np.asarray(expected)
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return float("inf")
    if expected.dtype.kind in "biu":
        return float((found != expected).any())
    same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    finite = expected[np.isfinite(expected)]
    if same.all() or not expected.size:
        return 0.0
    gap = np.abs(np.where(same, 0, found.astype("float64") - np.where(same, 0, expected)))
    scale = np.abs(finite).max() if finite.size else 1.0
    return float(gap.max() / max(scale, np.finfo(expected.dtype).tiny))


def first_difference(model: Any, shaped: Shaped, graph: Graph, inputs: list[Value]) -> str:
    """Name the first layer or function whose output differs in the recorded pass."""
    import onnx

    trace = shaped.trace
    made = {name for node in model.graph.node for name in node.output}
    places = []
    for step in shaped.steps:
        for ref in step.outputs:
            value = graph.written[ref.index]
            name = graph.renamed.get(value.name, value.name)
            if name in made:
                places.append((step, name, value, trace.values[ref.index]))
    more = onnx.ModelProto()
    more.CopyFrom(model)
    del more.graph.output[:]
    more.graph.output.extend(onnx.ValueInfoProto(name=name) for name in {p[1] for p in places})
    run, _ = runner(more)
    order = [output.name for output in more.graph.output]
    feeds = {
        value.name: trace.values[index] for index, value in graph.written.items() if value in inputs
    }
    found = dict(zip(order, run(feeds), strict=True))
    for step, name, value, ours in places:
        stored = (
            ours if value.order is None or name in graph.outputs else ours.transpose(value.order)
        )
        if not (error := difference(found[name], stored)) <= TOLERANCE:
            return f"the first layer that differs is {step}, by {error:.2g}"
    return "each layer agrees in the recorded pass, so forward has a course of its own there"


def runner(model: Any) -> tuple[Any, str]:
    """Return a function from inputs by name to the list of outputs, and the program's name.

    It is onnxruntime if it is installed and has all operators for the model's dtypes, else ONNX's
    own evaluator.
    """
    if installed("onnxruntime"):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level, options.intra_op_num_threads = 4, 1
        try:
            session = onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
            return lambda feeds: session.run(None, feeds), f"onnxruntime {onnxruntime.__version__}"
        except onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented:
            pass  # float64 for some operators
    import onnx
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(model)
    return lambda feeds: evaluator.run(None, feeds), f"the evaluator of onnx {onnx.__version__}"
