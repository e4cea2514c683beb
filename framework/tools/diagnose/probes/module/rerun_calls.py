"""Recorded calls made again: on few samples in float64, and as a function of arrays for a rerun."""

import copy
import inspect
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.support.array import Array
from firstlight.tools.diagnose.probes.arrays import (
    Batch,
    as_float64,
    first_samples,
    flattened,
    is_float,
    map_arrays,
    match_shapes,
    nested_like,
    samples_of,
    small_batch,
    standard_normal,
)
from firstlight.tools.diagnose.probes.module.rerun import Preparation
from firstlight.tools.diagnose.probes.module_state import detached_copy, float64_copy
from firstlight.tools.diagnose.probes.recorded_calls import (
    Call,
    all_calls,
    recorded_step,
    recording,
)


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


def replayed_call(call: Call) -> Call:
    """Run a module on the arguments of a recorded call, in float64; return it with its parts."""
    twin = float64_copy(call.module)
    given = (call.backward_inputs, call.backward_options)
    with recording(twin) as tops, np.errstate(all="ignore"):
        inputs, options = map_arrays((call.inputs, call.options), as_float64)
        twin.forward(*inputs, **options)
        with suppress(Exception):  # judged later, by a rerun
            if not call.backward_called:
                rng = np.random.default_rng(0)
                given = map_arrays(default_dys(tops[0]), lambda y: standard_normal(rng, y)), {}
            dys, options = map_arrays(given, as_float64)
            twin.backward(*dys, **options)
    return unused_modules(call.module, tops[:1])[0]


def unused_modules(model: Module, tops: list[Call]) -> list[Call]:
    """Return calls whose modules are replaced by copies that have not run."""
    unused = dict(detached_copy(model).named_modules())
    for call in all_calls(tops):
        call.module = unused.get(call.name, call.module)
    return tops


def small_call(call: Call) -> Call:
    """Run a recorded call again on its first samples, on all if forward does not take fewer."""
    whole = (call.inputs, call.options, call.backward_inputs, call.backward_options)
    cut = first_samples(flattened(whole), samples_of(next(iter(call.inputs), None)))
    inputs, options, dys, dy_options = nested_like(whole, iter(cut))
    if not call.backward_called:
        dys, dy_options = (), {}
    called = {"backward_inputs": dys, "backward_options": dy_options}
    try:
        return replayed_call(replace(call, inputs=inputs, options=options, **called))
    except Exception:
        return replayed_call(call)


def small_step(model: Module, batch: Batch) -> tuple[Batch, list[Call]]:
    """Return the first samples of a batch, and the outermost calls of a step with its backward.

    All samples, if the step does not take fewer.
    """
    small = small_batch(batch)
    try:
        recorded_step(model, small)
    except Exception:
        small = batch
    tops = recorded_step(model, small, float64=True, backward=True, may_fail=True)[2]
    return small, unused_modules(model, tops)


def takes_one_array(call: Call) -> bool:
    """Return whether a recorded call has one array as argument, and one as result."""
    return (
        len(call.inputs) == 1
        and not call.options
        and all(isinstance(value, np.ndarray) for value in (*call.inputs, call.output))
    )


def recorded_call_or_none(model: Module, x: Batch) -> Call | None:
    """Return the call of a forward of x, with its backward if that succeeds; None if it raises."""
    try:
        return replayed_call(Call("", model, (x,)))
    except Exception:
        return None
