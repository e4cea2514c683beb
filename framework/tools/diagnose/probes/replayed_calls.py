"""Calls made again in float64: those of a step or of a script's loop, on few samples."""

from contextlib import suppress
from dataclasses import replace

import numpy as np

from firstlight.module import Module
from firstlight.tools.diagnose.probes.arrays import (
    Batch,
    as_float64,
    first_samples,
    flattened,
    map_arrays,
    nested_like,
    samples_of,
    small_batch,
    standard_normal,
)
from firstlight.tools.diagnose.probes.module_state import detached_copy, float64_copy
from firstlight.tools.diagnose.probes.recorded_calls import (
    Call,
    all_calls,
    recorded_step,
    recording,
)
from firstlight.tools.diagnose.probes.rerun_call import default_dys


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
