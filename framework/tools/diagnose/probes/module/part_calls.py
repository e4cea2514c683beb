"""Calls of parts: in which order, and how often, a composite calls its parts, as evidence."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from firstlight.tools.diagnose.kind import Evidence, Place
from firstlight.tools.diagnose.probes.module.user_source import UserFunction
from firstlight.tools.diagnose.probes.recorded_calls import Call
from firstlight.tools.diagnose.probes.script.source_text import around


@dataclass
class PartCalls(Evidence):
    """The calls of the parts of a module whose backward is wrong or raises.

    Attributes
    ----------
    call : Call
        Of the module.
    """

    call: Call
    competing = True

    @property
    def raised(self) -> bool:
        """Whether backward raised an exception, or was not called, so that calls are missing."""
        return self.call.backward_raised or not self.call.backward_called

    @property
    def too_few(self) -> tuple[Call, int, int] | None:
        """A part with fewer backwards than forwards: its first call, and both counts."""
        counts: dict[str, list[Call]] = {}
        for part in self.call.parts:
            counts.setdefault(part.name, []).append(part)
        for calls in counts.values():
            backwards = sum(one.backward_called for one in calls)
            if backwards < len(calls) and not self.raised:
                called = [one for one in calls if one.backward_called]
                return (called or calls)[0], len(calls), backwards
        return None

    @property
    def early(self) -> list[tuple[Call, Call]]:
        """Pairs of parts of which the second got the first's output, and the first's backward ran
        before the second's.
        """
        later = np.inf if self.raised else -1  # turn of a backward that was not called
        pairs = [(one, two, two.turn if two.turn >= 0 else later) for one, two in self._connected()]
        return [(one, two) for one, two, turn in pairs if 0 <= one.turn < turn]

    def loop_line(self, place: Place | None) -> Place | None:
        """Return the line of the innermost loop of backward around a line, else the line."""
        source = self._source
        loops = around(source.tree, place.line, ast.For) if source and place else []
        return source.place(loops[-1].lineno) if loops else place

    @property
    def definition(self) -> Place | None:
        """The line where backward is defined, None if its source is unknown."""
        source = self._source
        return None if source is None else source.place(source.tree.lineno)

    @property
    def _source(self):
        return UserFunction.read(type(self.call.module).backward)

    def _connected(self) -> Iterator[tuple[Call, Call]]:
        for index, two in enumerate(self.call.parts):
            for one in self.call.parts[:index]:
                if two.inputs and _same(one.output, two.inputs[0]):
                    yield one, two


def _same(one, two):
    arrays = isinstance(one, np.ndarray) and isinstance(two, np.ndarray)
    return arrays and one.shape == two.shape and one.size > 1 and np.array_equal(one, two)
