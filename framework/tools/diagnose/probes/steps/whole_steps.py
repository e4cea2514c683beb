"""Whole iterations of a script's loop, as a function of the numbers that they train.

For code that computes with lists of numbers, of which nothing inside the loop is followed.
Gradient descent moves each list along the falling slope of the loss; both are measured from
outside, at the ends of one iteration.
"""

import ast
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from firstlight.support.array import Array
from firstlight.tools.diagnose.kind import Evidence, Place
from firstlight.tools.diagnose.probes.script.events import Event, Scalar
from firstlight.tools.diagnose.probes.script.program import script_tree
from firstlight.tools.diagnose.probes.script.recorder import Recorder
from firstlight.tools.diagnose.probes.script.sandbox import StopScript
from firstlight.tools.diagnose.probes.script.step_numbers import Running
from firstlight.tools.diagnose.probes.script.trace import trace
from firstlight.tools.diagnose.probes.steps.state_values import Values, values_in
from firstlight.tools.diagnose.probes.steps.step_check import LOSS_NAMES

H = 1e-6
ITERATIONS = 1, 0  # that are measured: of a kink or a momentum, one of them knows nothing
DIRECTIONS, LOOPS, MOST = 5, 9, 12  # of a value; loops and values that are tried
RIGHT, WRONG = 1e-4, 2e-3  # relative errors; what lies between is not judged
BUDGET = 3.0  # seconds
LIMITED = re.compile(r"clip|\bmin\(")  # gradients that may be limited
Number = tuple[int, str]  # line and name
Loop = tuple[int, int]  # line, and number of its run among those of all loops


@dataclass
class Movement:
    """How one value moves in an iteration, along random directions.

    Attributes
    ----------
    name : str
    size : int
    step, slopes, values : array
        Inner products of the directions with its change, the derivatives of the loss along them,
        and inner products with the value itself.
    """

    name: str
    size: int
    step: Array
    slopes: Array
    values: Array

    @property
    def error(self) -> float:
        """The relative error of the best gradient descent, with weight decay, that explains it."""
        parts = np.stack([-self.slopes, -self.values], axis=1)
        best, *_ = np.linalg.lstsq(parts, self.step, rcond=None)
        size = np.abs(self.step).max()
        return float(np.abs(parts @ best - self.step).max() / size) if best[0] > 0 else 1.0


@dataclass
class WholeStep(Evidence):
    """What one iteration of a loop trains, of which some follows the loss.

    Attributes
    ----------
    path : Path
    loop : Place
    loss : Number
    right, wrong : list of Movement
        Those along the falling slope of the loss, and others.
    """

    path: Path
    loop: Place
    loss: Number
    right: list[Movement]
    wrong: list[Movement]
    group = "training"
    subject = "gradients of the script's own code"
    where = "training loop"

    @property
    def detail(self) -> str:
        """How many values were judged."""
        return f"values: {len(self.right) + len(self.wrong)}"

    def place(self, movement: Movement) -> Place:
        """Return the line that subtracts from a value; the loop without one."""
        name = re.findall(r"\w+", re.sub(r"\[[^\]]*\]", "", movement.name))[-1]
        for node in ast.walk(script_tree(self.path)):
            if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Sub):
                target = node.target
                while isinstance(target, ast.Subscript):
                    target = target.value
                if name in (getattr(target, "attr", ""), getattr(target, "id", "")):
                    return Place.of(str(self.path), node.lineno)
        return self.loop


class _Iterations(Recorder):
    """A recorder of the values and numbers of one iteration, or of which loops have numbers."""

    float64 = True
    has_changed_values = True  # maybe: it keeps no events

    def __init__(
        self,
        path: Path,
        loop: Loop | None = None,
        iteration: int = ITERATIONS[0],
        moves: Any = None,
    ):
        super().__init__(path)
        self.wanted, self.iteration, self.moves = loop, iteration, moves or {}
        self.loops: dict[int, tuple[int, Loop]] = {}  # with numbers, by line: depth and first run
        self.numbers: dict[Number, float] = {}
        self.start: Values = {}
        self.end: Values = {}

    def before(self, site: int, bases: Any, olds: Any, sources: Any) -> None:
        """Record nothing."""

    def after(self, site: int, place: int, value: Any) -> Any:
        """Record a number."""
        self._scalar(self.sites[site].names[place], value)
        return value

    def add(self, event: Event) -> None:
        """Note a number, or the loops that it is in."""
        if not isinstance(event, Scalar):
            return
        event.at, event.loops = self.here()
        if self.wanted is None:
            for depth, turn in enumerate(event.loops):
                if turn.number > self.iteration:
                    self.loops.setdefault(turn.line, (depth, (turn.line, turn.run)))
        elif self.start and "[" not in event.name:  # no part of what is trained
            self.numbers[event.at.line, event.name] = event.value

    def turned(self, running: Running, frame: FrameType) -> None:
        """Note the values at both ends of the wanted iteration."""
        self._check_time()
        if self.wanted != (running.site.line, running.run) or running.number < self.iteration:
            return
        found = values_in({**frame.f_globals, **frame.f_locals})
        if running.number > self.iteration:
            self.end = {name: value.copied() for name, value in found.items()}
            raise StopScript("the iteration is over")
        self.start = {name: value.copied() for name, value in found.items()}
        for name, move in self.moves.items():
            found[name].write(found[name].array + move)


def whole_step(path: Path, arguments: Sequence[str] = ()) -> WholeStep | None:
    """Return one iteration of a script's training, None if none is found that follows a loss."""
    if LIMITED.search(path.read_text(encoding="utf-8")):
        return None
    explored = _Iterations(path)
    explored.until = time.thread_time() + BUDGET
    trace(path, arguments, explored)
    search = _Search(path, arguments)
    for _, loop in sorted(explored.loops.values(), reverse=True)[:LOOPS]:
        found = search.of(loop, ITERATIONS[0])
        if found is not None:
            again = search.of(loop, ITERATIONS[1]) if found.wrong else None
            right = {one.name for one in again.right} if again else set()
            found.wrong = [one for one in found.wrong if one.name not in right]
            return found
    return None


class _Search:
    def __init__(self, path, arguments):
        self.path, self.arguments = path, arguments
        self.ends = time.thread_time() + BUDGET

    def of(self, loop, iteration):
        """Return the evidence of a loop, None if no value in it follows a number."""
        base = self._run(loop, iteration)
        changed = [
            name
            for name, value in base.start.items()
            if name in base.end and value.differs(base.end[name])
        ]
        measured = [one for name in changed[:MOST] if (one := self._measured(base, name))]
        names = sorted(base.numbers, key=lambda n: not any(part in n[1] for part in LOSS_NAMES))
        for number in names:
            moves = [m for one in measured if (m := self._movement(base, *one, number))]
            right = [m for m in moves if m.error < RIGHT]
            wrong = [m for m in moves if m.error > WRONG and m.size > 1]
            if any(m.size > 1 for m in right) and len(right) + len(wrong) == len(moves):
                return WholeStep(self.path, Place.of(str(self.path), loop[0]), number, right, wrong)
        return None

    def _run(self, loop, iteration, moves=None):
        recorder = _Iterations(self.path, loop, iteration, moves)
        trace(self.path, self.arguments, recorder)
        return recorder

    def _measured(self, base, name):
        """Return a name, directions, and the changes of all numbers along them."""
        value, rng = base.start[name].array, np.random.default_rng(len(name))
        size = max(float(np.sqrt(np.square(value).mean())), 0.1)
        directions, changes = [], []
        for _ in range(DIRECTIONS):
            if time.thread_time() > self.ends:
                return None
            v = rng.standard_normal(value.shape) * size
            moved = self._run(base.wanted, base.iteration, {name: H * v}).numbers
            directions.append(v)
            both = moved.keys() & base.numbers.keys()
            changes.append({n: (moved[n] - base.numbers[n]) / H for n in both})
            if not any(changes[-1].values()):
                return None
        return name, directions, changes

    @staticmethod
    def _movement(base, name, directions, changes, number):
        slopes = np.array([one.get(number, 0.0) for one in changes])
        if not np.isfinite(slopes).all() or not slopes.any():
            return None
        start, end = base.start[name].array, base.end[name].array
        step, values = (np.array([np.sum(a * v) for v in directions]) for a in (end - start, start))
        return Movement(name, start.size, step, slopes, values)
