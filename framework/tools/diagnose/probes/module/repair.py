"""Search for the change of a user's source that makes a wrong backward right."""

import ast
import heapq
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import numpy as np

from firstlight.tools.diagnose.kind import Place
from firstlight.tools.diagnose.probes.arrays import is_float
from firstlight.tools.diagnose.probes.edits.edits import Edit, edits
from firstlight.tools.diagnose.probes.edits.scope import class_expressions
from firstlight.tools.diagnose.probes.edits.syntax import at_path, located, replaced, statements
from firstlight.tools.diagnose.probes.module.contract import Contract
from firstlight.tools.diagnose.probes.module.gradients import (
    DIRECTIONS,
    Gradient,
    compare_gradients,
    probe,
)
from firstlight.tools.diagnose.probes.module.rerun import Rerun
from firstlight.tools.diagnose.probes.module.user_source import UserFunction, with_called

BUDGET = 1.5  # seconds
DELAY = 2  # ranks
SAME = {"rtol": 1e-7, "atol": 1e-11}
OF_FORWARD = {"operand", "copy", "order", "index", "accumulate", "statement"}  # it saves


class LatestItems(dict[Any, Any]):
    """A dict that keeps its latest items."""

    def __init__(self, size: int):
        super().__init__()
        self.size: int = size

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, value)
        if len(self) > self.size:
            del self[next(iter(self))]


# Of the latest searches: modules of one class share their mistake.
_found: dict[FunctionType, "Repair"] = LatestItems(32)
_failed: dict[tuple[Any, tuple[str, ...]], bool] = LatestItems(32)


@dataclass(frozen=True)
class Repair:
    """A change of the source with which gradients of a module agree with its forward.

    Attributes
    ----------
    edit : Edit
    function : UserFunction
        In which the line is.
    gradients : tuple of str
        The gradients that were wrong and are right with it.
    whole : bool
        Whether all are.
    """

    edit: Edit
    function: UserFunction
    gradients: tuple[str, ...]
    whole: bool

    @property
    def at(self) -> Place:
        """The line that is wrong."""
        return self.function.place(self.edit.line)

    @property
    def cure(self) -> str:
        """The line as it should be; ``pass`` if it should be deleted."""
        return self.edit.after(self.function.lines) or "pass"


class Search:
    """Search for repairs of one module.

    Parameters
    ----------
    remake : callable
        ``remake(fresh=True)`` puts the module on a new rerun.
    gradients : list of Gradient
        Of its backward, compared with forward; empty if it raises.
    problem : str
        The kind of a broken contract or of an exception, if any.
    budget : float
        Seconds.
    """

    def __init__(
        self,
        remake: Callable[..., Rerun],
        gradients: Sequence[Gradient],
        problem: str = "",
        budget: float = BUDGET,
    ):
        self.remake, self.problem = remake, problem
        self.ends: float = time.thread_time() + budget
        self.rerun: Rerun = remake(fresh=True)
        self.module = self.rerun.module
        self.right: dict[str, np.ndarray] = {}
        self.wrong: list[Gradient] = []
        self._data: list[np.ndarray] = [one.data.copy() for _, one in self.rerun.trained]
        self._set_targets({one.name: one for one in gradients})
        if self.wrong and gradients and len(self._fixed()) == len(self.wrong):
            self.rerun = remake()  # it is wrong after another forward only
            self.module = self.rerun.module

    def _set_targets(self, known):
        """Set what has to stay as it is, and what has to become equal to forward's derivative."""
        rng, now = np.random.default_rng(11), self.rerun.backward() if known else {}
        floats = [x for x in self.rerun.inputs if is_float(x)]
        targets = {name: self.rerun.values(name) for name in known} or {
            **{f"dx[{index}]" if index else "dx": x for index, x in enumerate(floats)},
            **{name: parameter.data for name, parameter in self.rerun.trained},
        }
        for name, values in targets.items():
            one = known.get(name)
            if values is None:
                continue
            if one is not None and one.status in ("ok", "unclear"):
                self.right[name] = np.array(now[name])
                continue
            target = Gradient(name, values, np.zeros(values.shape))
            for _ in range(DIRECTIONS):
                probe(self.rerun, target, rng)
            self.wrong.append(target)

    def repairs(self) -> list[Repair]:
        """Return the repairs found within the budget: one that makes all right, or partial ones."""
        key = type(self.module).backward, tuple(target.name for target in self.wrong)
        if key in _failed:
            return []
        partial: list[Repair] = []
        for function, edit in self._candidates():
            if time.thread_time() > self.ends:
                break
            try:
                with function.replaced_by(edit.applied):
                    fixed = self._fixed()
                    whole = len(fixed) == len(self.wrong)
                    if not self.wrong and Contract.of(self.rerun).broken:
                        continue
                    if whole and self._is_confirmed():
                        found = Repair(edit, function, tuple(fixed), True)
                        _found[function.function] = found
                        return [found]
            except Exception:  # a changed source may raise anything
                continue
            if fixed and not whole:
                partial.append(Repair(edit, function, tuple(fixed), False))
        if not partial:
            _failed[key] = True
        return partial

    def _candidates(self) -> Iterator[tuple[UserFunction, Edit]]:
        """Yield edits of backward, forward and what they call, the likeliest first."""
        kind, streams = type(self.module), []
        backward = with_called([kind.backward], self.module)
        known = {one.function for one in backward}
        forward = [f for f in with_called([kind.forward], self.module) if f.function not in known]
        scopes = [one.observed(self.rerun.backward) for one in (*backward, *forward)]
        trees = [
            (one.tree, scope) for one, scope in zip((*backward, *forward), scopes, strict=True)
        ]
        for later, functions in ((0, backward), (0.5, forward)):
            for function in functions:
                scope = scopes.pop(0)
                globals_ = function.function.__globals__
                scope.expressions = {} if later else class_expressions(trees, scope, globals_)
                if earlier := _found.get(function.function):
                    yield function, earlier.edit
                delays = {} if later else self._delays(function)
                streams.append(self._stream(function, scope, later, delays))
        for _, function, edit in heapq.merge(*streams, key=lambda one: one[0]):
            yield function, edit

    def _delays(self, function):
        """Return delays of statements that have no effect on what is wrong, or one on the rest."""
        if not self.wrong or len(self.wrong) + len(self.right) < 2:
            return {}
        try:
            before = self.rerun.backward()
        except Exception:  # it raises, which is what to repair
            return {}
        wrong, found = {one.name for one in self.wrong}, {}
        for statement, path in statements(function.tree):
            match statement:
                case ast.Assign([ast.Name()], value) | ast.AugAssign(_, _, value):
                    moved = _moved(value)
                case ast.Return(ast.expr() as value) if not isinstance(value, ast.Tuple):
                    moved = _moved(value)
                case _:
                    continue
            try:
                with function.replaced_by(
                    replaced(function.tree, (*path, ("value", None)), [located(moved, value)])
                ):
                    after = self.rerun.backward()
                changed = {n for n in before if not np.array_equal(before[n], after[n])}
            except Exception:  # it is no array
                continue
            if changed and (not wrong <= changed or changed & self.right.keys()):
                found[path] = DELAY
        return found

    def _stream(self, function, scope, later, delays):
        for edit in edits(function.tree, scope, delays):
            if later and edit.mistake not in OF_FORWARD:
                continue
            if not _in_while(function.tree, edit):
                yield edit.rank + delays.get(edit.block, 0) + later, function, edit

    def _fixed(self):
        """Return the names of the gradients that become right; none if one becomes wrong."""
        try:
            found = self.rerun.backward()
        finally:  # a changed source may write to the parameters
            for (_, parameter), values in zip(self.rerun.trained, self._data, strict=True):
                parameter.data[...] = values
        if not all(
            name in found and np.allclose(found[name], before, **SAME)
            for name, before in self.right.items()
        ):
            return []
        return [one.name for one in self.wrong if one.explains(found.get(one.name))]

    def _is_confirmed(self):
        """Return whether all gradients, and the contract, are right on a new rerun."""
        if not np.array_equal(self.rerun.forward(), self.rerun.y, equal_nan=True):
            return False
        rerun = self.remake()
        compared = compare_gradients(rerun)
        return (
            all(one.status in ("ok", "unclear") for one in compared)
            and not Contract.of(rerun).broken
        )


def _moved(value):
    """Return an expression of another value."""
    return ast.BinOp(ast.BinOp(value, ast.Mult(), ast.Constant(1.1)), ast.Add(), ast.Constant(0.1))


def _in_while(tree, edit):
    """Return whether an edit changes a while loop, which might never end."""
    ends = range(1, len(edit.block) + 1)
    return any(isinstance(at_path(tree, edit.block[:end]), ast.While) for end in ends)
