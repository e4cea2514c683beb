"""Summary of a model: shapes, parameters, FLOPs and memory of every module, as a table."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from firstlight.module import Module
from firstlight.parameter import Parameter
from firstlight.support import rng, state
from firstlight.support.array import Array
from firstlight.support.batches import leaves, mapped
from firstlight.support.html import table


@dataclass
class Row:
    """Type, shapes and cost of one module.

    Attributes
    ----------
    name : str
        As in `Module.named_modules`; empty for the model itself.
    label : str
        Last part of the name, indented in the table by ``depth``.
    depth : int
    type : str
    output_shape : tuple of int, tuple or dict of such tuples, or None
        One shape for each output; None for a module that did not run.
    parameters, trainable, parameter_bytes : int
        Counts of the module without its children; shared parameters are counted once.
    flops, activation_bytes : int
        Cost of all runs of the module without its children; memory that another module allocated
        is not counted again.
    """

    name: str
    label: str
    depth: int
    type: str
    output_shape: tuple[Any, ...] | dict[str, Any] | None = None
    parameters: int = 0
    trainable: int = 0
    parameter_bytes: int = 0
    flops: int = 0
    activation_bytes: int = 0

    def cells(self) -> tuple[str, ...]:
        """Return the cells of the row."""
        return (
            "  " * self.depth + self.label,
            self.type,
            "not run" if self.output_shape is None else str(self.output_shape),
            f"{self.parameters:,}" if self.parameters else "-",
            human(self.flops) if self.flops else "-",
        )


@dataclass
class Summary:
    """One row for each module, and totals; printed as a table.

    Attributes
    ----------
    input_shape : tuple of int, or tuple or dict of such tuples
    rows : list of Row
        Without modules that did not run and have no parameters, such as losses.
    """

    input_shape: tuple[Any, ...] | dict[str, Any]
    rows: list[Row]

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        return sum(row.parameters for row in self.rows)

    @property
    def trainable(self) -> int:
        """Number of parameters that are not frozen."""
        return sum(row.trainable for row in self.rows)

    @property
    def parameter_bytes(self) -> int:
        """Memory of the parameters, without gradients and optimizer state."""
        return sum(row.parameter_bytes for row in self.rows)

    @property
    def flops(self) -> int:
        """Floating-point operations of one forward of the batch."""
        return sum(row.flops for row in self.rows)

    @property
    def activation_bytes(self) -> int:
        """Memory of all modules' outputs in one forward of the batch."""
        return sum(row.activation_bytes for row in self.rows)

    def __str__(self) -> str:
        cells = self._cells()
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        head, *body = [
            "  ".join(
                [c.ljust(w) for c, w in zip(line[:3], widths[:3], strict=True)]
                + [c.rjust(w) for c, w in zip(line[3:], widths[3:], strict=True)]  # numbers
            )
            for line in cells
        ]
        rule = "-" * len(head)
        return "\n".join([head, rule, *body, rule, *self._totals()])

    def _repr_html_(self) -> str:
        return table(self._cells(), left=3, below=self._totals())

    def _cells(self):
        heads = ("Name", "Type", "Output shape", "Parameters", "FLOPs")
        return [heads, *(row.cells() for row in self.rows)]

    def _totals(self):
        share = "all trainable"
        if self.trainable < self.parameters:
            share = f"{self.trainable:,} trainable"
        return [
            f"Parameters:   {self.parameters:,} ({share}), {human(self.parameter_bytes, 'B')}",
            f"One forward:  {human(self.flops)} FLOPs for input {self.input_shape}",
            f"Activations:  {human(self.activation_bytes, 'B')}",
        ]


def summarize(module: Module, x: Array) -> Summary:
    """Run x through a module once, in evaluation mode, and record a row for every module.

    The mode, saved values and buffers of the module, and the random streams, are restored.

    Parameters
    ----------
    module : Module
    x : array, or tuple or dict of arrays
        A batch of one or more samples.

    Returns
    -------
    Summary

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> from firstlight.support.summary import summarize
    >>> net = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    >>> print(summarize(net, np.zeros((32, 784), "float32")))
    Name   Type        Output shape  Parameters    FLOPs
    ----------------------------------------------------
    model  Sequential  (32, 10)               -        -
      0    Linear      (32, 128)        100,480  6.423 M
      1    ReLU        (32, 128)              -  4.096 k
      2    Linear      (32, 10)           1,290  81.92 k
    ----------------------------------------------------
    Parameters:   101,770 (all trainable), 397.5 KiB
    One forward:  6.509 M FLOPs for input (32, 784)
    Activations:  33.25 KiB
    """
    pairs = list(_pairs(module, "", "model", 0, set()))
    _count_parameters(pairs)
    memory = _Memory([*leaves(x), *(parameter.data for parameter in module.parameters())])
    with undisturbed(module):
        for part, row in pairs:
            part.training, part._stack = False, None
            part.forward = _recording(part, row, memory)  # overrides the class's on this object
        module(x)
    rows = [row for part, row in pairs if row.output_shape is not None or part.parameters()]
    return Summary(_shapes(x), rows)


def layers_as_html(module: Module) -> str:
    """Return the tree of a module's layers, with arguments and parameters, as an HTML table."""
    pairs = list(_pairs(module, "", "model", 0, set()))
    _count_parameters(pairs)
    rows = [("Name", "Type", "Arguments", "Parameters")]
    for part, row in pairs:
        name, kind, _, parameters, _ = row.cells()
        rows.append((name, kind, part.extra_repr(), parameters))
    total = sum(row.parameters for _, row in pairs)
    return table(rows, left=3, below=[f"Parameters: {total:,}"])


def human(number: float, unit: str = "") -> str:
    """Format a number with four digits and a prefix: ``6.423 M``, ``397.5 KiB``.

    Parameters
    ----------
    number : int
    unit : {"", "B"}
        "B" for bytes, with prefixes of 1024.
    """
    step, prefixes = (1024, ("", "Ki", "Mi", "Gi", "Ti")) if unit else (1000, "_kMGT")
    power = 0
    while number >= step and power < len(prefixes) - 1:
        number, power = number / step, power + 1
    if power == 0:
        return f"{number} {unit}".rstrip()
    return f"{number:.4g} {prefixes[power]}{unit}"


def _pairs(module, name, label, depth, seen):
    """Yield every module once, with an empty row, depth first."""
    if id(module) in seen:
        return
    seen.add(id(module))
    yield module, Row(name, label, depth, type(module).__name__)
    for key, child in state.children(module):
        yield from _pairs(child, f"{name}.{key}" if name else key, key, depth + 1, seen)


def _count_parameters(pairs):
    counted = set()
    for part, row in pairs:
        for _, value in state.entries(part):
            if isinstance(value, Parameter) and id(value) not in counted:
                counted.add(id(value))
                row.parameters += value.size
                row.trainable += value.size if value.requires_grad else 0
                row.parameter_bytes += value.data.nbytes


@contextmanager
def undisturbed(module: Module) -> Iterator[None]:
    """Restore the attributes of all modules, and the random streams, at the end."""
    streams = rng.state_dict()
    before = [(part, dict(vars(part))) for part in module.modules()]
    try:
        yield
    finally:
        for part, attributes in before:
            vars(part).clear()
            vars(part).update(attributes)
        rng.load_state_dict(streams)


def _recording(part, row, memory):
    """Wrap a module's forward to record shapes and cost in a row."""
    forward = part.forward

    def recorded(*inputs):
        y = forward(*inputs)
        outputs, row.output_shape = leaves(y), _shapes(y)
        new_bytes = sum(memory.new_bytes(output) for output in outputs)
        row.activation_bytes += new_bytes
        # A module without `flops` that only returns a child's output, as models do, counts as 0.
        if new_bytes or type(part).flops is not Module.flops:
            row.flops += int(part.flops(inputs[0], outputs[0]))
        return y

    return recorded


def _shapes(arrays):
    """Return the shape of an array, or the shapes in a tuple or dict of arrays."""
    return mapped(lambda array: tuple(array.shape), arrays)


class _Memory:
    """Record the memory counted so far; a view shares the memory of its base."""

    def __init__(self, arrays: list[Array]):
        self.seen = {}  # keeps the arrays alive, so that ids are unique
        for array in arrays:
            self.new_bytes(array)

    def new_bytes(self, array: Any) -> int:
        owner = array
        while getattr(owner, "base", None) is not None:
            owner = owner.base
        if id(owner) in self.seen:
            return 0
        self.seen[id(owner)] = owner
        return array.nbytes
