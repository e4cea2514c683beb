"""Transitions of reinforcement learning that begin where they end, or never go on."""

import ast
import re
from collections.abc import Iterator

from firstlight.tools.diagnose.kind import Findings, Kind, Place
from firstlight.tools.diagnose.kinds.terminal_state import TerminalState
from firstlight.tools.diagnose.probes.script.ledger import TrainingLoop
from firstlight.tools.diagnose.probes.script.source_text import blocks, loops, targets, writes

REWARD = re.compile(r"reward|discount|\benv\b|episode", re.I)
FORMS = (
    r"(?:next|new)_?(\w+)",
    r"(\w+?)_?(?:next|new|prime)",
    r"(s|st|state|o|ob|obs|observation|pos|place)(?:2|1|_|p)",
    r"n_?(s|state|obs|o)",
)


class Transition(Kind):
    """A state that is not advanced to the next one, or too early."""

    name = "transition"
    about = TrainingLoop
    title = "state of the environment", "Zustand der Umgebung"
    look = (
        "the order in each step: act, learn from or store (state, next_state), then state = "
        "next_state",
        "die Reihenfolge in jedem Schritt: handeln, aus (state, next_state) lernen oder es "
        "speichern, dann state = next_state",
    )
    says = {
        "still": (
            "{state} is never set to {following} in this loop: every action is chosen in the same "
            "state",
            "{state} wird in dieser Schleife nie auf {following} gesetzt: jede Aktion wird im "
            "selben Zustand gewählt",
        ),
        "late": (
            "{state} was set to {following} in line {line}, before this line uses both: the "
            "transition begins in the state in which it ends",
            "{state} wurde in Zeile {line} auf {following} gesetzt, bevor diese Zeile beide "
            "verwendet: der Übergang beginnt in dem Zustand, in dem er endet",
        ),
    }

    def judge(self, evidence: TrainingLoop) -> Findings:
        """Look at the loops that make a next state."""
        tree, path = evidence.tree, str(evidence.trace.path)
        if not REWARD.search("\n".join(evidence.source)):
            return
        for block in blocks(tree):
            for index, one in enumerate(block):
                pair = _advanced(one)
                if pair and (late := _uses_both(block[index + 1 :], *pair)):
                    values = {"state": pair[0], "following": pair[1], "line": one.lineno}
                    yield self.finding(evidence, "late", at=Place.of(path, late), **values)
        known = {name for name, _ in writes(tree)}
        for loop in loops(tree):
            own = {name for name, _ in writes(loop)}
            for name, node in writes(loop):
                inner = any(node in ast.walk(one) for one in loops(loop) if one is not loop)
                called = isinstance(getattr(node, "value", None), ast.Call)
                state = next((s for s in states(name) if s in known - own), None)
                if inner or not called or state is None or len(targets(node)) < 2:
                    continue
                if any(getattr(n, "id", "") == state for n in ast.walk(loop)):
                    at = Place.of(path, node.lineno)
                    yield self.finding(evidence, "still", at=at, state=state, following=name)

    right = TerminalState.right
    wrong = right.replace("        place = next_place\n", "")


def states(following: str) -> Iterator[str]:
    """Yield the names of the state that a next one may follow: state of next_state, s of s2."""
    for form in FORMS:
        if match := re.fullmatch(form, following):
            yield match[1]


def _advanced(node):
    """Return the state and the next one of an assignment such as ``state = next_state``."""
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name):
        for name in map(ast.unparse, targets(node)):
            if name in states(node.value.id):
                return name, node.value.id
    return None


def _uses_both(statements, state, following):
    """Return the line of a call or a tuple that contains both, before one is assigned again."""
    for statement in statements:
        for node in ast.walk(statement):
            parts = getattr(node, "elts" if isinstance(node, ast.Tuple) else "args", None)
            given = parts if isinstance(parts, list) else ()
            if {state, following} <= {getattr(part, "id", "") for part in given}:
                return node.lineno
        if {state, following} & {name for name, _ in writes(statement)}:
            return 0
    return 0
