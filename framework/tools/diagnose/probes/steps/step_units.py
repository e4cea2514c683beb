"""Units of a step: the arrays whose gradients a script computes itself, and what it claims."""

from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from firstlight.tools.diagnose.kind import Place
from firstlight.tools.diagnose.probes.arrays import flattened, match_shapes, nested_like
from firstlight.tools.diagnose.probes.script.events import (
    Event,
    Forward,
    GradientWrite,
    OptimizerStep,
    Trace,
    Update,
    ZeroGrad,
)
from firstlight.tools.diagnose.probes.steps.replay import (
    Window,
    direction,
    inner,
    is_transparent,
    scaled,
)
from firstlight.tools.diagnose.probes.steps.step_leaves import leading_arrays


@dataclass
class Unit:
    """One array with a gradient that the script computes.

    Attributes
    ----------
    key : Any
        Of its move in a `Replay`.
    name : str
        As in the script.
    at : Place
        Of the gradient: a backward, or the update that uses it.
    v : Any
        A random direction, nested like the value.
    claims : list of float
        Inner products with v of what may be its gradient, the likeliest first.
    module : str
        The class of the module whose output it is, or "".
    gradient : array or None
        The likeliest gradient.
    value : Any
        What is moved, at the beginning of the step.
    texts : list of str
        Source text of the arrays that the first claims are of.
    length : float
        By which the direction was multiplied.
    arrays : list of array
        What the claims are of, if it is an array of the script's own.
    """

    key: Any
    name: str
    at: Place
    v: Any
    claims: list[float]
    module: str = ""
    gradient: Any = None
    value: Any = None
    texts: list[str] = field(default_factory=list)
    length: float = 1.0
    arrays: list[Any] = field(default_factory=list)

    def lengthen(self, factor: float) -> None:
        """Multiply the direction."""
        self.v, self.length = scaled(self.v, factor), self.length * factor
        self.claims = [factor * claim for claim in self.claims]


def windows(trace: Trace) -> list[Window]:
    """Return one step of each training: its second one, or the first of a single one.

    Parameters
    ----------
    trace : Trace
        Of a run in float64.
    """
    steps: dict[int, list[Event]] = {}
    for event in trace.of(OptimizerStep, Update):
        if isinstance(event, OptimizerStep) or event.trains:
            steps.setdefault(event.step, []).append(event)
    ends = {number: group[-1].index for number, group in steps.items()}
    found: dict[Any, Window] = {}
    for number, group in sorted(steps.items()):
        updated = frozenset(_updated(one) for one in group)
        last = ends.get(number + 1, len(trace.events))
        window = Window(trace, ends.get(number - 1, -1), ends[number], last)
        previous = steps.get(number - 1, [])
        if updated <= {_updated(one) for one in previous}:
            found.setdefault(updated, window)
    return list(found.values())


def _updated(event):
    return event.value if isinstance(event, Update) else id(event.optimizer)


def output_units(window: Window) -> list[Unit]:
    """Return the outputs of modules that the script calls backward for."""
    units = []
    for seed, event in enumerate(window.of(Forward)):
        backward = event.backward
        if backward is None or backward.index > window.end or not backward.dys:
            continue
        if is_transparent(event):
            continue
        outputs, dys = flattened(event.output), flattened(backward.dys)
        places = match_shapes(dys, outputs)
        chosen = {p: d for p, d in zip(places, dys, strict=True) if p is not None}
        if not chosen:
            continue
        v = direction(event.output, seed)
        parts = [part if p in chosen else None for p, part in enumerate(flattened(v))]
        v = nested_like(event.output, iter(parts))
        dys = [chosen.get(p) for p in range(len(outputs))]
        name = window.trace.name_of(event.module)
        claim = inner(dys, flattened(v))
        units.append(
            Unit(
                event.key,
                name,
                backward.at,
                v,
                [claim],
                type(event.module).__name__,
                dys,
                event.output,
            )
        )
    return units


def value_units(window: Window, keys: Container[Any] | None = None) -> list[Unit]:
    """Return the parameters and arrays that the step updates, of arrays only those with keys."""
    units, numbers = [], {id(p): number for number, p in enumerate(window.trace.parameters)}
    done: set[Any] = set()
    for event in reversed(window.of(OptimizerStep, Update)):
        if isinstance(event, OptimizerStep):
            triples = zip(event.parameters, event.gradients, event.before, strict=True)
        elif event.parameter is not None and event.trains:
            triples = [(event.parameter, event.gradient, event.before)]
        else:
            triples = []
            if event.trains and event.value not in done:
                done.add(event.value)
                wanted = keys is None or event.value in keys
                unit = _of_array(window, event, len(done)) if wanted else None
                units += [] if unit is None else [unit]
        for parameter, gradient, before in triples:
            number = numbers.get(id(parameter))
            if number is None or number in done or not parameter.requires_grad:
                continue
            done.add(number)
            v = direction(before, 1000 + number)
            claims = [g for g in _own_parts(window, parameter, gradient)]
            name = window.trace.name_of(parameter)
            numbers_of = [inner(claim, v) for claim in claims]
            key = ("parameter", number)
            units.append(Unit(key, name, event.at, v, numbers_of, "", gradient, before))
    return units[::-1]


def balance(units: list[Unit]) -> None:
    """Lengthen directions so that no wrong gradient is lost in the sum over all units.

    Values near zero, as of a bias at first, would hardly move. No direction gets longer than 1.
    """
    lengths = [_norm(unit.v) / max(_count(unit.v), 1) ** 0.5 or 1.0 for unit in units]
    shares = [n * _norm(unit.gradient) for n, unit in zip(lengths, units, strict=True)]
    for unit, length, share in zip(units, lengths, shares, strict=True):
        factor = min(max(shares) / (share or 1e-30), 1 / length)
        if factor > 1:
            unit.lengthen(factor)


def _norm(nested):
    return sum(float(np.sum(np.square(p))) for p in flattened(nested) if p is not None) ** 0.5


def _count(nested):
    return sum(np.size(part) for part in flattened(nested) if part is not None)


def _own_parts(window, parameter, gradient):
    """Yield the parts of a parameter's gradient that no module's backward added."""
    added = sum(
        grad
        for event in window.trace.events
        if window.start < event.index <= window.end
        for p, grad in getattr(event, "added", ())
        if p is parameter
    )
    yield gradient - added
    before = [e for e in window.trace.of(OptimizerStep) if e.index <= window.start]
    left = [
        g for e in before for p, g in zip(e.parameters, e.gradients, strict=True) if p is parameter
    ]
    zeroed = any(
        any(p is parameter for p in getattr(event, "parameters", ()))
        or getattr(event, "parameter", None) is parameter
        and not np.any(event.after)
        for event in window.of(ZeroGrad, GradientWrite)
    )
    if left and left[-1].any() and not zeroed:
        yield _rest(gradient, added + left[-1])
    writes = [e for e in window.of(GradientWrite) if e.parameter is parameter and not e.inside]
    while writes and writes[-1].adds:
        writes.pop()
    rescaled = [e for e in writes if not e.adds and e.after.any() and e.before.any()]
    if rescaled:  # clipped, or divided by a count
        yield _rest(rescaled[0].before, added)


def _rest(total, part):
    """Return the difference of two gradients, 0 where only rounding is left."""
    rest = total - part
    return np.where(np.abs(rest) > 1e-9 * np.abs(total).max(initial=0.0), rest, 0.0)


def _of_array(window, event, seed):
    """Return the unit of an array that the script updates itself, None without a gradient."""
    before = [e for e in window.trace.of(Update) if e.value == event.value]
    earlier = [e for e in before if e.index <= window.start]
    if not earlier:
        return None
    leaves = list(leading_arrays(window, event))
    shared = {
        text
        for other in window.of(Update)
        if np.shape(other.after) != np.shape(event.after)
        for text in other.sources
    }
    old = earlier[-1].sources
    leaves = [
        (text, g)
        for text, g in leaves
        if np.ndim(g) or not (text in shared or g and old.get(text) == g)
    ]
    step = np.asarray(event.before) - np.asarray(event.after)
    factors = [float(s) for s in event.sources.values() if np.ndim(s) == 0] + event.constants
    factors = [f for f in factors if f not in (0.0, 1.0)]
    claims = [g for _, g in reversed(leaves)] + [step / f for f in factors]
    claims += list(_increments(window, step, dict(leaves)))
    if not claims:
        return None
    v = direction(event.before, seed)
    values = [inner(claim, v) for claim in claims]
    others = [e for e in window.of(Update) if e.name == event.name and e.value != event.value]
    name = window.trace.name_of(event.target, event.name) if others else event.name
    unit = Unit(event.value, name, event.at, v, values, "", claims[0], event.before)
    unit.texts, unit.arrays = [text for text, _ in reversed(leaves)], claims
    return unit


def lasting(window: Window) -> Iterator[Update]:
    """Yield the updates of arrays that go on from the step before, such as a momentum."""
    latest = {e.value: e.after for e in window.trace.of(Update) if e.index <= window.start}
    for event in window.of(Update):
        if np.array_equal(latest.get(event.value), event.before):
            latest[event.value] = event.after
            yield event


def _increments(window, step, leaves):
    """Yield what was added in the step to arrays that an update uses, such as a momentum."""
    for event in lasting(window):
        used = leaves.get(event.name)
        if np.ndim(event.after) and np.array_equal(used, event.after):
            added = np.asarray(event.after) - np.asarray(event.before)
            added = added * np.sign(np.sum(step * event.after))
            numbers = [*(float(s) for s in event.sources.values() if np.ndim(s) == 0), 1.0]
            yield from (added / number for number in [*numbers, *event.constants] if number)
