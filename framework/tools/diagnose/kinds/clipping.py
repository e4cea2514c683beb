"""Gradients that are clipped at the wrong place of a loop."""

from firstlight.tools.diagnose.examples import TRAINED
from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.script.events import (
    Backward,
    GradientWrite,
    OptimizerStep,
    Scalar,
    ZeroGrad,
)
from firstlight.tools.diagnose.probes.script.ledger import TrainingLoop, is_scaling


class Clipping(Kind):
    """A clipping before backward has added the gradients, or after the step has used them."""

    name = "clipping"
    about = TrainingLoop
    title = "gradients clipped at the wrong place", "Gradienten an der falschen Stelle begrenzt"
    look = ("the order backward, clip, step", "die Reihenfolge backward, clip, step")
    says = {
        "late": (
            "the gradients are clipped after the step: no step uses a clipped gradient",
            "die Gradienten werden nach dem Schritt begrenzt: Kein Schritt verwendet begrenzte",
        ),
        "early": (
            "the gradients are clipped before backward: {count} parameters get theirs later",
            "die Gradienten werden vor backward begrenzt: {count} Parameter bekommen ihre später",
        ),
        "norm": (
            "the norm is taken before backward: it is 0 in each step, and nothing is ever clipped",
            "die Norm wird vor backward berechnet: Sie ist immer 0, und nichts wird begrenzt",
        ),
    }

    def judge(self, evidence: TrainingLoop) -> Findings:
        """Look at what is written into the gradients, and when."""
        writes = [w for w in evidence.trace.of(GradientWrite) if is_scaling(w)]
        events = evidence.trace.events
        late = [w for w in writes if w.before.any() and w.after.any() and _is_late(w, events)]
        if len({_turn(w) for w in late}) > 1:
            yield self.finding(evidence, "late", at=evidence.call_line(late[0]))
        early = [w for w in writes if not w.before.any() and _gets_more(w, events)]
        scaled = {(w.at.line, _turn(w)) for w in writes if w.before.any() and w.after.any()}
        early = [w for w in early if (w.at.line, _turn(w)) in scaled]
        if len({_turn(w) for w in early}) > 1:
            count = len({id(w.parameter) for w in early})
            yield self.finding(evidence, "early", at=evidence.call_line(early[0]), count=count)
        norms = [s for s in evidence.trace.of(Scalar) if _is_norm(s) and s.loops]
        zero = [s for s in norms if s.value == 0 and _backward_follows(s, events)]
        if len(zero) > 1 and len(zero) == len([s for s in norms if s.at == zero[0].at]):
            yield self.finding(evidence, "norm", at=evidence.call_line(zero[0]))

    clip = "    for p in net.parameters():\n        p.grad[...] = np.clip(p.grad, -0.01, 0.01)\n"
    wrong = TRAINED + clip
    right = TRAINED.replace("    optimizer.step()\n", f"{clip}    optimizer.step()\n")


def _turn(event):
    return event.loops[0].number if event.loops else -1


def _is_late(write, events):
    """Return whether a step used the gradient before, and it is zeroed before the next step."""
    used = False
    for event in reversed(events[: write.index]):
        if isinstance(event, Backward) and any(p is write.parameter for p, _ in event.added):
            break
        if isinstance(event, OptimizerStep) and _has(event, write.parameter):
            used = True
            break
    for event in events[write.index + 1 :]:
        if isinstance(event, OptimizerStep) and _has(event, write.parameter):
            return False
        zeroed = isinstance(event, GradientWrite) and event.parameter is write.parameter
        if isinstance(event, ZeroGrad) and _has(event, write.parameter):
            return used
        if zeroed and not event.after.any():
            return used
    return False


def _gets_more(write, events):
    """Return whether a backward adds to the gradient before a step uses it."""
    for event in events[write.index + 1 :]:
        if isinstance(event, OptimizerStep) and _has(event, write.parameter):
            return False
        if isinstance(event, Backward):
            for p, added in event.added:
                if p is write.parameter and added.any():
                    return True
    return False


def _has(event, parameter):
    return any(p is parameter for p in event.parameters)


def _is_norm(scalar):
    return "norm" in scalar.name.lower() or "clip" in scalar.name.lower()


def _backward_follows(scalar, events):
    """Return whether a backward comes between a number and the next step."""
    for event in events[scalar.index + 1 :]:
        if isinstance(event, Backward) and any(added.any() for _, added in event.added):
            return True
        if isinstance(event, (OptimizerStep, ZeroGrad)):
            return False
    return False
