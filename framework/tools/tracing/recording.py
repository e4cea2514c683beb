"""Record one forward pass of a module; the layers that are asked for are single steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.nn.recurrent import Cell, Recurrent
from firstlight.support import forms, state
from firstlight.support.summary import undisturbed
from firstlight.tools.tracing.traced import Trace, Traced, holds_traced, plain


def record(
    module: Module, inputs: Any, is_step: Callable[[Module], bool], constants: bool = False
) -> tuple[Trace, Any, Any]:
    """Run a module in evaluation mode, by its lessons, and record what it computes.

    Parameters
    ----------
    module : Module
    inputs : tuple
        Arguments of forward: arrays, None, or tuples of them.
    is_step : callable
        Returns True for a layer that is one step; what others compute are steps of their own.
    constants : bool
        Record layers that are applied to constants alone, too.

    Returns
    -------
    trace, inputs, outputs
        The arguments and the result, with `Traced` arrays.
    """
    trace = Trace()
    with undisturbed(module), forms.only():
        for part in module.modules():
            part.training, part._stack = False, None
        for name, part in list(_parts(module, "", set(), is_step)):
            part.forward = (
                _as_step(trace, name, part, constants)
                if is_step(part)
                else _as_scope(trace, name, part)
            )
        given = _traced(trace, inputs)
        return trace, given, module(*given)


def _traced(trace, value):
    if isinstance(value, (tuple, list)):
        return tuple(_traced(trace, part) for part in value)
    return value if value is None else trace.traced(value)


def _as_step(trace, name, part, constants):
    """Return the forward of a layer that becomes one step, with its state if it keeps one."""
    forward = part.forward

    def run(*inputs, **options):
        y = forward(*plain(inputs), **plain(options))
        if not (constants or holds_traced((inputs, options))):
            return y
        trace.scopes.append(name)
        try:
            if not isinstance(part, (Cell, Recurrent)):
                return trace.record("", inputs, options, y, part)
            states = part.state if part.parts > 1 else (part.state,)
            y, *states = trace.record("", inputs, options, (y, *states), part)
            part.state = tuple(states) if part.parts > 1 else states[0]
            return y
        finally:
            trace.scopes.pop()

    return run


def _as_scope(trace, name, part):
    """Return the forward of a module whose parts and computations become steps."""
    forward = part.forward

    def run(*inputs, **options):
        trace.scopes.append(name)
        try:
            return forward(*inputs, **options)
        finally:
            trace.scopes.pop()

    return run


def _parts(module, name, seen, is_step):
    """Yield ``(name, module)`` of a module and the parts that are visible in the recording."""
    if id(module) in seen:
        return
    seen.add(id(module))
    yield name, module
    if not is_step(module):
        for key, child in state.children(module):
            yield from _parts(child, f"{name}.{key}" if name else key, seen, is_step)


def leaves(value: Any) -> list[Any]:
    """Return the arrays in nested tuples, lists and dicts, in order."""
    if isinstance(value, (tuple, list)):
        return [leaf for part in value for leaf in leaves(part)]
    if isinstance(value, dict):
        return leaves(list(value.values()))
    return [value] if isinstance(value, (np.ndarray, np.generic, Traced)) else []
