"""Search for the small change of a script with which the gradients of a step fit its loss."""

import ast
import heapq
import time
from collections.abc import Iterator, Set
from dataclasses import dataclass
from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.parameter import Parameter
from firstlight.tools.diagnose.kind import Place
from firstlight.tools.diagnose.probes.edits.edits import Edit, edits
from firstlight.tools.diagnose.probes.edits.scope import Scope
from firstlight.tools.diagnose.probes.script.dependence import Dependence
from firstlight.tools.diagnose.probes.script.events import Backward, GradientWrite, Scalar, Trace
from firstlight.tools.diagnose.probes.script.program import script_tree
from firstlight.tools.diagnose.probes.script.source_text import called_name
from firstlight.tools.diagnose.probes.script.trace import trace
from firstlight.tools.diagnose.probes.steps.replay import Replay, Window
from firstlight.tools.diagnose.probes.steps.step_check import ENOUGH, StepCheck

BUDGET, OF_LOSSES = 1.4, 0.8  # seconds for changes of gradients, and of losses
OF_LOSS = {"sum", "operand", "index", "factor"}  # mistakes that may be in the loss, too


@dataclass
class StepRepair:
    """A change of one line that makes the gradients of a step right.

    Attributes
    ----------
    mistake : str
        As in `Edit`.
    at : Place
    cure : str
        The line as it should be.
    changes_loss : bool
        Whether the loss itself changes.
    """

    mistake: str
    at: Place
    cure: str
    changes_loss: bool = False

    @classmethod
    def of(cls, edit: Edit, check: StepCheck, *, changes_loss: bool = False) -> "StepRepair":
        """Return an edit as a repair."""
        lines = check.path.read_text(encoding="utf-8").splitlines()
        at = Place.of(str(check.path), edit.line)
        return cls(edit.mistake, at, edit.after(lines), changes_loss)


@np.errstate(all="ignore")  # changed lines may compute anything
def find_repair(
    check: StepCheck, *, of_loss: bool = True, likely: Set[int] = frozenset()
) -> StepRepair | None:
    """Return the first change that makes the wrong gradients right, within the budget.

    With ``of_loss``, it may change the loss, too. The likely lines are tried first.
    """
    ends, later = time.thread_time() + BUDGET, []
    for place, edit in candidates(check, likely):
        if time.thread_time() > ends:
            break
        edited = place, edit.applied.body[0]
        found = _replayed(check, edited)
        if found is None:
            continue
        if not keeps_loss(check, found):
            later += [(edit, edited, found)] if of_loss and edit.mistake in OF_LOSS else []
        elif _is_right(check, found):
            return StepRepair.of(edit, check)
    for edit, edited, found in later:
        if time.thread_time() > ends + OF_LOSSES:
            break
        if _is_consistent(check, edited, found):
            return StepRepair.of(edit, check, changes_loss=True)
    return None


def candidates(check: StepCheck, likely: Set[int]) -> Iterator[tuple[int, Edit]]:
    """Yield edits of the lines that compute the wrong gradients, the likeliest first.

    Each comes with the number of the script's outermost statement in which it is.
    """
    tree, scopes = script_tree(check.path), check.scopes
    streams = []
    likely = {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.stmt) and node.lineno in likely and not hasattr(node, "body")
        for line in range(node.lineno, node.end_lineno + 1)
    }
    likely |= _called(tree, likely)
    groups = [likely, *(lines - likely for lines in suspects(check, tree))]
    for level, lines in zip((0, 2, 3, 4), groups, strict=True):
        for place, statement in enumerate(tree.body):
            if not lines & set(range(statement.lineno, statement.end_lineno + 1)):
                continue
            functions = [n.name for n in ast.walk(statement) if isinstance(n, ast.FunctionDef)]
            names: dict[str, Any] = {}
            for name in functions or ["<module>"]:
                names |= scopes.names.get(name, {})
            known = np.ndarray, np.generic, int, float, Module, Parameter
            public = {n: v for n, v in names.items() if n[0] != "_" and isinstance(v, known)}
            found = edits(ast.Module([statement], []), Scope.of(public), lines=lines)
            streams.append(_stream(place, found, level))
    for _, _, place, edit in heapq.merge(*streams, key=lambda one: one[:2]):
        yield place, edit


def _called(tree, lines):
    """Return the lines of the functions that lines of a script call."""
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and n.lineno in lines]
    names = set(map(called_name, calls))
    called = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name in names]
    return {line for one in called for line in range(one.lineno, one.end_lineno + 1)}


def _stream(place, found, level):
    for number, edit in enumerate(found):
        if len(edit.path) > 1:
            yield edit.rank + level, number, place, edit


def suspects(check: StepCheck, tree: ast.Module) -> list[set[int]]:
    """Return the lines from which the wrong gradients are computed, in groups.

    First those that neither right gradients nor the loss depend on, then the others that the loss
    does not depend on, then the rest.
    """
    dependence = Dependence(tree)
    updates = {one.unit.at.line for one in check.wrong + check.right}
    losses = {(w.line, w.name) for one in check.wrong for w in check.named(one.scalars)}
    wrong, right, loss = (
        dependence.lines(seeds, updates)
        for seeds in (_seeds(check, check.wrong), _seeds(check, check.right), losses)
    )
    unused = {event.at.line for event in check.window.of(Backward)}  # its result may be missing
    repeated = {
        line
        for node in tree.body
        if isinstance(node, ast.For | ast.While | ast.FunctionDef | ast.ClassDef)
        for line in range(node.lineno, node.end_lineno + 1)
    }
    loss -= check.scopes.late
    groups = [(wrong - right - loss) | unused, (wrong & right) - loss, wrong & loss]
    return [group & repeated for group in groups]


def _seeds(check, measured):
    """Return the lines that compute gradients: those that write them, or use them."""
    writes = check.window.of(GradientWrite)
    parameters = check.window.trace.parameters
    found = []
    for one in measured:
        key = one.unit.key
        own = [
            (event.at.line, "")
            for event in writes
            if key[0] == "parameter" and event.parameter is parameters[key[1]]
        ]
        found += own or [(one.unit.at.line, "")]
    return found


def _replayed(check, edited) -> Window | None:
    """Return the step of an edited script, with the values of the reference, None if it raises."""
    lines = check.claiming
    recorder = Replay(check.path, check.window, check.base, brief=True, lines=lines)
    return window_of(check, trace(check.path, check.arguments, recorder, edited))


def window_of(check: StepCheck, found: Trace) -> Window | None:
    """Return the step of a check in the trace of a replay, None if it is not reached."""
    keys = {event.key: event.index for event in found.events}
    start, end = (_key(check.window, index) for index in (check.window.start, check.window.end))
    if found.error is not None or end not in keys or (start is not None and start not in keys):
        return None
    return Window(found, keys.get(start, -1), keys[end], len(found.events))


def _key(window, index):
    return window.trace.events[index].key if index >= 0 else None


def keeps_loss(check: StepCheck, found: Window) -> bool:
    """Return whether the numbers that depend on what was measured stay as they were."""
    now = {event.key: event.value for event in found.of(Scalar, until=found.last)}
    depends = {
        key
        for _, measured in check.together
        for loss in check.named(measured.scalars)
        for key in loss.keys
    }
    return all(
        event.key in now and abs(now[event.key] - event.value) <= 1e-9 * (1 + abs(event.value))
        for event in check.window.of(Scalar)
        if event.key in depends
    )


def _is_right(check: StepCheck, found: Window) -> bool:
    """Return whether all gradients of an edited step fit."""
    units = check.units(found)
    known = check.window
    check.window = found
    try:
        if not all(_fits(check, one, units) for one in check.wrong):
            return False
        alone = len(check.wrong) < ENOUGH and all(_fits(check, one, units) for one in check.right)
        for group, measured in check.together:
            if any(unit.key not in units for unit in group):
                return False
            if any(len(unit.claims) > 1 for unit in group):
                continue  # which claim counts is known of single units only
            claim = sum(units[unit.key].claims[0] for unit in group)
            if not alone and not check.fits(claim, measured, check.candidates(measured.scalars)):
                return False
    finally:
        check.window = known
    return True


def _fits(check, one, units):
    """Return whether the gradient of a unit of an edited step, which is not zero, fits."""
    unit, losses = units.get(one.unit.key), check.candidates(one.scalars)
    least = 1e-6 * abs(check.expected(one) or 0.0)
    claims = [] if unit is None else [claim for claim in unit.claims if abs(claim) > least]
    return any(check.fits(claim, one, losses) for claim in claims)


def _is_consistent(check: StepCheck, edited: tuple[int, ast.stmt], found: Window) -> bool:
    """Return whether the gradients of a script whose loss is changed fit the changed loss."""
    again = StepCheck(check.path, check.arguments, found, edited)
    again.base = check.base
    again.run(thorough=False)
    return bool(again.judged) and not again.wrong
