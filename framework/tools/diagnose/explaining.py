"""`explain`: one batch forwards and backwards through a model, call by call."""

import copy
import inspect
import textwrap
from dataclasses import dataclass, field

import numpy as np

from firstlight.data.splits import DataSplits, as_loader
from firstlight.parameter import Parameter
from firstlight.support import rng as randomness
from firstlight.support.batches import describe_batch, placed
from firstlight.tools.diagnose.bench import unburdened
from firstlight.tools.diagnose.parts import mapped
from firstlight.tools.diagnose.recording import recording
from firstlight.training import checks

SMALL = 48  # numbers that are printed in full; of larger arrays a corner


@dataclass
class Figures:
    """What is told of one array.

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
    shape: tuple
    norm: float
    mean: float
    low: float
    high: float
    corner: str


@dataclass
class Part:
    """One call of a module in the step.

    Attributes
    ----------
    name, type : str
    depth : int
        How many modules it is inside.
    formula, gradient : str
        From the docstring; the code of forward and backward where that has none.
    forward, backward : list of Figures
        x, parameters and y; dy, the parameters' gradients and dx.
    """

    name: str
    type: str
    depth: int
    formula: str
    gradient: str
    forward: list = field(default_factory=list)
    backward: list = field(default_factory=list)

    @property
    def title(self):
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
    parts : list of Part
        In the order of forward; backward goes through them from the last.
    """

    model: str
    data: str
    batch: str
    loss: float
    metrics: dict
    parts: list

    def __str__(self):
        from firstlight.tools.diagnose.explain_text import as_text

        return as_text(self)

    def to_html(self):
        """Return a page of its own, as a string."""
        from firstlight.tools.diagnose.explain_html import page

        return page(self)


def explain(model, data, *, samples=4):
    """Take a few samples through one training step, and tell what each module does with them.

    Parameters
    ----------
    model : Module
        Left as it is.
    data : DataSplits, (x, y) tuple, data set or loader
    samples : int
        How many samples of the first batch.

    Returns
    -------
    StepThrough
        ``print`` it, or write ``to_html()`` to a file.

    Raises
    ------
    TypeError, ValueError
        The model is not a module; fewer samples than one; what the model itself raises.

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
        return _explain(model, data, samples)
    finally:
        randomness.load_state_dict(streams)


def _explain(model, data, samples):
    twin = unburdened(model).train()
    dtype = next((p.dtype for p in twin.parameters()), np.dtype("float32"))
    batch = placed(next(iter(copy.copy(as_loader(data, "train")))), "cpu", dtype)
    batch = mapped(batch, lambda array: array[:samples])
    twin.zero_grad()
    with recording(twin) as tops:
        output = twin.training_step(batch)
        checks.training_output(model, output)
        twin.backward(output.dy)
    parts = [_part(call, depth) for top in tops for depth, call in top.walk()]
    name = data.name if isinstance(data, DataSplits) else ""
    metrics = {key: float(value) for key, value in output.metrics.items()}
    kind = type(model).__name__
    return StepThrough(kind, name, describe_batch(batch), float(output.loss), metrics, parts)


def _part(call, depth):
    own = [(n, v) for n, v in vars(call.module).items() if isinstance(v, Parameter)]
    inputs = [("x" if i == 0 else f"input {i + 1}", x) for i, x in enumerate(call.inputs)]
    forward = [*inputs, *((name, p.data) for name, p in own), ("y", call.output)]
    backward = [("dy", call.dy), *((f"{n}.grad", p.grad) for n, p in own), ("dx", call.dx)]
    kind = type(call.module)
    return Part(
        call.name,
        call.type,
        depth,
        told(kind, "Formula", "forward"),
        told(kind, "Gradient", "backward"),
        [figures(name, array) for name, array in forward if is_shown(array)],
        [figures(name, array) for name, array in backward if is_shown(array)],
    )


def is_shown(value):
    """Return whether a value is an array, or a number, to be told of."""
    return hasattr(value, "dtype") and np.size(value) > 0


def figures(name, array):
    """Return the `Figures` of an array."""
    array = np.asarray(array)
    numbers = array.astype("float64")
    return Figures(
        name,
        str(array.dtype),
        array.shape,
        float(np.sqrt(np.square(numbers).sum())),
        float(numbers.mean()),
        float(numbers.min()),
        float(numbers.max()),
        corner(array),
    )


def corner(array):
    """Return an array's numbers as text, of a large one the first row or two."""
    shown = array
    if array.size > SMALL:
        while shown.ndim > 2:
            shown = shown[0]
        shown = shown[:3, :8] if shown.ndim == 2 else shown[:8]
    text = np.array2string(shown, precision=3, suppress_small=True, max_line_width=90)
    return text + (" ..." if shown.size < array.size else "")


def told(kind, head, method):
    """Return what a class's docstring says under ``head``, or else the code of a method."""
    lines = (inspect.getdoc(kind) or "").splitlines()
    start = next((i for i, line in enumerate(lines) if line.startswith(head)), None)
    if start is None:
        return _code(kind, method)
    end = start
    while end < len(lines) and lines[end].strip():
        end += 1
    if lines[end - 1].rstrip().endswith("::"):
        while end < len(lines) and (not lines[end].strip() or lines[end].startswith(" ")):
            end += 1
    return "\n".join(
        line[:-1] if line.endswith("::") else line for line in lines[start:end]
    ).strip()


def _code(kind, method):
    try:
        return textwrap.dedent(inspect.getsource(getattr(kind, method))).strip()
    except (OSError, TypeError):
        return ""
