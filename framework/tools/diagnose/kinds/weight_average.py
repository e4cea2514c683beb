"""Averages and copies of weights: of no copy, never updated, or copied the wrong way round."""

import ast

import numpy as np

from firstlight.tools.diagnose.examples import TRAINED
from firstlight.tools.diagnose.kind import Findings, Kind, Place
from firstlight.tools.diagnose.probes.script.events import Forward, OptimizerStep, Update
from firstlight.tools.diagnose.probes.script.ledger import TrainingLoop
from firstlight.tools.diagnose.probes.script.source_text import called_name

FAST = 0.5, 0.9999  # share of the present weights, above which an average follows them at once
STEADY = 0.01  # change of the share from step to step, above which it is that of a warm-up


class WeightAverage(Kind):
    """A mistake with a second copy of the weights, such as a moving average or a target network."""

    name = "weight-average"
    about = TrainingLoop
    title = "wrong average of weights", "falscher Mittelwert der Gewichte"
    look = (
        "average = decay · average + (1 - decay) · weights, of a copy, after each step",
        "Mittel = decay · Mittel + (1 - decay) · Gewichte, mit einer Kopie, nach jedem Schritt",
    )
    says = {
        "alias": (
            "{name} in line {line} is no copy of the weights: averaging with it changes them",
            "{name} in Zeile {line} ist keine Kopie der Gewichte: Das Mitteln ändert sie selbst",
        ),
        "initial": (
            "the training ends with the weights from before its first step: all is lost",
            "am Ende stehen die Gewichte von vor dem ersten Schritt: Alles Gelernte ist verloren",
        ),
        "fast": (
            "the average keeps only {kept:.0%} of itself in each step: its decay is turned round",
            "das Mittel behält je Schritt nur {kept:.0%} von sich: Sein Decay ist vertauscht",
        ),
        "backwards": (
            "this line copies weights that never change into those that are trained",
            "diese Zeile kopiert Gewichte, die sich nie ändern, in die trainierten",
        ),
    }

    def judge(self, evidence: TrainingLoop) -> Findings:
        """Look at what the script writes into weights and into arrays of their shapes."""
        if not evidence.steps:
            return
        for check in (self._alias, self._backwards, self._initial, self._fast):
            found = check(evidence)
            if found is not None:
                yield found
                return

    def _alias(self, evidence):
        for event in _written(evidence):
            name = event.name.split("[")[0]
            mixed = any(
                text != name and text.endswith(".data") and _equal(value, event.before)
                for text, value in event.sources.items()
            )
            if mixed and not name.endswith(".data") and event.loops:
                at = _views(evidence) or event.at
                return self.finding(evidence, "alias", at=at, name=name, line=event.at.line)
        return None

    def _initial(self, evidence):
        last = evidence.steps[-1]
        started = {}
        for step in evidence.steps:
            for p, before in zip(step.parameters, step.before, strict=True):
                started.setdefault(id(p), before)
        events = evidence.trace.events[last.index + 1 :]
        if any(isinstance(e, Forward) and e.backward is not None for e in events):
            return None
        written = [e for e in events if isinstance(e, Update) and id(e.parameter) in started]
        own = {id(p) for p, g in zip(last.parameters, last.gradients, strict=True) if g.any()}
        back = [e for e in written if _equal(e.after, started[id(e.parameter)])]
        if own and own <= {id(e.parameter) for e in back} and not _keeps_copies(evidence, last):
            return self.finding(evidence, "initial", at=evidence.call_line(back[0]))
        return None

    def _backwards(self, evidence):
        still = {
            id(p): p.data
            for event in evidence.trace.of(Forward)
            for p in event.module.parameters()
            if id(p) not in evidence.moved
        }
        for event in _written(evidence):
            if event.loops and any(
                _share(event.before, event.after, data) > FAST[0] for data in still.values()
            ):
                return self.finding(evidence, "backwards", at=evidence.call_line(event))
        return None

    def _fast(self, evidence):
        stepped = {id(p) for step in evidence.steps for p in step.parameters}
        shares: dict[object, list[tuple[float, Update]]] = {}
        for before, step in zip(evidence.steps, evidence.steps[1:], strict=False):
            between = evidence.trace.events[before.index + 1 : step.index]
            chains: dict[tuple[int, int], list[Update]] = {}
            for e in between:
                if isinstance(e, Update) and id(e.parameter) not in stepped and np.ndim(e.after):
                    same = next((c for c in chains.values() if _equal(c[-1].after, e.before)), None)
                    if same is None:
                        chains[e.at.line, sum(k[0] == e.at.line for k in chains)] = [e]
                    else:  # a further change of this array
                        same.append(e)
            for key, chain in chains.items():
                found = [_share(chain[0].before, chain[-1].after, w) for w in before.after]
                shares.setdefault(key, []).append((max(found, default=0.0), chain[-1]))
        for found in shares.values():
            values = [share for share, _ in found]
            steady = np.ptp(values) < STEADY
            if len(values) > 1 and steady and FAST[0] < min(values) and max(values) < FAST[1]:
                at = found[0][1].at
                taken = float(np.mean(values))
                return self.finding(evidence, "fast", at=at, kept=1 - taken, taken=taken)
        return None

    wrong = TRAINED.replace(
        "for epoch", "average = [p.data.copy() for p in net.parameters()]\nfor epoch"
    )
    wrong += "    for mean, p in zip(average, net.parameters()):\n"
    wrong += "        mean[...] = 0.1 * mean + 0.9 * p.data\n"
    right = wrong.replace("0.1 * mean + 0.9 * p.data", "0.9 * mean + 0.1 * p.data")


def _written(evidence):
    """Return the statements that write into parameters which optimizers train."""
    stepped = {id(p) for step in evidence.steps for p in step.parameters}
    return [e for e in evidence.trace.of(Update) if id(e.parameter) in stepped]


def _equal(one, other):
    return np.ndim(one) > 0 and np.array_equal(one, other)


def _share(before, after, other):
    """Return b if an array moved by b of the way to another, 0 if it moved elsewhere."""
    if np.shape(before) != np.shape(other) or np.shape(after) != np.shape(other):
        return 0.0
    way, moved = (np.asarray(other) - before).ravel(), (np.asarray(after) - before).ravel()
    size = float(way @ way)
    if size < 1e-14 or way.size < 2:
        return 0.0
    share = float(way @ moved) / size
    return share if np.linalg.norm(moved - share * way) < 1e-2 * np.sqrt(size) else 0.0


def _views(evidence: TrainingLoop) -> Place | None:
    """Return the line of the script's only list of parameters' data without copies."""
    lines = [
        node.lineno
        for node in ast.walk(evidence.tree)
        if isinstance(node, (ast.ListComp, ast.DictComp))
        for part in [getattr(node, "elt", getattr(node, "value", None))]
        if isinstance(part, ast.Attribute) and part.attr == "data"
    ]
    return Place.of(str(evidence.trace.path), lines[0]) if len(lines) == 1 else None


def _keeps_copies(evidence: TrainingLoop, step: OptimizerStep) -> bool:
    """Return whether the loops around a step copy something, such as the best weights so far."""
    lines = {turn.line for turn in step.loops}
    return any(
        isinstance(call, ast.Call) and called_name(call).endswith("copy")
        for loop in ast.walk(evidence.tree)
        if isinstance(loop, (ast.For, ast.While)) and loop.lineno in lines
        for call in ast.walk(loop)
    )
