"""Summary of a model: the shapes, parameters, FLOPs and memory of every module, as a table."""

import math
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from firstlight import rng, state
from firstlight.module import Module
from firstlight.parameter import Parameter


@dataclass
class Row:
    """What one module is and did in one forward.

    Attributes
    ----------
    name : str
        Dotted, as in `Module.named_modules`; empty for the model itself.
    depth : int
    type : str
    output_shape : tuple of int, list of tuples, or None
        A list for a module with several outputs, None for one that did not run.
    parameters, trainable, parameter_bytes : int
        Of the module itself, without those inside it; shared ones count where they come first.
    flops, activation_bytes : int
        Of the module itself, all its runs together; memory that others made is not counted.
    """

    name: str
    depth: int
    type: str
    output_shape: object = None
    parameters: int = 0
    trainable: int = 0
    parameter_bytes: int = 0
    flops: int = 0
    activation_bytes: int = 0


@dataclass
class Summary:
    """Rows and totals; prints as a table.

    Attributes
    ----------
    input_shape : tuple of int
    rows : list of Row
        Modules without parameters that did not run, such as losses, are left out.
    """

    input_shape: tuple
    rows: list

    @property
    def parameters(self):
        """Number of all parameters."""
        return sum(row.parameters for row in self.rows)

    @property
    def trainable(self):
        """Number of parameters that are not frozen."""
        return sum(row.trainable for row in self.rows)

    @property
    def flops(self):
        """Floating-point operations of one forward of the batch."""
        return sum(row.flops for row in self.rows)

    @property
    def parameter_bytes(self):
        """Memory of all parameters, without gradients and optimizer state."""
        return sum(row.parameter_bytes for row in self.rows)

    @property
    def activation_bytes(self):
        """Memory of all outputs of one forward of the batch."""
        return sum(row.activation_bytes for row in self.rows)

    def __str__(self):
        heads = ("Module", "Type", "Output shape", "Parameters", "FLOPs")
        table = [heads, *(self._cells(row) for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [
            "  ".join(
                cell.rjust(width) if head in heads[3:] else cell.ljust(width)
                for head, cell, width in zip(heads, cells, widths, strict=True)
            ).rstrip()
            for cells in table
        ]
        rule = "-" * max(map(len, lines))
        return "\n".join([lines[0], rule, *lines[1:], rule, *self._totals()])

    def _cells(self, row):
        name = "  " * (row.depth - 1) + row.name.rpartition(".")[2] if row.depth else "(model)"
        if row.depth and row.name.rpartition(".")[2].isdigit():  # an item of a list: layers.0
            name = "  " * (row.depth - 1) + self._short(row)
        shape = "(did not run)" if row.output_shape is None else str(row.output_shape)
        parameters = f"{row.parameters:,}" if row.parameters else "-"
        return name, row.type, shape, parameters, human(row.flops) if row.flops else "-"

    def _totals(self):
        frozen = self.parameters - self.trainable
        trainable = "all trainable" if not frozen else f"{self.trainable:,} trainable"
        return [
            f"Parameters   {self.parameters:,} ({trainable}), {human_bytes(self.parameter_bytes)}",
            f"One forward  {human(self.flops)} FLOPs for input {self.input_shape}",
            f"Activations  {human_bytes(self.activation_bytes)}",
        ]


def human(count):
    return str(count)
