"""Make the page of a network: trace it, choose the format of its weights, check it, write it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from firstlight.data.splits import DataSplits
from firstlight.module import Module
from firstlight.support.array import Array
from firstlight.support.files import PathLike, made_room, write_atomically
from firstlight.tools.demo import content as contents
from firstlight.tools.demo.encoding import (
    FORMATS,
    arrays_of,
    exact_formats,
    rounded,
    same_formats,
)
from firstlight.tools.demo.javascript import engine, network, node_js, run_in_node
from firstlight.tools.demo.page import page
from firstlight.tools.demo.trace import Graph, trace
from firstlight.tools.language import checked

ROOM = 1_750_000  # bytes of weights in base64, of a page of 2 MB
MOST_LOST = {"accuracy": 0.002, "loss": 0.01}  # points of accuracy; share of the loss
CHECKED = 20  # samples that JavaScript and NumPy both compute
DIFFERENCE = 1e-4  # of the largest output, at most


@dataclass
class Demo:
    """A page, and what was found when it was made.

    Attributes
    ----------
    html : str
    kind : {"image", "text", "curve", "table"}
    formats : dict
        How many arrays of which format: "float32", "float16" and "int8".
    metric : {"accuracy", "loss"}
        What ``before`` and ``after`` the weights were rounded was measured.
    before, after : float
    samples, split : int, str
        On how many samples of which split.
    difference : float or None
        The largest difference between JavaScript and NumPy, as a share of the largest output; None
        if there is no Node.js.
    """

    html: str
    kind: str
    formats: dict[str, int]
    metric: str
    before: float
    after: float
    samples: int
    split: str
    difference: float | None

    def write(self, path: PathLike) -> None:
        """Write the page to a file, whose folder is made if it is missing."""
        write_atomically(made_room(path), self.html)

    def __str__(self) -> str:
        used = ", ".join(f"{count} {form}" for form, count in self.formats.items())
        before, after = (shown(self.metric, value) for value in (self.before, self.after))
        rounding = f", before rounding {before}" if set(self.formats) != {"float32"} else ""
        if self.difference is None:
            check = "JavaScript was not compared with NumPy, as there is no Node.js (node)"
        else:
            check = f"JavaScript differs from NumPy by {self.difference:.0e} of the largest output"
        return (
            f"{self.kind} page of {len(self.html.encode()) / 1e6:.2f} MB; arrays: {used}\n"
            f"{self.split} {self.metric} {after} ({self.samples:,} samples{rounding})\n{check}"
        )


def shown(metric: str, value: float) -> str:
    """Return a metric as people read it."""
    return f"{value:.2%}" if metric == "accuracy" else f"{value:.4f}"


def make_demo(
    model: Module,
    data: DataSplits,
    *,
    language: str = "en",
    weights: str = "auto",
    title: str = "",
) -> Demo:
    """Make the page of a trained network; `Demo.write` writes it to a file.

    Parameters
    ----------
    model : Module
        On the CPU.
    data : DataSplits
        Images with classes, text, a table, or points of a curve.
    language : {"en", "de"}
    weights : {"auto", "float32", "float16", "int8"}
        Format of the large arrays. "auto" is the most exact one with which the page stays below
        2 MB, and int8 only where the validation data show no loss.
    title : str
        By default the names of model and data.

    Returns
    -------
    Demo

    Raises
    ------
    TypeError
        The model is no Module, or the data are no DataSplits.
    ValueError
        A model whose forward cannot be traced or has no score for each class, data without a page,
        another language or format.
    RuntimeError
        JavaScript does not compute what NumPy computes.

    Examples
    --------
    >>> from firstlight import datasets, models
    >>> from firstlight.tools.demo import make_demo
    >>> demo = make_demo(models.Polynomial(3), datasets.load("polynomial"))
    >>> demo.kind, demo.formats
    ('curve', {'float32': 2})
    """
    checked(language)
    for name, value, kind in (("model", model, Module), ("data", data, DataSplits)):
        if not isinstance(value, kind):
            got = f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
            hint = "datasets.load(name)" if kind is DataSplits else "an instance, trained"
            raise TypeError(f"make_demo: {name}: expected a {kind.__name__}, {hint}; got {got}")
    if weights not in ("auto", *FORMATS):
        raise ValueError(f"weights: expected auto, {', '.join(FORMATS)}, got {weights!r}")
    content, mode = contents.gather(data), model.training
    try:
        model.eval()
        graph = trace(model, *contents.sample_inputs(content))
        with _kept(arrays_of(node.description for node in graph.nodes)) as arrays:
            return _made(model, data, content, graph, arrays, language, weights, title)
    finally:
        model.train(mode)


@contextmanager
def _kept(arrays: list[Array]) -> Iterator[list[Array]]:
    """Restore the values of arrays at the end."""
    originals = [array.copy() for array in arrays]
    try:
        yield arrays
    finally:
        for array, original in zip(arrays, originals, strict=True):
            if array.flags.writeable:
                array[...] = original


def _made(model, data, content, graph, arrays, language, weights, title):
    """Return the page of a traced model; the arrays are rounded in place."""
    outputs = contents.predictions(model, content.x)
    contents.check_scores(model, outputs, data)
    metric, before = contents.score(model, content, data.classes, outputs)
    formats, after = _rounded(arrays, model, content, data.classes, weights, metric, before)
    contents.complete(content, data, outputs)
    used = [formats[id(array)] for array in arrays if array.ndim]  # not the numbers of forward
    demo = Demo(
        html="",
        kind=content.kind,
        formats={form: used.count(form) for form in FORMATS if form in used},
        metric=metric,
        before=before,
        after=after,
        samples=len(content.x),
        split={"val": "validation", "test": "test", "train": "training"}[content.split],
        difference=_difference(graph, content, formats, model) if node_js() else None,
    )
    facts = {
        "title": title or f"{type(model).__name__} – {data.name}",
        "classes": data.classes and [str(name) for name in data.classes],
        "parameters": sum(parameter.size for parameter in model.parameters()),
        "activation": _last(graph, data.classes),
        "report": {n: v for n, v in vars(demo).items() if n not in ("html", "kind")},
        **content.page,
    }
    demo.html = page(language, content.kind, engine(graph), network(graph, formats), facts)
    return demo


def _rounded(arrays, model, content, classes, weights, metric, before):
    """Round arrays in place; return the format of each by its id, and the metric afterwards."""
    originals = [array.copy() for array in arrays]

    def apply(formats: list[str]) -> float:
        for array, original, form in zip(arrays, originals, formats, strict=True):
            if form != "float32":
                array[...] = rounded(original, form)
        return contents.score(model, content, classes, contents.predictions(model, content.x))[1]

    auto = weights == "auto"
    formats = exact_formats(arrays, ROOM) if auto else same_formats(arrays, weights)
    after = apply(formats) if set(formats) != {"float32"} else before
    lost = before - after if metric == "accuracy" else (after - before) / max(before, 1e-9)
    if auto and "int8" in formats and lost > MOST_LOST[metric]:
        formats = same_formats(arrays, "float16")
        after = apply(formats)
    return {id(a): form for a, form in zip(arrays, formats, strict=True)}, after


def _difference(graph: Graph, content: Any, formats: dict[int, str], model: Module) -> float:
    """Return the largest difference between JavaScript and NumPy on some samples."""
    x = content.x[: 2 if content.kind == "text" else CHECKED]
    y = model(x).reshape(len(x), -1)
    (found,) = run_in_node((graph, x, formats))
    difference = float(np.abs(found - y).max() / max(1.0, np.abs(y).max()))
    if not difference <= DIFFERENCE:  # or NaN
        raise RuntimeError(
            f"the network in JavaScript differs from NumPy's by {difference:.1e} of its largest "
            f"output (at most {DIFFERENCE} expected), so that the page would not show this network"
        )
    return difference


def _last(graph, classes):
    """Return what makes probabilities of the output: nothing if the last layer has."""
    if classes and len(classes) == 1:
        return "softmax"  # 1 for the only class
    node = graph.nodes[graph.output]
    if node.description.type in ("Softmax", "Sigmoid"):
        return "none"
    return "sigmoid" if node.shape[1:] in ((), (1,)) else "softmax"
