"""Comparison of the gradients that a script computes itself with differences of its own loss."""

import functools
import itertools
import math
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from firstlight.tools.diagnose.probes.arrays import flattened, match_shapes
from firstlight.tools.diagnose.probes.script.events import Forward, Scalar, Update
from firstlight.tools.diagnose.probes.script.trace import trace
from firstlight.tools.diagnose.probes.steps.replay import (
    Moved,
    Replay,
    Window,
    added,
    difference,
    inner,
    is_transparent,
    scaled,
)
from firstlight.tools.diagnose.probes.steps.step_leaves import claiming_lines
from firstlight.tools.diagnose.probes.steps.step_losses import Loss, close, is_mean_elsewhere
from firstlight.tools.diagnose.probes.steps.step_scopes import Scopes
from firstlight.tools.diagnose.probes.steps.step_units import (
    Unit,
    balance,
    output_units,
    value_units,
)

H = 1e-6
STEP = 1e-5  # of one-sided differences, above the rounding of losses that are sums
MOST = 40  # units of one step that are measured one by one
LOSS_NAMES = ("loss", "cost", "err", "nll", "objective", "risk", "energy", "total")
ENOUGH = 3  # wrong ones


@dataclass
class Measured:
    """The derivative of a step along a unit's direction.

    Attributes
    ----------
    unit : Unit
    scalars : dict of key to float
        Derivative of each number that the script computed.
    inputs : dict of key to Any
        Derivative of the inputs of each forward.
    """

    unit: Unit
    scalars: dict[Any, float] = field(default_factory=dict)
    inputs: dict[Any, Any] = field(default_factory=dict)


class StepCheck:
    """One step of a script's training, compared with differences of its loss.

    Attributes
    ----------
    window : Window
    base : dict
        Moves that are part of every replay, see `Replay`.
    wrong : list of Measured
        Units whose gradient fits no loss.
    losses : list of Loss
        Candidates.
    judged : int
        Number of units that could be judged.
    """

    def __init__(self, path: Path, arguments: list[str], window: Window, edited: Any = None):
        self.path, self.arguments, self.window, self.edited = path, arguments, window, edited
        self.base: dict[Any, Any] = {}
        self.wrong: list[Measured] = []
        self.right: list[Measured] = []
        self.losses: list[Loss] = []
        self.judged: int = 0
        self.known: set[tuple[str, int]] = set()
        self.together: list[tuple[list[Unit], Measured]] = []
        self.right_together: list[int] = []  # ids of units that were not measured one by one

    def run(self, *, thorough: bool = True) -> None:
        """Measure all units, at first together, unless ``thorough`` not one by one."""
        for units in (output_units(self.window), value_units(self.window)):
            if units and not (self.wrong and not thorough):
                self._check(units, thorough)
        named = self.known | {
            (loss.name, loss.line)
            for one in self.right + self.wrong
            for loss in self.candidates(one.scalars)
            if any(part in loss.name.lower() for part in LOSS_NAMES)
        }
        for one in self.right:
            self.known |= {(loss.name, loss.line) for loss in self._fitting(one)}
        named |= self.known
        for one in list(self.right):  # no gradient at all fits a loss that does not depend on it
            losses = [loss for loss in self.candidates(one.scalars) if loss.how == "last"]
            if not any(one.unit.claims) and any((w.name, w.line) in named for w in losses):
                self.right.remove(one)
                self.wrong.append(one)

    def _check(self, units, thorough):
        balance(units)
        silent = [unit for unit in units if not any(unit.claims)]
        together = [self.measure(part) for part in (units, silent) if part]
        self.together.append((units, together[0]))
        self.losses = self.candidates(together[0].scalars) or self.losses
        claim = sum(unit.claims[0] for unit in units)
        idle = not silent or not self.candidates(together[-1].scalars)
        fitting = [w for w in self.losses if claim and self.fits(claim, together[0], [w])]
        self.known |= {(loss.name, loss.line) for loss in fitting}
        if self.fits(claim, together[0], self.losses) and idle:
            self.judged += len(units)
            self.right_together += [id(unit) for unit in units]
            return
        if not thorough:
            self.judged += len(units)
            self.wrong.append(together[0])
            return
        for unit in units[-MOST:]:
            if idle and any(unit is one for one in silent):
                continue
            one = self.measure([unit])
            one.unit = unit
            losses = self.candidates(one.scalars)
            if not losses and not any(self._through(one.inputs)):
                continue  # nothing measured depends on it
            self.judged += 1
            ok = any(self.fits(claim, one, losses) for claim in unit.claims)
            (self.right if ok else self.wrong).append(one)
            if len(self.wrong) >= ENOUGH:
                return

    def units(self, window: Window, keys: Container[Any] | None = None) -> dict[Any, Unit]:
        """Return the units of a repetition of the step, with the directions of this one."""
        units = {unit.key: unit for unit in output_units(window) + value_units(window, keys)}
        for unit in (one for group, _ in self.together for one in group):
            if unit.key in units:
                units[unit.key].lengthen(unit.length)
        return units

    @functools.cached_property
    def claiming(self) -> set[int]:
        """The lines whose records the claims of units are found in."""
        return claiming_lines(self.window)

    @functools.cached_property
    def scopes(self) -> Scopes:
        """The names of the script's functions, and the lines after the loss."""
        losses = {
            key for one in self.wrong for loss in self.named(one.scalars) for key in loss.keys
        }
        recorder = Scopes(self.path, self.window, self.base, losses)
        trace(self.path, self.arguments, recorder, self.edited)
        return recorder

    def is_wrong(self, unit: Unit | None) -> bool:
        """Return whether a single unit's gradient fits no loss on which it depends."""
        if unit is None:
            return False
        one = self.measure([unit], central=True)
        losses = self.candidates(one.scalars)
        if not losses and not any(self._through(one.inputs)):
            return False
        return not any(self.fits(claim, one, losses) for claim in unit.claims if claim)

    def _fitting(self, one):
        """Return the losses whose derivative a gradient is that is not zero."""
        losses = self.candidates(one.scalars) if any(one.unit.claims) else []
        return [w for w in losses if any(self.fits(c, one, [w]) for c in one.unit.claims if c)]

    def expected(self, one: Measured) -> float | None:
        """Return the derivative of the loss along a unit's direction, None without a loss."""
        chain = self.chain(one.inputs)
        losses = [loss for loss in self.named(one.scalars) if loss.how == "last"]
        if not losses:
            return chain or None
        numbers = self.window.of(Scalar, until=self.window.last)
        places = {event.key: event.index for event in numbers}
        fitting = [loss for loss in losses if (loss.name, loss.line) in self.known]
        final = max(fitting or losses, key=lambda loss: places[loss.keys[-1]])  # e.g. a total
        return chain + final.of(one.scalars)

    def measure(self, units: list[Unit], *, central: bool = False) -> Measured:
        """Return the differences along the directions of units."""
        moves = {unit.key: unit.v for unit in units}
        return self.measure_with(
            lambda h: self.replay({key: scaled(v, h) for key, v in moves.items()}).found,
            central=central,
        )

    def measure_with(self, run: Callable[[float], Moved], *, central: bool = False) -> Measured:
        """Return the differences of a replay that moves something by a step, or back and forth."""
        if central:
            return _differences(run(STEP), run(-STEP), 2 * STEP)
        return _differences(run(STEP), self._unmoved)

    @functools.cached_property
    def _unmoved(self) -> Moved:
        return self.replay({}).found

    def moved(self, moves: Mapping[Any, Any]) -> dict[Any, Any]:
        """Return moves with those that are part of every replay."""
        return self.base | {
            key: added(self.base[key], move) if key in self.base else move
            for key, move in moves.items()
        }

    def replay(self, moves: Any, *, free: bool = False) -> Replay:
        """Repeat the step with arrays moved."""
        recorder = Replay(
            self.path, self.window, self.moved(moves), free=free, lines=None if free else set()
        )
        trace(self.path, self.arguments, recorder, self.edited)
        return recorder

    def chain(self, inputs: dict[Any, Any]) -> float:
        """Return the share of modules that use a moved array: Σ dx · change of their input."""
        return sum(self._through(inputs))

    def fits(self, claim: float, found: Measured, losses: list[Loss]) -> bool:
        """Return whether a claim is the derivative of a loss, or of a sum of up to three."""
        rest = claim - self.chain(found.inputs)
        size = abs(claim) + abs(self.chain(found.inputs))
        if close(rest, 0.0, size):
            return True
        values = {event.key: event.value for event in self.window.of(Scalar)}
        last = [w for w in losses if w.how == "last"]
        once = {(w.of(found.scalars), values.get(w.keys[-1])): w for w in last}
        lasts = list(once.values())[:6]  # a number that a function returns has two names
        sums = [c for n in (2, 3) for c in itertools.combinations(lasts, n)]
        slopes = [sum(w.of(found.scalars) for w in group) for group in sums]
        slopes += [loss.of(found.scalars) for loss in losses]
        # A residual r of which only the gradient of r² or r²/2 is computed.
        slopes += [c * self.residual(w) * w.of(found.scalars) for w in lasts for c in (1, 2)]
        return any(close(rest, slope, size) for slope in slopes)

    def residual(self, loss: Loss) -> float:
        """Return the value of a number that is not called a loss, 0 of one that is."""
        if any(part in loss.name.lower() for part in ("loss", "cost", "objective")):
            return 0.0
        values = {event.key: event.value for event in self.window.of(Scalar)}
        return float(values.get(loss.keys[-1], 0.0))

    def _through(self, inputs):
        for event in self.window.of(Forward):
            change, backward = inputs.get(event.key), event.backward
            if change is None or backward is None or backward.dx is None or is_transparent(event):
                continue
            changes, dx = flattened(change), flattened(backward.dx)
            for part, place in zip(dx, match_shapes(dx, changes), strict=True):
                if place is not None and np.any(changes[place]):
                    yield inner(part, changes[place])

    def named(self, scalars: dict[Any, float]) -> list[Loss]:
        """Return the possible losses that are named so; without one, all of them."""
        losses = self.candidates(scalars)
        named = [w for w in losses if any(part in w.name.lower() for part in LOSS_NAMES)]
        return named or losses

    def candidates(self, scalars: dict[Any, float]) -> list[Loss]:
        """Return the numbers with a derivative, as possible losses."""
        largest = max(map(abs, scalars.values()), default=0.0)
        groups: dict[tuple[str, int], list[Any]] = {}
        own = {(e.name, e.at.line) for e in self.window.of(Update) if e.trains}
        for event in self.window.of(Scalar, until=self.window.last):
            if event.key not in scalars or (event.name, event.at.line) in own:
                continue
            if event.index <= self.window.end or (event.name, event.at.line) not in groups:
                groups.setdefault((event.name, event.at.line), []).append(event.key)
        found = []
        for (name, line), keys in groups.items():
            values = [scalars[key] for key in keys]
            if not any(abs(v) > 1e-9 * largest and abs(v) > 1e-12 for v in values):
                continue
            found.append(Loss(name, line, "last", tuple(keys)))
            if len(keys) > 1:
                found += [Loss(name, line, how, tuple(keys)) for how in ("sum", "mean")]
        return [one for one in found if not is_mean_elsewhere(one, found, scalars)]


def _differences(moved: Moved, unmoved: Moved, step: float = STEP) -> Measured:
    scalars = {
        key: (value - unmoved.scalars[key]) / step
        for key, value in moved.scalars.items()
        if math.isfinite(unmoved.scalars.get(key, math.nan))  # unlike the first best loss
    }
    inputs = {
        key: scaled(difference(value, unmoved.inputs[key]), 1 / step)
        for key, value in moved.inputs.items()
        if key in unmoved.inputs
    }
    return Measured(Unit(None, "", None, None, []), scalars, inputs)
