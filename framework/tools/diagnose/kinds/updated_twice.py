"""Updates that a script repeats in one step, and arrays that it forgets to update."""

import ast
import re

import numpy as np

from firstlight.tools.diagnose.kind import Findings, Kind, Place
from firstlight.tools.diagnose.kinds.step_factor import SCRIPT
from firstlight.tools.diagnose.probes.script.events import Update
from firstlight.tools.diagnose.probes.script.ledger import TrainingLoop
from firstlight.tools.diagnose.probes.script.source_text import loops, texts, writes

GRADIENT = (r"d_?(\w+)", r"g_?(\w+)", r"grad_?(\w+)", r"(\w+?)_?grad", r"(\w+?)_?g")
TRAINED = re.compile(r"(w|b|u|v|gamma|beta|theta|bias|weights?|kernel|emb|out)[a-z_]*\d*$", re.I)
MOMENTUM = re.compile(r"momentum|\bmu\b|\bv(el\w*|_?[wb]\w*)?\b", re.I)
SHRINKS = 0.5, 0.985  # factors of a running mean, too small for a weight decay


class UpdatedTwice(Kind):
    """A script's own update that is repeated, missing, or that of a running mean."""

    name = "updates"
    about = TrainingLoop
    title = "update of another array", "Update eines anderen Arrays"
    look = (
        "the updates of a step: each array once, with its own gradient",
        "die Updates eines Schritts: jedes Array einmal, mit seinem eigenen Gradienten",
    )
    says = {
        "twice": (
            "{name} is updated twice by the same gradient, in lines {first} and {line}",
            "{name} wird mit demselben Gradienten zweimal geändert, in Zeile {first} und {line}",
        ),
        "forgotten": (
            "{name} is never updated: its gradient {unread} is computed here, and nothing reads it",
            "{name} wird nie aktualisiert: sein Gradient {unread} wird hier berechnet, und "
            "nichts liest ihn",
        ),
        "shrinks": (
            "this multiplies the weights {name} by {factor:g} in each step: they vanish",
            "dies multipliziert die Gewichte {name} in jedem Schritt mit {factor:g}: Sie vergehen",
        ),
    }

    def judge(self, evidence: TrainingLoop) -> Findings:
        """Compare the statements that update arrays."""
        trained = [event for event in evidence.trace.of(Update) if event.trains]
        yield from self._repeated(evidence, trained)
        yield from self._forgotten(evidence, trained)
        yield from self._shrunk(evidence, trained)

    def _repeated(self, evidence, trained):
        turns: dict[tuple, Update] = {}
        seen = set()
        for event in trained:
            first = turns.setdefault((event.value, event.at.code, event.loops), event)
            same = first.at.line == event.at.line or not np.ndim(event.after)
            if same or event.at in seen:
                continue
            used = {text: value for text, value in event.sources.items() if text != event.name}
            if used and all(np.array_equal(first.sources.get(t), v) for t, v in used.items()):
                seen.add(event.at)
                values = {"name": event.name, "first": first.at.line, "line": event.at.line}
                yield self.finding(evidence, "twice", at=event.at, **values)

    def _forgotten(self, evidence, trained):
        tree = evidence.tree
        read, own = set(texts(tree)), {event.name.rpartition(".")[0] for event in trained}
        in_loops = {name for loop in loops(tree) for name, _ in writes(loop)}
        in_loops |= {
            name
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef) and node.name != "__init__"
            for name, _ in writes(node)
        }
        for text, node in writes(tree):
            base, _, last = text.rpartition(".")
            if text not in in_loops or text in read or not isinstance(node, ast.Assign):
                continue
            for form in GRADIENT:
                match = re.fullmatch(form, last)
                name = f"{base}.{match[1]}" if base and match else match[1] if match else ""
                known = name in read and name not in in_loops and base in own
                if known and TRAINED.match(match[1]) and len(trained) > 1:
                    at, values = Place.of(str(evidence.trace.path), node.lineno), {"name": name}
                    yield self.finding(evidence, "forgotten", at=at, unread=text, **values)
                    break

    def _shrunk(self, evidence, trained):
        lines: dict[tuple, list[Update]] = {}
        for event in trained:
            lines.setdefault((event.value, event.at.line), []).append(event)
        for events in lines.values():
            factors = [_factor(event) for event in events]
            first = next(one for one in trained if one.value == events[0].value)
            words = " ".join(t for one in trained if one.value == first.value for t in one.sources)
            is_mean = not MOMENTUM.search(f"{words} {events[0].at.code}")
            if len(events) > 1 and np.any(first.before) and None not in factors and not is_mean:
                low, high = SHRINKS
                if low < factors[0] < high and np.allclose(factors, factors[0], rtol=1e-6):
                    values = {"name": events[0].name, "factor": round(factors[0], 6)}
                    yield self.finding(evidence, "shrinks", at=events[0].at, **values)

    right = SCRIPT
    wrong = SCRIPT.replace("    b -= 0.05 * db\n", "    b -= 0.05 * db\n    w -= 0.05 * dw\n")


def _factor(event):
    """Return the number that an update multiplies an array with, None if it does something else."""
    before, after = np.ravel(event.before), np.ravel(event.after)
    if before.size < 2 or not before.any():
        return None
    factor = float(before @ after) / float(before @ before)
    return factor if np.allclose(after, factor * before, rtol=1e-6, atol=1e-12) else None
