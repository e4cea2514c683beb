"""Early stopping: a best value that stays, is compared the wrong way, or a counter that stays."""

import ast

from firstlight.tools.diagnose.examples import TRAINED
from firstlight.tools.diagnose.kind import Findings, Kind, Place
from firstlight.tools.diagnose.probes.script.ledger import TrainingLoop
from firstlight.tools.diagnose.probes.script.source_text import loops, pairs, targets, words, writes

BEST = {"best", "lowest", "highest", "min", "max"}
LOSSES = {"loss", "losses", "err", "error", "nll", "perplexity", "ppl", "mse", "rmse", "mae"}
SCORES = {"acc", "accuracy", "f1", "reward", "return"}
SMALLER, LARGER = (ast.Lt, ast.LtE), (ast.Gt, ast.GtE)


class EarlyStopping(Kind):
    """A comparison with the best value so far that cannot work as meant."""

    name = "early-stopping"
    about = TrainingLoop
    title = "early stopping without effect", "Early Stopping ohne Wirkung"
    look = (
        "what an improvement does: it keeps the new best value, copies the weights and sets the "
        "counter to 0",
        "was bei einer Verbesserung geschieht: neuen Bestwert merken, Gewichte kopieren, Zähler "
        "auf 0 setzen",
    )
    says = {
        "never": (
            "{best} is never updated: this always compares {value} with its initial value",
            "{best} wird nie erneuert: Verglichen wird {value} immer mit seinem Anfangswert",
        ),
        "larger": (
            "{value} is kept as {best} where it is larger: the comparison is the wrong way round",
            "{value} wird als {best} behalten, wenn es größer ist: der Vergleich ist verkehrt "
            "herum",
        ),
        "smaller": (
            "{value} is kept as {best} where it is smaller: the comparison is the wrong way round",
            "{value} wird als {best} behalten, wenn es kleiner ist: der Vergleich ist verkehrt "
            "herum",
        ),
        "counter": (
            "{counter} is never set to 0 again: it counts all iterations without an improvement",
            "{counter} wird nie wieder 0 und zählt alle Iterationen ohne Verbesserung",
        ),
    }

    def judge(self, evidence: TrainingLoop) -> Findings:
        """Look at each comparison with a best value inside a loop."""
        tree, seen = evidence.tree, set()
        for loop in loops(tree):
            inside = list(writes(loop))
            for node in ast.walk(loop):
                test = node.test if isinstance(node, ast.If) and id(node) not in seen else None
                sides = _sides(test)
                if sides is None:
                    continue
                seen.add(id(node))
                found = self._of(tree, node, sides, inside)
                if found is not None:
                    key, values = found
                    at = Place.of(str(evidence.trace.path), node.lineno)
                    yield self.finding(evidence, key, at=at, **values)

    def _of(self, tree, node, sides, inside):
        """Return a sentence and its values, None if the comparison works."""
        value, best, falls = sides
        stored = [given for one in node.body for given in ast.walk(one) if targets(given)]
        if not stored or value not in {name for name, _ in inside}:
            return None
        initial = [v for one in ast.walk(tree) for name, v in pairs(one) if name == best]
        changed = [one for name, one in writes(tree) if name == best]
        constant = initial and len(changed) == len(initial) and all(map(_is_constant, initial))
        if constant and not any(name == best for name, _ in inside):
            return "never", {"best": best, "value": value}
        kept = any(n == best and ast.unparse(v) == value for s in stored for n, v in pairs(s))
        wrong = LOSSES if not falls else SCORES
        if kept and words(value) & wrong and not words(value) & {"neg", "negative", "minus"}:
            return "smaller" if falls else "larger", {"best": best, "value": value}
        counted = [
            one
            for other in node.orelse
            for one in ast.walk(other)
            if isinstance(one, ast.AugAssign) and ast.unparse(one.value) == "1"
        ]
        for name in (ast.unparse(one.target) for one in counted):
            others = [one for text, one in inside if text == name and one not in counted]
            if kept and not others and _stops(tree, name):
                return "counter", {"counter": name}
        return None

    right = (
        TRAINED.replace(
            "for epoch", 'best_loss, best, waited = float("inf"), None, 0\nfor epoch'
        ).replace("net(x), y", "net(x[:48]), y[:48]")
        + """\
    val_loss = mse(net.eval()(x[48:]), y[48:])
    net.train()
    if val_loss < best_loss:
        best_loss = val_loss
        best, waited = net.state_dict(), 0
    else:
        waited += 1
        if waited > 5:
            break
net.load_state_dict(best)
"""
    )
    wrong = right.replace("        best_loss = val_loss\n", "")


def _sides(test):
    """Return the value, the best one, and whether smaller is better; None of other tests."""
    if isinstance(test, ast.BoolOp):
        return next(filter(None, map(_sides, test.values)), None)
    if not isinstance(test, ast.Compare) or len(test.ops) != 1:
        return None
    left, right = test.left, test.comparators[0]
    while isinstance(right, ast.BinOp) and isinstance(right.op, ast.Add | ast.Sub):
        right = right.left  # best - min_delta
    plain = ast.Name, ast.Attribute, ast.Subscript
    if not isinstance(left, plain) or not isinstance(right, plain):
        return None
    value, best = ast.unparse(left), ast.unparse(right)
    falls = isinstance(test.ops[0], SMALLER)
    if not falls and not isinstance(test.ops[0], LARGER):
        return None
    if words(value) & BEST:
        value, best, falls = best, value, not falls
    return (value, best, falls) if words(best) & BEST else None


def _is_constant(node):
    """Return whether an expression is a number or infinite."""
    infinite = any(getattr(n, "attr", getattr(n, "id", "")) == "inf" for n in ast.walk(node))
    numbers = not any(isinstance(n, ast.Name) and n.id != "float" for n in ast.walk(node))
    return infinite or numbers and not isinstance(node, ast.Dict | ast.List)


def _stops(tree, counter):
    """Return whether a counter decides about the end of a loop or a function."""
    ends = ast.Break, ast.Return
    return any(
        isinstance(node, ast.If)
        and counter in ast.unparse(node.test)
        and any(isinstance(one, ends) for inner in node.body for one in ast.walk(inner))
        for node in ast.walk(tree)
    )
