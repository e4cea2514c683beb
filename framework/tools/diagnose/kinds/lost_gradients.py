"""Gradients that are set to zero before an optimizer has used them."""

import numpy as np

from firstlight.tools.diagnose.examples import LOOP
from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.script.events import Backward, OptimizerStep, Update
from firstlight.tools.diagnose.probes.script.ledger import Contribution, TrainingLoop


class LostGradients(Kind):
    """A zero_grad at the wrong place: between backward and step, or between two backwards."""

    name = "lost-gradient"
    about = TrainingLoop
    title = "gradients set to zero too early", "Gradienten zu früh auf null gesetzt"
    look = (
        "the order zero_grad, forward, backward, step; zero_grad once before all backwards whose "
        "gradients one step adds up",
        "die Reihenfolge zero_grad, forward, backward, step; zero_grad einmal vor allen Backwards, "
        "deren Gradienten ein Schritt addiert",
    )
    causes = frozenset({"overfit", "lr-high", "lr-low"})
    says = {
        "between": (
            "this line sets the gradients of {lost} of {count} backwards to zero before the step",
            "diese Zeile nullt die Gradienten von {lost} der {count} Backwards vor dem Schritt",
        ),
        "before step": (
            "this line sets the gradients to zero between backward and step: nothing is learned",
            "diese Zeile nullt die Gradienten zwischen backward und step: Nichts wird gelernt",
        ),
        "step first": (
            "the step comes before backward: its gradients are all 0, and nothing is learned",
            "der Schritt kommt vor backward: Seine Gradienten sind 0, und nichts wird gelernt",
        ),
        "moved": (
            "this backward comes after a step that has changed the weights of its forward",
            "dieses backward kommt nach einem Schritt, der die Gewichte seines forward ändert",
        ),
    }

    def judge(self, evidence: TrainingLoop) -> Findings:
        """Compare what the steps of each optimizer use with what was added for them."""
        late = [event for event in evidence.trace.of(Backward) if _is_late(event, evidence)]
        if len(late) > 1:
            yield self.finding(evidence, "moved", at=evidence.call_line(late[0]))
            return
        for _, steps in evidence.by_optimizer():
            if len(steps) < 2:
                continue
            own = {id(p) for p in steps[0].parameters}
            lost = [
                part
                for part in evidence.contributions
                if id(part.parameter) in own and is_wasted(part, evidence)
            ]
            idle = not any(g.any() for step in steps for g in step.gradients)
            if idle and lost:
                yield self._idle(evidence, steps, lost)
            elif not idle:
                yield from self._between(evidence, steps, lost)

    def _idle(self, evidence, steps, lost):
        part = lost[0]
        following = next((s for s in steps if s.index > part.event.index), steps[-1])
        inside = part.removed_by.index < following.index
        same = part.event.loops[:-1] == following.loops[:-1] and (
            [t.number for t in part.event.loops[-1:]] == [t.number for t in following.loops[-1:]]
        )
        key, at = ("before step", part.removed_by) if inside and same else ("step first", following)
        return self.finding(evidence, key, at=evidence.call_line(at))

    def _between(self, evidence, steps, lost):
        wasteful = []
        for before, step in zip([None, *steps], steps, strict=False):
            since = -1 if before is None else before.index
            gone = [p for p in lost if since < p.event.index < step.index]
            used = [p for p in evidence.contributions if step in p.used_by]
            if gone and used:
                wasteful.append((gone, {id(p.event) for p in used}))
        if len(wasteful) >= max(2, len(steps) - 1):
            gone, used = wasteful[0]
            events = len({id(p.event) for p in gone})
            counts = {"lost": events, "kept": len(used), "count": events + len(used)}
            at = evidence.call_line(gone[-1].removed_by)
            yield self.finding(evidence, "between", at=at, **counts)

    wrong = (
        LOOP
        + """\
for epoch in range(20):
    for part in np.split(rng.permutation(64), 4):
        optimizer.zero_grad()
        loss = mse(net(x[part]), y[part])
        net.backward(mse.backward() / np.float32(4))
    optimizer.step()
"""
    )
    right = wrong.replace("        optimizer.zero_grad()\n", "").replace(
        "    optimizer.step()\n", "    optimizer.step()\n    optimizer.zero_grad()\n"
    )


def is_wasted(part: Contribution, evidence: TrainingLoop) -> bool:
    """Return whether a gradient was set to zero, and nothing else was made of its backward."""
    if part.used_by or part.removed_by is None:
        return False
    between = evidence.trace.events[part.event.index + 1 : part.removed_by.index]
    if any(_steps(one) for one in between):
        return False  # leftovers, such as a critic's of the generator's step
    if not isinstance(part.event, Backward):
        return True
    later = [e for e in evidence.trace.of(Backward) if e.index > part.event.index]
    if any(_same(part.event.dx, dy) for one in later for dy in one.dys):
        return False  # other modules go on with its dx
    for event in evidence.trace.events[part.removed_by.index + 1 :]:
        if _steps(event):
            break
        if isinstance(event, Backward) and event.module is part.event.module:
            return not _perturbed(part.event, event)
    return True


def _is_late(event, evidence):
    """Return whether a step moves a module's weights between a forward and its backward."""
    start = event.forward.index if event.forward is not None else event.index
    own = {id(p) for p in event.module.parameters()}
    between = [step for step in evidence.steps if start < step.index < event.index]
    return any(own & {id(p) for p in step.parameters} for step in between)


def _steps(event):
    return isinstance(event, OptimizerStep) or (isinstance(event, Update) and event.trains)


def _same(one, other):
    return isinstance(one, np.ndarray) and np.array_equal(one, other)


def _perturbed(one, other):
    """Return whether two forwards are of the same samples, the second perhaps changed a little."""
    inputs = [event.forward.inputs[0] for event in (one, other) if event.forward is not None]
    if len(inputs) < 2 or np.array_equal(*inputs):
        return len(inputs) == 2
    if inputs[0].shape != inputs[1].shape or inputs[0].dtype.kind != "f":
        return False
    first, second = (x.reshape(len(x), -1) for x in inputs)
    apart = np.linalg.norm(second - first, axis=1)
    others = np.linalg.norm(second - np.roll(first, 1, axis=0), axis=1)
    return bool(np.median(apart) < 0.3 * np.median(others))
