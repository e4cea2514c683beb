"""Parameters that get a gradient in a hand-written loop and are moved by nothing."""

import numpy as np

from firstlight.nn import Sequential
from firstlight.tools.diagnose.examples import TRAINED
from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.script.events import Backward, Forward, OptimizerMade
from firstlight.tools.diagnose.probes.script.ledger import TrainingLoop

LOADED = ("load_state_dict", "np.load", "Checkpoint.load")  # in a script with pretrained weights


class NotInOptimizer(Kind):
    """An optimizer that lacks parameters, holds others' or was made before they were replaced."""

    name = "not-in-optimizer"
    about = TrainingLoop
    title = "parameters in no optimizer", "Parameter in keinem Optimizer"
    look = (
        "which parameters this optimizer is given: those of every module that should learn",
        "welche Parameter dieser Optimizer bekommt: die jedes Moduls, das lernen soll",
    )
    causes = frozenset({"overfit", "lr-low", "not-trained", "weight-average"})
    says = {
        "foreign": (
            "none of its {own} parameters gets a gradient, and {names} are moved by nothing",
            "keiner seiner {own} Parameter bekommt einen Gradienten, und {names} bewegt nichts",
        ),
        "missing": (
            "no optimizer has {names}: there is a gradient in each step, and nothing moves",
            "kein Optimizer hat {names}: In jedem Schritt gibt es einen Gradienten, und nichts "
            "bewegt sich",
        ),
        "no step": (
            "this optimizer never steps: {names} never move; line {line} steps another one",
            "dieser Optimizer macht keinen Schritt: {names} bewegen sich nie (siehe Zeile {line})",
        ),
        "frozen head": (
            "{name} is frozen and was never trained: the outputs go through random weights",
            "{name} ist eingefroren und wurde nie trainiert: Die Ausgaben gehen durch zufällige "
            "Gewichte",
        ),
    }

    def judge(self, evidence: TrainingLoop) -> Findings:
        """Look for gradients that no step uses, of parameters that never move."""
        if any(word in "\n".join(evidence.source) for word in LOADED):
            return
        owned = {id(p) for step in evidence.steps for p in step.parameters}
        for made, steps in evidence.by_optimizer():
            if len(steps) < 2:
                continue
            first, last = steps[0].index, steps[-1].index
            idle: dict[int, list] = {}
            known = owned | evidence.moved
            for part in evidence.contributions:
                p = part.parameter
                counts = part.event.index < last and p.requires_grad and id(p) not in known
                if counts and self._is_of(part, steps):
                    idle.setdefault(id(p), []).append(part)
            idle = {k: v for k, v in idle.items() if len({x.event.step for x in v}) > 1}
            if idle:
                parts = [found[0] for found in idle.values()]
                yield self._of(evidence, made, steps, parts)
            yield from self._frozen(evidence, made, first, last)

    def _is_of(self, part, steps):
        """Return whether a gradient was added in the loop of these steps."""
        loops = part.event.loops[:1]
        return bool(loops) and any(loops[0].run == s.loops[0].run for s in steps if s.loops)

    def _of(self, evidence, made, steps, parts):
        names = [evidence.name_of(part.parameter) or str(part.parameter.shape) for part in parts]
        shown = ", ".join(names[:4]) + (f" (+{len(names) - 4})" if len(names) > 4 else "")
        idle, stepped = (
            {id(part.parameter) for part in parts},
            {id(s.optimizer) for s in evidence.steps},
        )
        for event in evidence.trace.of(OptimizerMade):
            held = {id(p) for group in event.optimizer.param_groups for p in group["params"]}
            if idle <= held and id(event.optimizer) not in stepped:
                line = steps[-1].at.line
                return self.finding(evidence, "no step", at=event.at, names=shown, line=line)
        if not any(g.any() for step in steps for g in step.gradients):
            return self.finding(
                evidence, "foreign", at=made, own=len(steps[0].parameters), names=shown
            )
        note = _only_before(parts, steps, evidence.trace.of(Backward))
        return self.finding(evidence, "missing", at=made, names=shown, note=note)

    def _frozen(self, evidence, made, first, last):
        """Look for a frozen head that was never trained, behind modules that were."""
        events, moved = evidence.trace.events, evidence.moved
        forwards = evidence.trace.of(Forward)
        for event in events[first:last]:
            if not isinstance(event, Forward) or event.backward is None or not event.loops:
                continue
            parameters = event.module.parameters()
            if not parameters or any(p.requires_grad or id(p) in moved for p in parameters):
                continue
            before = [f for f in forwards if f.index < event.index and _feeds(f, event)]
            behind = [f for f in forwards if f.index > event.index and _feeds(event, f)]
            trained = before and any(id(p) in moved for p in before[-1].module.parameters())
            if trained and behind and not behind[0].module.parameters():
                name, at = evidence.trace.name_of(event.module), frozen_at(evidence, made)
                yield self.finding(evidence, "frozen head", at=at, name=name)
                return

    right = TRAINED
    wrong = right.replace(
        "Adam(net.parameters()", "Adam([p for p in net.parameters() if p.data.ndim == 2]"
    )


def _only_before(parts, steps, backwards):
    """Return whether all are of the first layers of one Sequential, perhaps on purpose."""
    own = {id(p) for p in steps[0].parameters}
    idle = {id(part.parameter) for part in parts}
    for part in parts:
        event = part.event
        if not isinstance(event, Backward) or type(event.module) is not Sequential:
            return False
        kinds = [id(p) in own for p in event.module.parameters() if id(p) in own | idle]
        passed_on = any(np.array_equal(event.dx, dy) for other in backwards for dy in other.dys)
        if kinds != sorted(kinds) or not (any(kinds) or passed_on):
            return False
    return True


def _feeds(one, other):
    """Return whether the output of a forward is the first input of another."""
    x, y = one.output, other.inputs[0] if other.inputs else None
    return isinstance(x, np.ndarray) and np.array_equal(x, y)


def frozen_at(evidence, made):
    """Return the line that freezes a module, or the optimizer's."""
    for number, line in enumerate(evidence.source, 1):
        if ".freeze()" in line:
            return type(made)(made.file, number, line.strip())
    return made
