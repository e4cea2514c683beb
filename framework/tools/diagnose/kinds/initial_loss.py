"""A first loss far above that of guessing."""

import math

from firstlight.tools.diagnose.examples import script
from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.model.first_step import FirstStep

ABOVE = 2  # times the loss of guessing, and 1 more; a few unlucky outputs reach 1.5 times


class InitialLoss(Kind):
    """A cross-entropy far above ln C before any training, or summed over the batch."""

    name = "initial-loss"
    about = FirstStep
    title = "initial loss", "Verlust zu Beginn"
    look = (
        "the scale of the initial weights (1/sqrt of the inputs) and of the inputs; reduction",
        "die Größe der Anfangsgewichte (1/Wurzel der Eingänge) und der Eingaben; reduction",
    )
    says = {
        "sum": (
            "the loss of {n} samples is {loss:.4g}, of half of them {half:.4g}: a sum over the "
            "batch, where the trainer expects the mean",
            "der Verlust von {n} Beispielen ist {loss:.4g}, der der halben Menge {half:.4g}: eine "
            "Summe über den Batch, wo der Trainer den Mittelwert erwartet",
        ),
        "sure": (
            "the loss is {loss:.4g}, far above ln {classes} = {even:.3g}, that of guessing: the "
            "network is sure of wrong answers before it has learned anything",
            "der Verlust ist {loss:.4g}, weit über ln {classes} = {even:.3g} beim Raten: das Netz "
            "ist sich falscher Antworten sicher, bevor es etwas gelernt hat",
        ),
    }
    causes = frozenset({"overfit", "lr-high", "lr-low"})

    def judge(self, evidence: FirstStep) -> Findings:
        """Compare the loss with that of outputs that are all zero."""
        if not evidence.has_class_scores or not math.isfinite(evidence.loss):
            return
        classes = max(evidence.prediction.shape[-1], 2)
        even, loss, n = math.log(classes), evidence.loss, len(evidence.y)
        if loss <= ABOVE * even + 1:
            return
        half = evidence.half_loss() if n > 4 else loss
        if 0.4 < half / loss < 0.6 and loss / n < ABOVE * even + 1:
            yield self.finding(evidence, "sum", where="loss", n=n, loss=loss, half=half)
            return
        guessing = evidence.view.loss_of_zeros()
        if not math.isfinite(guessing) or loss > ABOVE * guessing + 1:  # else another loss
            values = {"loss": loss, "classes": classes, "even": even}
            yield self.finding(evidence, "sure", where="loss", **values)

    right = script()
    wrong = right.replace("\nnet.loss", "\nnet[2].weight.data *= 100\nnet.loss")
