"""A random mask of another forward, or a new one, in backward."""

import numpy as np

from firstlight.support import rng as randomness
from firstlight.tools.diagnose.kind import Findings
from firstlight.tools.diagnose.probes.arrays import is_multiple
from firstlight.tools.diagnose.probes.module.gradients import agrees
from firstlight.tools.diagnose.probes.module.wrong_gradient import WrongGradient
from firstlight.tools.diagnose.repaired import RepairedKind, mistaken


class StaleMask(RepairedKind):
    """Backward does not use the mask that its forward drew."""

    name = "stale-mask"
    order = 32
    title = "stale mask", "veraltete Maske"
    look = (
        "that forward saves the mask of each call, and backward takes that one",
        "ob forward die Maske jedes Aufrufs speichert und backward genau diese nimmt",
    )
    says = {
        "new": (
            "backward draws new random numbers instead of using those of forward",
            "backward zieht neue Zufallszahlen, statt die von forward zu verwenden",
        ),
        "earlier": (
            "backward uses the mask of an earlier forward",
            "backward verwendet die Maske eines früheren forward",
        ),
        "same": (
            "backward uses the same mask for every forward",
            "backward verwendet für jedes forward dieselbe Maske",
        ),
    }
    right = mistaken(
        "y = np.tanh(x @",
        "m = (np.random.random((len(x), 4)) < 0.8) * x.dtype.type(1.25) if self.training else 1\n"
        "        y = np.tanh(x @",
        "self.save(x, y)",
        "self.save(x, y, m)",
        "return y",
        "return m * y",
        "x, y = self",
        "x, y, m = self",
        "dy * (1",
        "m * dy * (1",
    )
    wrong = right.replace("m * dy", "(np.random.random(dy.shape) < 0.8) * dy.dtype.type(1.25) * dy")

    def judge(self, evidence: WrongGradient) -> Findings:
        """Watch the random generators in backward; run forward with other random numbers."""
        rerun, wrong, line = evidence.rerun, evidence.wrong, evidence.line
        if rerun is None or wrong.status != "wrong":
            return
        states = []

        def note():
            own = [g.bit_generator.state for g, _ in rerun.state.generators]
            states.append((own, randomness.state_dict()))

        rerun.backward(between=note)
        note()
        if not np.array_equal(*map(repr, states)):
            yield self.finding(evidence, "new", **line)
        elif not _is_masked(wrong.analytic, rerun.dy):
            return
        elif agrees(evidence.remake(fresh=True), wrong.name):
            yield self.finding(evidence, "earlier", **line)
        elif _slope_changes_alone(rerun, wrong):
            yield self.finding(evidence, "same", **line)


def _is_masked(dx, dy):
    """Return whether dx is dy times a mask: zeros, and one more value."""
    return np.shape(dx) == np.shape(dy) and is_multiple(dx[dx != 0], dy[dx != 0]) and not dx.all()


def _slope_changes_alone(rerun, wrong):
    """Return whether forward's derivative changes with random numbers, and backward's does not."""
    v, before, _ = wrong.probes[0]
    streams = rerun.state.streams
    try:
        randomness.stream("dropout").random(17)
        rerun.state.streams = randomness.state_dict()
        after = next(rerun.derivative(rerun.values(wrong.name), v))[0]
        same = np.allclose(rerun.backward()[wrong.name], wrong.analytic, rtol=1e-9, atol=1e-12)
    finally:
        rerun.state.streams = streams
    return same and abs(after - before) > 1e-3 * (abs(after) + abs(before))
