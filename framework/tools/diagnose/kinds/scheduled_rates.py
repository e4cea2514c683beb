"""Learning rates of all steps of a schedule: negative, zero at first, or with a jump."""

import ast
import contextlib
import functools
import math
import sys

import numpy as np

from firstlight.tools.diagnose.examples import TRAINED
from firstlight.tools.diagnose.kind import Findings, Kind, Place
from firstlight.tools.diagnose.kinds.schedule import is_rate
from firstlight.tools.diagnose.probes.script import source_text
from firstlight.tools.diagnose.probes.script.ledger import TrainingLoop

MOST, DROP = 20_000, 0.7  # steps; of the last rate of a warm-up
WORDS = {"rate", "schedule", "at", "get", "of", "new"}  # of names, beside those of learning rates


class ScheduledRates(Kind):
    """A schedule whose formula gives wrong learning rates in steps that are yet to come."""

    name = "schedule-rates"
    about = TrainingLoop
    title = "wrong learning rates of a schedule", "falsche Learning Rates eines Schedules"
    look = (
        "the learning rates of all steps, printed or plotted before the training",
        "die Learning Rates aller Schritte, vor dem Training ausgegeben oder gezeichnet",
    )
    causes = frozenset({"lr-zero"})
    says = {
        "negative": (
            "the learning rate is negative from step {step} of {steps} on: steps go uphill",
            "die Learning Rate ist ab Schritt {step} von {steps} negativ: Es geht bergauf",
        ),
        "zero": (
            "the learning rate is 0 in the first {step} of {steps} steps: nothing is learned",
            "die Learning Rate ist in den ersten {step} von {steps} Schritten 0",
        ),
        "jump": (
            "the learning rate rises to {last:.3g} in a warm-up, and then falls to {following:.3g}",
            "die Learning Rate steigt im Warm-up auf {last:.3g} und fällt dann auf {following:.3g}",
        ),
    }

    def judge(self, evidence: TrainingLoop) -> Findings:
        """Compute the learning rates of all steps in advance, where a counter gives them."""
        for line, rate, rates in _schedules(evidence):
            below, used = np.flatnonzero(rates < -1e-12), np.flatnonzero(rates)
            falls = np.flatnonzero(np.diff(rates) <= 0)
            last, following = rates[falls[0] :][:2] if len(falls) else (0, 0)
            if len(below):
                key, step = "negative", below[0]
            elif len(used) and used[0] > 1:
                key, step = "zero", used[0]
            elif following < DROP * last and falls[0] > 1 and 2 * len(falls) > len(rates):
                key, step = "jump", falls[0]
            else:
                continue
            at = Place.of(str(evidence.trace.path), _last_line(rate, step - (key == "zero"), line))
            values = {"last": last, "following": following, "steps": len(rates), "step": step}
            yield self.finding(evidence, key, at=at, **values)
            return

    right = TRAINED.replace("    loss", "    optimizer.lr = 0.02 * (40 - epoch) / 40\n    loss")
    wrong = right.replace("(40 - epoch)", "(15 - epoch)")


def _schedules(evidence):
    """Yield the line of each formula of a learning rate, itself as a function of the step, and all.

    The number of a step is the variable of a loop over a range, or one that is increased by 1.
    """
    everything = source_text.loops(evidence.tree)
    for node in {id(n): n for one in everything for n in ast.walk(one)}.values():
        called = source_text.called_name(node) if isinstance(node, ast.Call) else ""
        found = [node] if _gives_rate(called) else []
        if isinstance(node, ast.Assign):
            found = [value for name, value in source_text.pairs(node) if _gives_rate(name)]
        around = [one for one in everything if any(n is node for n in ast.walk(one))]
        known = dict(evidence.trace.names)
        for loop in around:
            known |= evidence.trace.scopes.get(loop.lineno, {})
        for value in found:
            code, names = compile(ast.Expression(value), "", "eval"), set(source_text.texts(value))
            with contextlib.suppress(Exception):  # it is not known in advance
                (name, counts), *more = _counters(around, known, names).items()
                rate = functools.partial(_rate, code, known, name, counts)
                if not more and 2 < len(counts) <= MOST:
                    yield node.lineno, rate, np.array([rate(n) for n in range(len(counts))], float)


def _gives_rate(name):
    return is_rate(name) or set(name.split("_")) <= WORDS


def _rate(code, known, name, counts, step):
    return eval(code, known | {name: counts[step]})


def _counters(around, known, names):
    """Return the values in all steps of those of some names that count steps."""

    def value(node):
        return eval(compile(ast.Expression(node), "", "eval"), dict(known))

    def length(loop):  # a while loop counts up to a number
        if isinstance(loop, ast.For):
            return len(value(loop.iter))
        return value(loop.test.comparators[0]) - value(loop.test.left)

    found = {
        w.target.id: value(w.iter)
        for w in around
        if getattr(w, "target", 0) and ast.unparse(w.target) in names
    }
    written = [name for name, _ in source_text.writes(around[0])]
    for depth, loop in enumerate(around, 1):
        for node in loop.body:  # under no condition
            name = ast.unparse(node).removesuffix(" += 1")
            if name in names and isinstance(node, ast.AugAssign) and written.count(name) == 1:
                steps = math.prod(map(length, around[:depth]))
                found[name] = range(known[name], known[name] + steps)
    return found


def _last_line(rate, step, line):
    """Return the last line of the script that gives a rate, or the line that asks for it."""
    lines, before = [line], sys.gettrace()

    def watch(frame, event, _):
        if event == "line" and frame.f_globals.get("__name__") == "__main__":
            lines.append(frame.f_lineno)
        return watch

    sys.settrace(watch)
    try:
        rate(step)
    finally:
        sys.settrace(before)
    return lines[-1]
