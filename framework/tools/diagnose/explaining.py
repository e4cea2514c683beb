"""`explain`: one batch forward and backward through a model, call by call."""

import copy
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from firstlight.data.splits import DataSplits, as_loader
from firstlight.module import Module
from firstlight.parameter import Parameter
from firstlight.support import rng as randomness
from firstlight.support.batches import describe_batch, placed
from firstlight.tools.diagnose._explain_html import page
from firstlight.tools.diagnose.probes.arrays import first_samples
from firstlight.tools.diagnose.probes.recorded_calls import Call, recorded_step
from firstlight.tools.diagnose.rich_text import escaped, marked, plain_text, table
from firstlight.training import checks

SMALL = 48  # numbers that are printed in full; of larger arrays a corner


@dataclass
class ArraySummary:
    """Shape, size and values of one array.

    Attributes
    ----------
    name, dtype : str
    shape : tuple of int
    norm, mean, low, high : float
    corner : str
        The numbers themselves, of a large array those of its first corner.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    norm: float
    mean: float
    low: float
    high: float
    corner: str

    @classmethod
    def of(cls, name: str, array: Any) -> "ArraySummary":
        """Return the summary of an array."""
        array = np.asarray(array)
        numbers = array.astype("float64")
        norm, mean = float(np.sqrt(np.square(numbers).sum())), float(numbers.mean())
        low, high = float(numbers.min()), float(numbers.max())
        shown = array
        if array.size > SMALL:
            while shown.ndim > 2:
                shown = shown[0]
            shown = shown[:3, :8] if shown.ndim == 2 else shown[:8]
        corner = np.array2string(shown, precision=3, suppress_small=True, max_line_width=90)
        corner += " ..." if shown.size < array.size else ""
        return cls(name, str(array.dtype), array.shape, norm, mean, low, high, corner)


@dataclass
class CallSummary:
    """One call of a module in the step.

    Attributes
    ----------
    name, type : str
    depth : int
        Number of enclosing modules.
    formula, gradient : str
        From the docstring; the code of forward and backward if that has none.
    forward, backward : list of ArraySummary
        x, parameters and y; dy, the parameters' gradients and dx.
    """

    name: str
    type: str
    depth: int
    formula: str
    gradient: str
    forward: list[ArraySummary] = field(default_factory=list)
    backward: list[ArraySummary] = field(default_factory=list)

    @property
    def title(self) -> str:
        """Name and class."""
        return f"{self.name} ({self.type})" if self.name else self.type


@dataclass
class StepThrough:
    """One training step of a model; prints as text.

    Attributes
    ----------
    model, data, batch : str
    loss : float
    metrics : dict of str to float
    parts : list of CallSummary
        In the order of forward; backward goes through them from the last.
    """

    model: str
    data: str
    batch: str
    loss: float
    metrics: dict[str, float]
    parts: list[CallSummary]

    @property
    def results(self) -> str:
        """The loss and the metrics, on one line."""
        values = {"loss": self.loss} | self.metrics
        return ", ".join(f"{name} {value:.4g}" for name, value in values.items())

    def to_html(self) -> str:
        """Return an HTML page that needs no other files."""
        return page(self)

    def __str__(self) -> str:
        return plain_text(self)

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        from rich.rule import Rule

        where = f" on {escaped(self.data)}" if self.data else ""
        yield marked(f"[bold]{escaped(self.model)}{where}[/], one step of {self.batch}")
        yield Rule("forward")
        for part in self.parts:
            yield from _lines(console, part, part.formula, part.forward, "cyan")
        yield Rule(self.results)
        yield Rule("backward")
        for part in reversed(self.parts):
            yield from _lines(console, part, part.gradient, part.backward, "magenta")


def _lines(console, part, words, arrays, colour):
    from rich.padding import Padding

    yield marked(f"\n{'  ' * part.depth}[bold {colour}]{escaped(part.title)}[/]")
    margin = (0, 0, 0, 2 * part.depth + 2)
    if words:
        yield Padding(marked(f"[dim]{escaped(words)}[/]"), margin)
    if arrays:
        numbers = table(console)
        for head in ("", "shape", "norm", "mean", "from", "to"):
            justify = "left" if head in ("", "shape") else "right"
            numbers.add_column(head, justify=justify, no_wrap=True)
        for one in arrays:
            values = (f"{value:.3g}" for value in (one.norm, one.mean, one.low, one.high))
            numbers.add_row(one.name, str(one.shape), *values)
        yield Padding(numbers, margin)
    for one in arrays:
        if not one.corner.endswith("..."):
            gap = "\n" if "\n" in one.corner else " "
            yield Padding(marked(escaped(f"{one.name} ={gap}{one.corner}")), margin)


def explain(model: Module, data: Any, *, samples: int = 4) -> StepThrough:
    """Run a few samples through one training step; record what each module does with them.

    Parameters
    ----------
    model : Module
        Left as it is.
    data : DataSplits, (x, y) tuple, data set or loader
    samples : int
        Samples of the first batch to use.

    Returns
    -------
    StepThrough
        ``print`` it, or write ``to_html()`` to a file.

    Raises
    ------
    TypeError, ValueError
        The model is not a module; fewer samples than one; errors of the model itself.

    Examples
    --------
    >>> from firstlight.tools.diagnose import explain
    >>> from firstlight.testing import TinyNet, tiny_data
    >>> step = explain(TinyNet(), tiny_data())
    >>> [part.type for part in step.parts][:3]
    ['TinyNet', 'Sequential', 'Linear']
    """
    checks.module(model)
    if samples < 1:
        raise ValueError(f"explain: expected 1 sample or more, got {samples}")
    streams = randomness.state_dict()
    try:
        dtype = next((p.dtype for p in model.parameters()), np.dtype("float32"))
        batch = placed(next(iter(copy.copy(as_loader(data, "train")))), "cpu", dtype)
        batch = first_samples(batch, samples)
        _, output, tops = recorded_step(model, batch, backward=True)
    finally:
        randomness.load_state_dict(streams)
    return StepThrough(
        model=type(model).__name__,
        data=data.name if isinstance(data, DataSplits) else "",
        batch=describe_batch(batch),
        loss=float(output.loss),
        metrics={name: float(value) for name, value in output.metrics.items()},
        parts=[_summary(call, depth) for top in tops for depth, call in top.walk()],
    )


def _summary(call: Call, depth: int) -> CallSummary:
    own = [(n, v) for n, v in vars(call.module).items() if isinstance(v, Parameter)]
    inputs = [("x" if i == 0 else f"input {i + 1}", x) for i, x in enumerate(call.inputs)]
    forward = [*inputs, *((name, p.data) for name, p in own), ("y", call.output)]
    backward = [("dy", call.dy), *((f"{n}.grad", p.grad) for n, p in own), ("dx", call.dx)]

    def summaries(arrays):
        shown = [(n, a) for n, a in arrays if hasattr(a, "dtype") and np.size(a) > 0]
        return [ArraySummary.of(name, array) for name, array in shown]

    kind = type(call.module)
    formula, gradient = (
        _section_or_code(kind, "Formula", "forward"),
        _section_or_code(kind, "Gradient", "backward"),
    )
    arrays = summaries(forward), summaries(backward)
    return CallSummary(call.name, call.type, depth, formula, gradient, *arrays)


def _section_or_code(kind, head, method):
    """Return the section ``head`` of a class's docstring, or the code of a method."""
    lines = (inspect.getdoc(kind) or "").splitlines()
    start = next((i for i, line in enumerate(lines) if line.startswith(head)), None)
    if start is None:
        try:
            return textwrap.dedent(inspect.getsource(getattr(kind, method))).strip()
        except (OSError, TypeError):
            return ""
    end = start
    while end < len(lines) and lines[end].strip():
        end += 1
    if lines[end - 1].rstrip().endswith("::"):
        while end < len(lines) and (not lines[end].strip() or lines[end].startswith(" ")):
            end += 1
    text = "\n".join(line[:-1] if line.endswith("::") else line for line in lines[start:end])
    return text.strip()
