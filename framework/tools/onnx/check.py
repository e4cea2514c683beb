"""Run a graph before it is written, and compare it with NumPy."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.support import forms, rng
from firstlight.support.array import Array
from firstlight.support.extras import installed
from firstlight.support.summary import undisturbed
from firstlight.tools.onnx.graph import Written
from firstlight.tools.onnx.samples import Samples
from firstlight.tools.tracing.recording import leaves
from firstlight.tools.tracing.symbolic import Shaped

TOLERANCE = 1e-5


def check(
    who: str,
    module: Module,
    model: Any,
    shaped: Shaped,
    written: Written,
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
        It is above 1e-5, or outputs are random.
    """
    worst, run = 0.0, Runner(model)
    trials = [{name: pair[which] for name, pair in sizes.items()} for which in (0, 1)]
    trials += [trials[1] | {"N": 1}] if "N" in sizes else []
    for trial in trials:
        given = samples.with_sizes(trial)
        feeds = {
            value.name: array for value, array in zip(written.inputs, leaves(given), strict=True)
        }
        expected = leaves(_evaluated(module, given))
        _refuse_chance(who, expected, leaves(_evaluated(module, given, redrawn=True)))
        try:
            found = run(feeds)
        except Exception as error:  # of any kind
            raise ValueError(
                f"{who}: neither onnxruntime nor ONNX's evaluator can run the graph: {error}; "
                "nothing was written"
            ) from error
        for value, theirs, ours in zip(written.outputs, found, expected, strict=True):
            error = difference(theirs, ours)
            worst = max(worst, error)
            if not error <= TOLERANCE:
                varied = ", ".join(f"{name} = {size}" for name, size in trial.items())
                raise ValueError(
                    f"{who}: the graph's {value.name}, computed by {run.name} for random inputs "
                    f"({varied or 'of the given size'}), differs from NumPy's by {error:.2g} of "
                    f"its largest number; {first_difference(model, shaped, written)}. "
                    "Nothing was written"
                )
    if any(np.isnan(output).any() for output in expected if output.dtype.kind == "f"):
        warnings.warn(
            f"{who}: outputs are NaN, in the file as in NumPy; if the weights have diverged, "
            "choose an earlier checkpoint",
            stacklevel=4,
        )
    if run.refusal:
        warnings.warn(
            f"{who}: {run.refusal}; ONNX's own evaluator was used. For float64, which only some "
            "operators have, export module.to(dtype='float32')",
            stacklevel=4,
        )
    return run.name, worst


def _refuse_chance(who, outputs, again):
    """Raise a ValueError if a second pass, with other random numbers, has other outputs."""
    if any(
        difference(other, output) > TOLERANCE for output, other in zip(outputs, again, strict=True)
    ):
        raise ValueError(
            f"{who}: forward draws random numbers in evaluation mode, and a file would repeat "
            "those of one pass; draw them only `if self.training:`, or pass them as an input. "
            "Nothing was written"
        )


def _evaluated(module, given, redrawn=False):
    with undisturbed(module), forms.only():
        if redrawn:
            np.random.random(997)  # noqa: NPY002  a user's code may draw from this stream
            for name in rng.STREAMS:
                rng.stream(name).random(997)
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


def first_difference(model: Any, shaped: Shaped, written: Written) -> str:
    """Name the first layer or function whose output differs in the recorded pass."""
    import onnx

    trace, graph = shaped.trace, written.graph
    made = {name for node in model.graph.node for name in node.output}
    places = []
    for step in shaped.steps:
        for ref in step.outputs:
            value = written.values.get(ref.index)
            if value is None:
                continue
            name = graph.renamed.get(value.name, value.name)
            if name in made:
                places.append((step, name, value, trace.values[ref.index]))
    more = onnx.ModelProto()
    more.CopyFrom(model)
    del more.graph.output[:]
    more.graph.output.extend(onnx.ValueInfoProto(name=name) for name in {p[1] for p in places})
    order = [output.name for output in more.graph.output]
    feeds = {
        value.name: trace.values[index]
        for index, value in written.values.items()
        if value in written.inputs
    }
    found = dict(zip(order, Runner(more)(feeds), strict=True))
    for step, name, value, ours in places:
        stored = (
            ours if value.order is None or name in graph.outputs else ours.transpose(value.order)
        )
        if not (error := difference(found[name], stored)) <= TOLERANCE:
            return f"the first layer that differs is {step}, by {error:.2g}"
    return (
        "each layer agrees in the pass that was recorded, so forward computes something else for "
        "other inputs: look for conditions on values, and for views of arrays that are changed"
    )


class Runner:
    """Runs a model: a function from inputs by name to the list of outputs.

    It is onnxruntime if it is installed and has all operators for the model's dtypes, else ONNX's
    own evaluator.

    Attributes
    ----------
    name : str
        Program and version.
    refusal : str
        Why onnxruntime, which is installed, cannot run the model; "" if it can.
    """

    def __init__(self, model: Any) -> None:
        self.refusal: str = ""
        self._model: Any = model
        self._session: Any = None
        if installed("onnxruntime"):
            import onnxruntime

            self.name: str = f"onnxruntime {onnxruntime.__version__}"
            options = onnxruntime.SessionOptions()
            options.log_severity_level, options.intra_op_num_threads = 4, 1
            content, where = model.SerializeToString(), ["CPUExecutionProvider"]
            try:
                self._session = onnxruntime.InferenceSession(content, options, where)
            except Exception as error:  # of a class of its own
                self._use_evaluator(error)
        else:
            self._use_evaluator()

    def __call__(self, feeds: dict[str, Array]) -> list[Array]:
        """Return the outputs."""
        if self._session is not None:
            try:
                return self._session.run(None, feeds)
            except Exception as error:  # of a class of its own
                self._use_evaluator(error)
        return self._evaluator.run(None, feeds)

    def _use_evaluator(self, error=None):
        import onnx
        from onnx.reference import ReferenceEvaluator

        if error is not None:
            self.refusal = f"{self.name} cannot run the file: {str(error).splitlines()[0]}"
        self._session, self.name = None, f"the evaluator of onnx {onnx.__version__}"
        self._evaluator = ReferenceEvaluator(self._model)
