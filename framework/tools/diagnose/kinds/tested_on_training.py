"""Evaluations on the training data, although other samples are held out."""

import ast
from collections.abc import Iterator

import numpy as np

from firstlight.tools.diagnose.examples import LOOP
from firstlight.tools.diagnose.kind import Finding, Kind
from firstlight.tools.diagnose.probes.sample_flow import SampleFlow

ENOUGH = 10  # samples


class TestedOnTraining(Kind):
    """An evaluation after the training on the samples of the training alone."""

    name = "tested-on-training"
    about = SampleFlow
    title = "evaluation on training data", "Auswertung auf Trainingsdaten"
    look = (
        "the samples of this evaluation: those that no step has used",
        "die Beispiele dieser Auswertung: solche, die kein Schritt verwendet hat",
    )
    says = {
        "unused": (
            "the evaluation after the training runs on the training samples in {train}, and "
            "{test} is never used",
            "die Auswertung nach dem Training läuft auf den Trainingsdaten in {train}, und {test} "
            "wird nie verwendet",
        )
    }

    def judge(self, evidence: SampleFlow) -> Iterator[Finding]:
        """Look for evaluated samples that are all trained, and for others under a name."""
        evaluated = evidence.parts
        if not evaluated or any(
            len(np.setdiff1d(one.samples, evidence.trained)) for one in evidence.evaluations
        ):
            return
        largest = max(evaluated, key=lambda one: len(one.samples))
        for holder in evidence.holders:
            apart = not np.isin(holder.samples, evidence.trained).any()
            inside = np.isin(evidence.trained, evidence.whole(holder)).all()
            unread = apart and inside and not is_read(evidence.tree, holder.name)
            if unread and len(holder.samples) >= ENOUGH:
                names = {"train": largest.holder.name, "test": holder.name}
                yield self.finding(evidence, "unused", at=largest.at, **names)
                return

    wrong = (
        LOOP
        + """\
x_train, y_train, x_test, y_test = x[:48], y[:48], x[48:], y[48:]
for epoch in range(40):
    loss = mse(net(x_train), y_train)
    net.zero_grad()
    net.backward(mse.backward())
    optimizer.step()
print(((net.eval()(x_train) - y_train) ** 2).mean())
"""
    )
    right = wrong.replace("(x_train) - y_train) **", "(x_test) - y_test) **")


def is_read(tree: ast.AST, name: str) -> bool:
    """Return whether a script reads a name, other than to assign it again."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            written = [n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name)]
            if name in written:
                for inner in ast.walk(node):
                    inner.again = True
    return any(
        isinstance(node, ast.Name)
        and node.id == name
        and isinstance(node.ctx, ast.Load)
        and not hasattr(node, "again")
        for node in ast.walk(tree)
    )
