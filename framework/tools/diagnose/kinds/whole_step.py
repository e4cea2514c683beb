"""Lists of numbers that do not follow the loss, as others in the same iteration do."""

from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.kinds.step_term import StepTerm
from firstlight.tools.diagnose.probes.steps.whole_steps import WholeStep


class StepDirection(Kind):
    """A list that an iteration moves another way than down the slope of its loss."""

    name = "step-direction"
    about = WholeStep
    title, look = ("wrong gradient of a list", "falscher Gradient einer Liste"), StepTerm.look
    says = {
        "wrong": (
            "an iteration does not move {names} down the slope of the loss of line {line}, as it "
            "does {others}: the gradient is wrong",
            "eine Iteration bewegt {names} nicht den Loss aus Zeile {line} hinab, anders als "
            "{others}: der Gradient ist falsch",
        )
    }

    wrong = """
import math
import random

random.seed(0)
w = [[random.uniform(-1, 1) for _ in range(2)] for _ in range(4)]
v = [random.uniform(-1, 1) for _ in range(4)]
data = [([random.gauss(0, 1), random.gauss(0, 1)], random.gauss(0, 1)) for _ in range(20)]
for epoch in range(30):
    total = 0.0
    for x, y in data:
        h = [math.tanh(row[0] * x[0] + row[1] * x[1]) for row in w]
        d = sum(a * b for a, b in zip(v, h)) - y
        total += 0.5 * d**2
        for i in range(4):
            dz = d * v[i] * (1 - h[i])
            v[i] -= 0.1 * d * h[i]
            for j in range(2):
                w[i][j] -= 0.1 * dz * x[j]
    print(epoch, total / len(data))
"""
    right = wrong.replace("(1 - h[i])", "(1 - h[i] ** 2)")

    def judge(self, evidence: WholeStep) -> Findings:
        """Name what moves otherwise."""
        if evidence.wrong:
            names, others = (
                ", ".join(one.name for one in some) for some in (evidence.wrong, evidence.right)
            )
            at, line = evidence.place(evidence.wrong[0]), evidence.loss[0]
            yield self.finding(evidence, "wrong", names=names, others=others, line=line, at=at)
