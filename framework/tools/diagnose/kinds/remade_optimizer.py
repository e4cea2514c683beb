"""Optimizers that a loop makes for each step or epoch, so that their state is lost."""

import numpy as np

from firstlight.tools.diagnose.examples import TRAINED
from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.script.events import OptimizerMade, OptimizerStep
from firstlight.tools.diagnose.probes.script.ledger import TrainingLoop


class RemadeOptimizer(Kind):
    """A line inside the loop that makes an optimizer with moments, which then makes one step."""

    name = "remade-optimizer"
    about = TrainingLoop
    title = "optimizer made in each step", "Optimizer in jedem Schritt neu"
    look = (
        "make the optimizer once, before the loop",
        "den Optimizer einmal erstellen, vor der Schleife",
    )
    says = {
        "each": (
            "this line makes a new {kind} for each step: its moments start from zero each time",
            "diese Zeile legt für jeden Schritt ein neues {kind} an: Die Momente bleiben bei null",
        ),
        "some": (
            "this line makes a new {kind} {count} times: each time its moments start from zero",
            "diese Zeile legt {count}-mal ein neues {kind} an: Seine Momente beginnen bei null",
        ),
    }

    def judge(self, evidence: TrainingLoop) -> Findings:
        """Compare the optimizers that one line makes: each continues the training of the last."""
        own: dict[int, list[OptimizerStep]] = {}
        for step in evidence.steps:
            own.setdefault(id(step.optimizer), []).append(step)
        lines: dict[int, list[OptimizerMade]] = {}
        for event in evidence.trace.of(OptimizerMade):
            lines.setdefault(event.at.line, []).append(event)
        for made in lines.values():
            runs = [own[id(event.optimizer)] for event in made if id(event.optimizer) in own]
            again = all(_goes_on(one, other) for one, other in zip(runs, runs[1:], strict=False))
            optimizer = made[0].optimizer
            if len(runs) > 2 and len(runs) >= len(made) - 1 and again and optimizer.state:
                key = "each" if max(map(len, runs)) == 1 else "some"
                values = {"kind": type(optimizer).__name__, "count": len(runs)}
                yield self.finding(evidence, key, at=evidence.call_line(made[0]), **values)

    right = TRAINED
    made = "optimizer = fl.optim.Adam(net.parameters(), lr=0.02)\n"
    wrong = right.replace(
        f"{made}for epoch in range(40):\n", f"for epoch in range(40):\n    {made}"
    )


def _goes_on(steps: list[OptimizerStep], following: list[OptimizerStep]) -> bool:
    """Return whether an optimizer goes on where another one ended, with the same learning rate."""
    last, first = steps[-1], following[0]
    same = [id(p) for p in last.parameters] == [id(p) for p in first.parameters]
    values = zip(last.after, first.before, strict=False)
    return same and last.lrs == first.lrs and all(np.array_equal(a, b) for a, b in values)
