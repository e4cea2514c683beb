"""Schedules of a loop that nothing reads, or that are applied to their own result."""

import ast

from firstlight.tools.diagnose.examples import TRAINED
from firstlight.tools.diagnose.kind import Findings, Kind, Place
from firstlight.tools.diagnose.probes.script.ledger import TrainingLoop
from firstlight.tools.diagnose.probes.script.source_text import (
    called_name,
    loops,
    pairs,
    targets,
    texts,
    words,
)

RATES = {"lr"}, {"learning", "rate"}, {"eta"}, {"step", "size"}, {"schedule"}, {"scheduler"}
SHOWS = ("print", "append", "log", "write", "info", "add_scalar", "format")


class Schedule(Kind):
    """A learning rate that a loop computes in vain, or from its own result."""

    name = "schedule"
    about = TrainingLoop
    title = "schedule without effect", "Schedule ohne Wirkung"
    look = (
        "lr = schedule(initial lr, epoch) in each epoch, and this lr in the update",
        "lr = schedule(Anfangs-lr, Epoche) in jeder Epoche, und diese lr im Update",
    )
    causes = frozenset({"no-effect"})
    says = {
        "unread": (
            "{name} is computed in every iteration, and the steps use another learning rate",
            "{name} wird immer wieder berechnet, die Schritte nutzen eine andere Learning Rate",
        ),
        "function": (
            "the schedule {name} is never called: the learning rate stays as it is",
            "der Schedule {name} wird nie aufgerufen: die Learning Rate bleibt, wie sie ist",
        ),
        "compounded": (
            "the factor of {epoch} multiplies a {name} that contains it already: both multiply",
            "der Faktor aus {epoch} multipliziert {name}, das ihn schon enthält",
        ),
    }

    def judge(self, evidence: TrainingLoop) -> Findings:
        """Look at the learning rates that loops assign."""
        tree, path = evidence.tree, str(evidence.trace.path)
        used = set(_used(tree))
        for node in ast.walk(tree):
            unused = isinstance(node, ast.FunctionDef) and node.name not in used
            if unused and is_rate(node.name) and not node.decorator_list:
                at = Place.of(path, node.lineno)
                yield self.finding(evidence, "function", at=at, name=node.name)
        seen = set()
        for loop in loops(tree):
            for name, value, node in _assigned(loop):
                if id(node) in seen or not is_rate(name):
                    continue
                at, counted = Place.of(path, node.lineno), _counted(loop, tree, node)
                repeated = set(texts(value)) & counted
                if repeated and _is_own(node, name, value) and not _branches(value):
                    seen.add(id(node))
                    values = {"name": name, "epoch": min(repeated)}
                    yield self.finding(evidence, "compounded", at=at, **values)
                elif isinstance(node, ast.Assign) and name.isidentifier() and name not in used:
                    seen.add(id(node))
                    yield self.finding(evidence, "unread", at=at, name=name)

    right = TRAINED.replace(
        "    loss", "    lr = 0.02 * 0.9 ** epoch\n    optimizer.lr = lr\n    loss"
    )
    wrong = right.replace("    optimizer.lr = lr\n", "")


def is_rate(name: str) -> bool:
    """Return whether a name is that of a learning rate or a schedule."""
    return any(known <= words(name) for known in RATES)


def _used(tree):
    """Yield the variables that are read, other than to show them or to compute them again."""
    shown = set()
    for node in ast.walk(tree):
        called = called_name(node) if isinstance(node, ast.Call) else ""
        if called in SHOWS or isinstance(node, ast.JoinedStr):
            shown |= {id(one) for one in ast.walk(node)}
        for target in targets(node):
            own = ast.unparse(target)
            if not isinstance(node, ast.For | ast.comprehension):
                same = (n for n in ast.walk(node) if getattr(n, "id", "") == own)
                shown |= {id(one) for one in same}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and id(node) not in shown:
            yield node.id


def _assigned(loop):
    """Yield ``(variable, value, statement)`` of each assignment in a loop under no condition."""
    conditional = {
        id(one)
        for node in ast.walk(loop)
        if isinstance(node, ast.If)
        for inner in node.body + node.orelse
        for one in ast.walk(inner)
    }
    for node in ast.walk(loop):
        if id(node) not in conditional and isinstance(node, ast.Assign | ast.AugAssign):
            for name, value in pairs(node):
                yield name, value, node


def _counted(loop, tree, node):
    """Return the variables that a for loop around a statement counts with."""
    around = [one for one in loops(tree) if any(inner is node for inner in ast.walk(one))]
    return {ast.unparse(t) for one in around if isinstance(one, ast.For) for t in targets(one)}


def _is_own(node, name, value):
    """Return whether an assignment multiplies what it assigns, or gives it to a function."""
    if isinstance(node, ast.AugAssign):
        return isinstance(node.op, ast.Mult | ast.Div)
    return name in set(texts(value))


def _branches(value):
    return any(isinstance(n, ast.Compare | ast.IfExp | ast.Mod) for n in ast.walk(value))
