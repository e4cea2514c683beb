"""Reruns of recorded calls: nested and named arguments, several outputs and their gradients."""

import copy
import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.support.array import Array
from firstlight.tools.diagnose.probes.arrays import flattened, is_float, match_shapes, nested_like
from firstlight.tools.diagnose.probes.recorded_calls import Call
from firstlight.tools.diagnose.probes.rerun import Preparation


def rerun_arguments(call: Call) -> tuple[Module, Sequence[Any], Preparation]:
    """Return the module, inputs and preparation with which a `Rerun` can run a recorded call.

    The rerun takes several arrays and returns one. The preparation nests the arguments as they
    were recorded, by position and by name, and joins the outputs. The recorded backward determines
    which outputs matter, how their gradients are nested, and what else backward takes.
    """
    form, outputs = (call.inputs, call.options), flattened(call.output)
    given: Any = (call.backward_inputs, call.backward_options)
    chosen = _places(given, outputs)
    if not any(place is not None for place in chosen) and not _is_loss(call):
        given = (default_dys(call), {})
        chosen = _places(given, outputs)
    places = [place for place in chosen if place is not None]

    def prepare(module: Module) -> None:
        forward, backward = module.forward, module.backward

        def flat_forward(*inputs: Any) -> Array:
            args, options = nested_like(form, iter(inputs))
            y = forward(*args, **options)
            if not places:
                return y
            found = flattened(y)
            parts = [np.asarray(found[place]) for place in places]
            return parts[0] if len(parts) == 1 else np.concatenate([y.ravel() for y in parts])

        def flat_backward(dy: Array) -> Any:
            sized = iter([dy])  # of any number of samples
            if len(places) > 1:
                shapes = [np.shape(outputs[place]) for place in places]
                parts = np.split(dy.ravel(), np.cumsum([int(np.prod(s)) for s in shapes])[:-1])
                sized = iter([np.reshape(p, s) for p, s in zip(parts, shapes, strict=True)])
            values = [
                copy.copy(leaf) if place is None else next(sized)
                for leaf, place in zip(flattened(given), chosen, strict=True)
            ]
            args, options = nested_like(given, iter(values))
            before = {} if places else {p: p.grad.copy() for p in module.parameters()}
            dx = backward(*args, **options)
            for p, grad in before.items():  # the loss is the end: its own backward has dloss = 1
                p.grad[...] = grad + dy * (p.grad - grad)
            if isinstance(dx, (tuple, list, dict)):
                dx = tuple(flattened(dx))
                return dx if places else tuple(scaled(part, dy) for part in dx)
            return dx if places else scaled(dx, dy)

        module.forward, module.backward = flat_forward, flat_backward

    return call.module, flattened(form), prepare


def scaled(dx: Any, dloss: Array) -> Any:
    """Return dx times dloss, None for None."""
    return dx * dloss if is_float(dx) else dx


def default_dys(call: Call) -> tuple[Any, ...]:
    """Return values for backward where none were recorded: one for each output it takes."""
    floats = [y for y in flattened(call.output) if is_float(y) or _number(y)]
    taken = sum(
        p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        for p in inspect.signature(call.module.backward).parameters.values()
    )
    return tuple(floats[: max(taken, 1)])


def _places(given, outputs):
    """Return for each value given to backward the index of the output that it belongs to."""
    return match_shapes(flattened(given), [np.asarray(y) if _number(y) else y for y in outputs])


def _number(value):
    return isinstance(value, (float, np.floating))


def _is_loss(call):
    """Return whether a call's output is a number, and its backward takes no array."""
    is_scalar = _number(call.output) or is_float(call.output) and not call.output.ndim
    given = flattened((call.backward_inputs, call.backward_options))
    return is_scalar and call.backward_called and not any(np.ndim(value) for value in given)
