"""Targets of reinforcement learning that ignore the end of an episode."""

import ast
import re

from firstlight.tools.diagnose.examples import HEAD
from firstlight.tools.diagnose.kind import Findings, Kind, Place
from firstlight.tools.diagnose.probes.script.ledger import TrainingLoop
from firstlight.tools.diagnose.probes.script.source_text import called_name, leaves, scopes, targets

DONE = re.compile(r"(^|_)(dones?|terminals?|terminated|terminate|is_?final|finished|game_?over)\b")
GOES_ON = re.compile(r"mask|alive|live|not_|non|cont", re.I)  # names of the opposite
DISCOUNT = re.compile(r"gamma|discount|γ", re.I)
NEXT = re.compile(r"next|new_|future|s2|_prime|s_\b|ns\b")
TIME = re.compile(r"^(t|time|step|steps|timestep|i|max_\w+|horizon|limit|n_steps|len|T)$")


class TerminalState(Kind):
    """A discounted value of the next state that is added at the end of an episode, too."""

    name = "terminal-state"
    about = TrainingLoop
    title = "terminal state", "Endzustand"
    look = (
        "target = reward + gamma * (1 - done) * value: at the end of an episode only the reward",
        "target = reward + gamma * (1 - done) * value: am Ende einer Episode nur der Reward",
    )
    says = {
        "ignored": (
            "the target adds the next state's value at the end, too: nothing depends on {done}",
            "das Ziel addiert auch am Ende den nächsten Wert: Nichts hängt von {done} ab",
        ),
        "inverted": (
            "the target has the next state's value only where {done} is true: 1 - {done} is right",
            "das Ziel hat den nächsten Wert nur, wo {done} wahr ist: Richtig ist 1 - {done}",
        ),
    }

    def judge(self, evidence: TrainingLoop) -> Findings:
        """Look for targets in the functions of a script whose environment ends episodes."""
        tree, path = evidence.tree, str(evidence.trace.path)
        known = _ends(tree)
        if not known:
            return
        stored = _stored(tree, known)
        for nodes in scopes(tree):
            names = {n: is_bare for node in nodes for n, is_bare in _unpacked(node, stored)}
            own = known | set(names)
            bare = {n for n in own if names.get(n, True) and not GOES_ON.search(n)}
            for node in nodes:
                if not isinstance(node, ast.Assign | ast.AugAssign) or not _discounts(node, nodes):
                    continue
                at, used = Place.of(path, node.lineno), _closure(node, nodes)
                if wrong := _inverted(node.value, bare):
                    yield self.finding(evidence, "inverted", at=at, done=wrong)
                elif not own & used and not any(map(GOES_ON.search, used)):
                    yield self.finding(evidence, "ignored", at=at, done=min(own))

    right = (
        HEAD
        + """\
net = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 2))
optimizer = fl.optim.SGD(net.parameters(), lr=0.05)
states = np.eye(5, dtype="float32")
gamma = 0.9


def move(place, action):
    place = max(place + 2 * action - 1, 0)
    return place, float(place == 4), place == 4


for episode in range(20):
    place, done = 0, False
    while not done:
        q = net(states[place : place + 1])
        action = int(rng.integers(2))
        next_place, target, done = move(place, action)
        if not done:
            target += gamma * net(states[next_place : next_place + 1]).max()
        dq = np.zeros_like(q)
        dq[0, action] = q[0, action] - target
        loss = dq[0, action] ** 2 / 2
        net(states[place : place + 1])
        optimizer.zero_grad()
        net.backward(dq)
        optimizer.step()
        place = next_place
"""
    )
    wrong = right.replace("        if not done:\n            target +=", "        target +=")


def _names(node):
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def _ends(tree):
    """Return the variables that say whether an episode is over, other than by its length."""
    found, timed = set(), []
    for node in ast.walk(tree):
        names = {t.id for t in targets(node) if isinstance(t, ast.Name) and DONE.search(t.id)}
        found |= names
        value = getattr(node, "value", None)
        if names and isinstance(value, ast.Compare):
            read = _names(value) | {getattr(n, "attr", "t") for n in ast.walk(value)}
            timed.append(all(map(TIME.match, read - {"self"})))
    return set() if timed and all(timed) else found


def _stored(tree, known):
    """Return of what is stored with the end of an episode in it: how much, where, and if bare."""
    found = {}
    for node in ast.walk(tree):
        parts = getattr(node, "elts" if isinstance(node, ast.Tuple) else "args", None)
        for index, part in enumerate(parts if isinstance(parts, list) else ()):
            if len(parts) >= 4 and _names(part) & known:
                found[len(parts), index] = isinstance(part, ast.Name)
    return found


def _unpacked(node, stored):
    """Yield the names that are unpacked from where the end of an episode is stored."""
    for target in getattr(node, "targets", None) or [getattr(node, "target", None)]:
        parts = getattr(target, "elts", [])
        for (length, index), is_bare in stored.items():
            if len(parts) == length and isinstance(parts[index], ast.Name):
                yield parts[index].id, is_bare


def _assigned(name, nodes):
    """Return the values that are assigned to a name, and the rows of it that are set."""
    for node in nodes:
        for target in targets(node):
            for leaf in leaves(target):
                base = leaf.value if isinstance(leaf, ast.Subscript) else leaf
                if getattr(base, "id", "") == name and getattr(node, "value", None) is not None:
                    yield node


def _discounts(node, nodes):
    """Return whether a statement discounts what a network says about the next state."""
    for one in ast.walk(node.value):
        if not isinstance(one, ast.BinOp) or not isinstance(one.op, ast.Mult):
            continue
        if not any(DISCOUNT.search(n) for n in map(ast.unparse, (one.left, one.right))):
            continue
        values, left = [one], {n for n in _names(one) if not DISCOUNT.search(n)}
        for name in left - {ast.unparse(t) for t in targets(node)}:
            values += [other.value for other in _assigned(name, nodes) if other is not node]
        if any(map(_asks_network, values)):
            return True
    return False


def _asks_network(value):
    """Return whether an expression has the largest output of a function for the next state."""
    calls = [n for n in ast.walk(value) if isinstance(n, ast.Call)]
    largest = any(called_name(c) in ("max", "amax") for c in calls)
    for call in calls:
        outer = ast.unparse(call.func)
        given = " ".join(map(ast.unparse, call.args))
        if not outer.startswith(("np.", "max", "min", "int", "float")) and NEXT.search(given):
            named = outer.split(".")[-1] not in ("max", "min", "astype", "sum", "mean", "append")
            if largest and named:
                return True
    return False


def _closure(node, nodes):
    """Return the names that a statement depends on, in three steps, and those of its conditions."""
    name = ast.unparse(next(iter(targets(node)), node))
    found = _names(node)
    for _ in range(3):
        for one in list(found):
            for other in _assigned(one, nodes):
                if other.lineno <= node.end_lineno or one == name:
                    rows = [t.slice for t in targets(other) if isinstance(t, ast.Subscript)]
                    found = found.union(*map(_names, [other.value, *rows]))
    for one in nodes:
        if isinstance(one, ast.If):
            inside = [n for branch in (one.body, one.orelse) for b in branch for n in ast.walk(b)]
            assigned = {ast.unparse(t) for inner in inside for t in targets(inner)}
            if node in inside or name in assigned:
                found |= _names(one.test)
    return found


def _inverted(value, bare):
    """Return the name of the end of an episode that multiplies or selects a next state's value."""
    for node in ast.walk(value):
        sides = []
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            sides = [node.left, node.right]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "np.where":
            sides = node.args[:1] if isinstance(node.args[-1], ast.Constant) else []
        for side in sides:
            if getattr(side, "id", "") in bare:
                return side.id
    return ""
