"""Kept values: what parts keep between forward and backward, and whether others overwrite it."""

import ast
from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.tools.diagnose.probes.arrays import flattened
from firstlight.tools.diagnose.probes.module.contract import LostCache
from firstlight.tools.diagnose.probes.module.user_source import UserFunction
from firstlight.tools.diagnose.probes.recorded_calls import Call, copied


class KeptValues:
    """The values that the parts of a composite keep between forward and backward.

    Parameters
    ----------
    call : Call
        Of the composite.

    Attributes
    ----------
    changed : list of LostCache
        What was restored to what forward had kept.
    """

    def __init__(self, call: Call):
        self.call: Call = call
        self.changed: list[LostCache] = []

    def restore(self, module: Module) -> None:
        """Let each part's backward find what its forward kept; a preparation of a rerun."""
        self.changed.clear()
        for name, part in module.named_modules():
            if name:
                self._restore(f"{self.call.name}.{name}".strip("."), part)

    def _restore(self, name, part):
        forward, backward, kept = part.forward, part.backward, []

        def keeping(*given: Any, **options: Any) -> Any:
            y = forward(*given, **options)
            saved = [(one, one.copy()) for one in _arrays((part._stack or [None])[-1])]
            kept.append((saved, [(holder, key, copied(v)) for holder, key, v in _held(part)]))
            return y

        def restoring(*given: Any, **options: Any) -> Any:
            saved, held = kept.pop() if kept else ((), ())
            for array, before in saved:
                if not np.array_equal(array, before, equal_nan=True):
                    self._add(name, part)
                    array[...] = before
            for holder, key, before in held:
                if not _equal(before, getattr(holder, key, None)):
                    self._add(name, part, key, holder is not part)
                    setattr(holder, key, before)
            return backward(*given, **options)

        part.forward, part.backward = keeping, restoring

    def _add(self, name, part, attribute="", shared=False):
        if any(one.where == name for one in self.changed):
            return
        kind, times = type(part).__name__, sum(one.name == name for one in self.call.parts)
        found = LostCache(f"{name} ({kind})", times, name, kind, attribute, shared, restored=True)
        found.at = _line_that_keeps(type(part).forward, attribute)
        self.changed.append(found)


def _line_that_keeps(forward, attribute):
    """Return the line of forward that stores an attribute, or calls save; None if unknown."""
    source = UserFunction.read(forward)
    for node in ast.walk(source.tree) if source else ():
        name = getattr(node, "attr", "")
        stored = isinstance(getattr(node, "ctx", None), ast.Store) and name == attribute
        if stored or (not attribute and name == "save"):
            return source.place(node.lineno)
    return None


def _held(part):
    """Yield holder, name and value of what a module or its class keeps as plain attributes."""
    classes = type(part).__mro__[: type(part).__mro__.index(Module)]
    for holder in (part, *classes):
        for key, value in list(vars(holder).items()):
            if not key.startswith("_") and _arrays(value):
                yield holder, key, value


def _arrays(value):
    """Return the arrays in a value that is an array, or tuples, lists and dicts of them."""
    if isinstance(value, dict):
        value = list(value.values())
    return [one for one in flattened(value) if isinstance(one, np.ndarray)]


def _equal(one, two):
    left, right = _arrays(one), _arrays(two)
    pairs = zip(left, right, strict=False)
    return len(left) == len(right) and all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)
