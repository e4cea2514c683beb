"""Models that do not learn even a few samples, with any learning rate."""

import numpy as np

from firstlight.tools.diagnose.examples import script
from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.arrays import Batch, batch_parts, is_float
from firstlight.tools.diagnose.probes.model.short_training import ShortTraining


class Overfit(Kind):
    """A model that does not overfit a few samples."""

    name = "overfit"
    about = ShortTraining
    title = "does not overfit one batch", "lernt nicht einmal einen Batch"
    look = (
        "whether the labels belong to the inputs, the loss, and the network's size",
        "ob die Labels zu den Eingaben gehören, den Verlust und die Größe des Netzes",
    )
    says = {
        "stuck": (
            "it does not overfit a few samples: the loss of one batch goes from {start:.3g} to "
            "{end:.3g}, and no other learning rate helps",
            "es lernt nicht einmal wenige Beispiele: der Verlust eines Batches geht von "
            "{start:.3g} auf {end:.3g}, und keine andere Lernrate hilft",
        )
    }

    def judge(self, evidence: ShortTraining) -> Findings:
        """State it if no learning rate helps; a note where it may have learned them before."""
        if not evidence.stuck or evidence.slower or evidence.settled or evidence.without_decay:
            return
        if not evidence.faster and not evidence.uphill:
            place = {"where": "", "type": type(evidence.model).__name__}
            note = evidence.guessing is None or is_smoothed(evidence.batch)
            yield self.finding(evidence, "stuck", note=note, **place, **evidence.course)

    wrong = script(
        net="""
class Net(fl.Module):
    def __init__(self):
        self.body = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))

    def forward(self, x):
        return self.body(x)

    def backward(self, dy):
        return self.body.backward(dy)

    def training_step(self, batch):
        x, y = batch
        return super().training_step((x, np.random.permutation(y)))


net = Net()
"""
    )
    right = wrong.replace("np.random.permutation(y)", "y")


def is_smoothed(batch: Batch) -> bool:
    """Return whether the targets are smoothed labels, such as 0.9, whose loss stays above 0."""
    y = batch_parts(batch)[1]
    if not is_float(y) or len(np.unique(y)) > 3:
        return False
    return bool(y.min() >= 0 and y.max() <= 1 and ((y > 0) & (y < 1)).any())
