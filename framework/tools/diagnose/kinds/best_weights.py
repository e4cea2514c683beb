"""Best weights that are kept by reference, and change with the training."""

import numpy as np

from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.kinds.early_stopping import EarlyStopping
from firstlight.tools.diagnose.probes.script.events import Kept, OptimizerStep, Update
from firstlight.tools.diagnose.probes.script.ledger import TrainingLoop
from firstlight.tools.diagnose.probes.script.values import arrays_in


class BestWeights(Kind):
    """An assignment of the best weights that copies nothing."""

    name = "best-weights"
    about = TrainingLoop
    title = "best weights not copied", "beste Gewichte nicht kopiert"
    look = (
        "a copy of each array: {name: w.copy() for ...}, or state_dict() of a module",
        "eine Kopie jedes Arrays: {name: w.copy() for ...}, oder state_dict() eines Moduls",
    )
    says = {
        "same": (
            "{name} refers to arrays that the training goes on to change: it holds no copy",
            "{name} verweist auf Arrays, die das Training weiter ändert, und ist keine Kopie",
        ),
    }

    def judge(self, evidence: TrainingLoop) -> Findings:
        """Compare what was kept in a loop with what it is at the end."""
        seen = set()
        for event in evidence.trace.of(Kept):
            if "best" not in event.name.lower() or not event.loops or event.at in seen:
                continue
            now = list(arrays_in(event.value))
            if len(now) != len(event.arrays) or not now:
                continue
            changed = [
                a
                for a, was in zip(now, event.arrays, strict=True)
                if a.dtype.kind == "f" and a.shape == was.shape and not np.array_equal(a, was)
            ]
            trained = list(arrays_in([_targets(e) for e in _later(evidence, event)]))
            if changed and any(np.shares_memory(a, b) for a in changed for b in trained):
                seen.add(event.at)
                yield self.finding(evidence, "same", at=event.at, name=event.name)

    right = EarlyStopping.right
    wrong = right.replace("net.state_dict()", "{n: p.data for n, p in net.named_parameters()}")


def _later(evidence, event):
    return [one for one in evidence.trace.of(Update, OptimizerStep) if one.index > event.index]


def _targets(event):
    return event.parameters if isinstance(event, OptimizerStep) else event.target
