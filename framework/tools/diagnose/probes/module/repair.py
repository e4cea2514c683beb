"""Search for the change of a user's source that makes a wrong backward right."""

import ast
import functools
import heapq
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import numpy as np

from firstlight.tools.diagnose.kind import Place
from firstlight.tools.diagnose.probes.arrays import is_float
from firstlight.tools.diagnose.probes.edits.edits import Edit, edits
from firstlight.tools.diagnose.probes.edits.scope import Scope, class_expressions, selections
from firstlight.tools.diagnose.probes.edits.syntax import at_path
from firstlight.tools.diagnose.probes.module.contract import Contract
from firstlight.tools.diagnose.probes.module.gradients import (
    DIRECTIONS,
    FIT_RTOL,
    Gradient,
    compare_gradients,
    probe,
    typical_size,
)
from firstlight.tools.diagnose.probes.module.likely_statements import delays, right_parts
from firstlight.tools.diagnose.probes.module.rerun import Rerun
from firstlight.tools.diagnose.probes.module.user_source import UserFunction, with_called

BUDGET, OF_FORWARD = 2.0, 1.2  # seconds, of edits of backward, and of forward's result
KEPT = 0.5  # by how many ranks edits of forward come later
SAME = {"rtol": 1e-7, "atol": 1e-11}
SAVING = {"operand", "copy", "order", "index", "accumulate", "statement"}  # it saves


# Of the latest searches: modules of one class share their mistake.
_found: dict[FunctionType, "Repair"] = {}
_failed: dict[tuple[Any, tuple[str, ...]], bool] = {}


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
    of_forward : bool
        Whether it changes what forward returns.
    """

    edit: Edit
    function: UserFunction
    gradients: tuple[str, ...]
    whole: bool
    of_forward: bool = False

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
    """

    def __init__(self, remake: Callable[..., Rerun], gradients: Sequence[Gradient]):
        self.remake = remake
        self.rerun: Rerun = remake(fresh=True)
        self.module = self.rerun.module
        self.right: dict[str, np.ndarray] = {}
        self._fitting: dict[str, Any] = {}
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
                self._fitting[name] = ...
                continue
            target = Gradient(name, values, np.zeros(values.shape))
            for _ in range(DIRECTIONS):
                probe(self.rerun, target, rng)
            if one is not None and np.shape(now[name]) == values.shape:
                given = Gradient(name, values, now[name])
                self._fitting[name] = right_parts(self.rerun, given, rng)
            self.wrong.append(target)

    def repairs(self) -> list[Repair]:
        """Return the repairs found within the budget: one that makes all right, or partial ones."""
        key = type(self.module).backward, tuple(target.name for target in self.wrong)
        if key in _failed:
            return []
        partial: list[Repair] = []
        earlier = [_found[one.function] for one in self._functions if one.function in _found]
        is_of_forward = self._is_ignored() or any(one.of_forward for one in earlier)
        is_read = any(role != "forward" for _, role in self._functions.values())
        budgets = (0 if is_of_forward else BUDGET), is_read * OF_FORWARD
        for changes_y, budget in zip((False, True), budgets, strict=True):
            ends = time.thread_time() + budget
            known = [(one.function, one.edit) for one in earlier if one.of_forward == changes_y]
            for function, edit in itertools.chain(known, self._candidates(changes_y)):
                if time.thread_time() > ends:
                    break
                try:
                    with function.replaced_by(edit.applied):
                        names, whole = self._tried(changes_y)
                except Exception:  # a changed source may raise anything
                    continue
                if whole:
                    found = Repair(edit, function, names, True, changes_y)
                    _remember(_found, function.function, found)
                    return [found]
                if 0 < len(names) < len(self.wrong):
                    partial.append(Repair(edit, function, names, False))
        if not partial:
            _remember(_failed, key, True)
        return partial

    def _is_ignored(self):
        """Return whether forward's result does not depend on anything whose gradient is wrong."""
        probes = [found for one in self.wrong for found in one.probes]
        return bool(probes) and all(abs(n) <= tolerated for _, n, tolerated in probes)

    def _tried(self, changes_y):
        """Return the gradients that an edit makes right, and whether all is right with it."""
        if changes_y:
            return tuple(target.name for target in self.wrong), self._is_consistent()
        fixed = self._fixed()
        if len(fixed) < len(self.wrong):
            return tuple(fixed), False
        same = np.array_equal(self.rerun.forward(), self.rerun.y, equal_nan=True)
        return tuple(fixed), same and self._is_right()

    def _candidates(self, changes_y: bool) -> Iterator[tuple[UserFunction, Edit]]:
        """Yield edits of backward, forward and what they call, the likeliest first.

        ``changes_y`` yields those of forward that may change what it returns.
        """
        streams = []
        for function, (scope, role) in self._functions.items():
            later = 0 if changes_y or role != "forward" else KEPT
            if not changes_y or role != "backward":
                late = {} if changes_y else self._delays(function, role)
                streams.append(self._stream(function, scope, changes_y, later, late))
        for _, function, edit in heapq.merge(*streams, key=lambda one: one[0]):
            yield function, edit

    def _delays(self, function, role):
        if role == "forward":  # y is right
            return delays(function, lambda: {"y": self.rerun.forward()}, {"y": ...})
        return delays(function, self.rerun.backward, self._fitting, {o.name for o in self.wrong})

    @functools.cached_property
    def _functions(self) -> dict[UserFunction, tuple[Scope, str]]:
        """The functions that may be wrong, with what is in their scope, and what calls them."""
        kind = type(self.module)
        backward = with_called([kind.backward], self.module)
        forward = {one.function: one for one in with_called([kind.forward], self.module)}
        known = {one.function for one in backward}
        found = {one: "both" if one.function in forward else "backward" for one in backward}
        found |= {one: "forward" for one in forward.values() if one.function not in known}
        scopes = {one: one.observed(self.rerun.backward) for one in found}
        trees = [(one.tree, scope) for one, scope in scopes.items()]
        for one, scope in scopes.items():
            if found[one] != "forward":
                scope.expressions = class_expressions(trees, scope, one.function.__globals__)
                scope.expressions |= selections(scope)
        return {one: (scope, found[one]) for one, scope in scopes.items()}

    def _stream(self, function, scope, changes_y, later, late):
        for edit in edits(function.tree, scope, late):
            if changes_y and edit.is_simpler or later and edit.mistake not in SAVING:
                continue
            if not _in_while(function.tree, edit):
                yield edit.rank + late.get(edit.block, 0) + later, function, edit

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

    def _is_consistent(self):
        """Return whether another result of forward has the gradients that backward gives."""
        y, known = self.rerun.forward(), self.rerun.y
        if np.shape(y) != known.shape or np.allclose(y, known, **SAME) or not np.isfinite(y).all():
            return False
        found, (target, *_) = self.rerun.backward(), self.wrong
        given, (v, _, _) = found.get(target.name), target.probes[0]
        if np.shape(given) != target.values.shape or not np.any(given):
            return False
        numeric, _, rounding = next(self.rerun.derivative(target.values, v))
        error, size = abs((given * v).sum() - numeric), typical_size(given, v) + abs(numeric)
        return error <= FIT_RTOL * size + rounding and self._is_right()

    def _is_right(self):
        """Return whether all gradients, and the contract, are right on a new rerun."""
        rerun = self.remake()
        if Contract.of(rerun).broken:
            return False
        found = {one.status for one in compare_gradients(rerun)}
        return "ok" in found and found <= {"ok", "unclear"}


def _remember(latest, key, value):
    latest[key] = value
    if len(latest) > 32:
        del latest[next(iter(latest))]


def _in_while(tree, edit):
    """Return whether an edit changes a while loop, which might never end."""
    ends = range(1, len(edit.block) + 1)
    return any(isinstance(at_path(tree, edit.block[:end]), ast.While) for end in ends)
