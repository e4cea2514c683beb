"""Learning rates with which a model does not learn a few samples, though it does with others."""

import numpy as np

from firstlight.tools.diagnose.examples import script
from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.arrays import root_mean_square
from firstlight.tools.diagnose.probes.model.short_training import ShortTraining
from firstlight.tools.diagnose.probes.script.ledger import TrainingLoop
from firstlight.tools.diagnose.probes.steps.own_updates import is_scheduled

RIGHT = script()
TINY = 1e-5  # of the largest change of an entry in a step, relative to its array


class LearningRateHigh(Kind):
    """A learning rate with which the loss grows or jumps, where a smaller one learns."""

    name = "lr-high"
    about = ShortTraining
    title = "learning rate too high", "zu große Lernrate"
    look = (
        "the lr of configure_optimizer; the callback lr_finder",
        "die lr in configure_optimizer; der Callback lr_finder",
    )
    says = {
        "smaller": (
            "the loss of one batch goes from {start:.3g} to {end:.3g}, with {factor:g} times the "
            "learning rate to {after:.2g}",
            "der Verlust eines Batches geht von {start:.3g} auf {end:.3g}, mit {factor:g}-facher "
            "Lernrate auf {after:.2g}",
        ),
        "peak": (
            "the loss of one batch goes from {start:.3g} to {end:.3g}, with a peak of {peak:.3g}, "
            "with {factor:g} times the learning rate to {after:.2g}",
            "der Verlust eines Batches geht von {start:.3g} auf {end:.3g}, mit einer Spitze von "
            "{peak:.3g}, mit {factor:g}-facher Lernrate auf {after:.2g}",
        ),
    }

    def judge(self, evidence: ShortTraining) -> Findings:
        """Try smaller learning rates."""
        if evidence.stuck and evidence.slower:
            (factor, after), key = evidence.slower, "peak" if evidence.peak else "smaller"
            yield self.finding(evidence, key, factor=factor, after=after, **evidence.course)

    right = RIGHT
    wrong = RIGHT.replace("lr=0.01", "lr=10")


class LearningRateLow(Kind):
    """A learning rate with which hardly anything changes, where a larger one learns."""

    name = "lr-low"
    about = ShortTraining, TrainingLoop
    title = "learning rate too low", "zu kleine Lernrate"
    look = LearningRateHigh.look
    says = {
        "tiny": (
            "a step changes no weight by more than {share:.0e} of its array's size: it would take "
            "{steps:.0e} steps to change one as much as its size",
            "ein Schritt ändert kein Gewicht um mehr als {share:.0e} der Größe seines Arrays: für "
            "eine Änderung um diese Größe wären {steps:.0e} Schritte nötig",
        ),
        "larger": (
            "in {steps} steps the loss of one batch goes from {start:.3g} to {end:.3g} only, with "
            "{factor} times the learning rate to {after:.2g}",
            "in {steps} Schritten geht der Verlust eines Batches nur von {start:.3g} auf "
            "{end:.3g}, mit {factor}-facher Lernrate auf {after:.2g}",
        ),
    }

    def judge(self, evidence: ShortTraining | TrainingLoop) -> Findings:
        """Try larger learning rates; a loss that falls slowly is no mistake."""
        if isinstance(evidence, TrainingLoop):
            pairs = [(a, b) for a, b in evidence.own_arrays() if np.any(a.before)]
            if any(is_scheduled(evidence.trace, a.value) for a, _ in pairs):
                return
            shares = [
                float(np.abs(b.after - b.before).max()) / root_mean_square(a.before)
                for a, b in pairs
            ]
            if shares and 0 < max(shares) < TINY:
                values = {"share": max(shares), "steps": 1 / max(shares)}
                yield self.finding(evidence, "tiny", at=pairs[0][1].at, **values)
            return
        if not evidence.stuck or evidence.slower or evidence.settled or evidence.without_decay:
            return
        trial = evidence.trial
        if evidence.faster and trial.end >= 0.9 * trial.losses[0]:
            (factor, after), steps = evidence.faster, len(trial.losses)
            values = {"factor": factor, "after": after, "steps": steps}
            yield self.finding(evidence, "larger", **values, **evidence.course)

    right = RIGHT
    wrong = RIGHT.replace("lr=0.01", "lr=1e-6")


class WeightDecay(Kind):
    """A weight decay with which the weights vanish, where the same training without it learns."""

    name = "weight-decay"
    about = ShortTraining
    title = "weight decay too large", "zu großer Weight Decay"
    look = (
        "weight_decay of the optimizer, usually 0 to 0.1",
        "weight_decay des Optimierers, üblich sind 0 bis 0.1",
    )
    says = {
        "vanish": (
            "in {steps} steps the weights shrink to {shrunk:.1%} of their size and the loss of one "
            "batch goes from {start:.3g} to {end:.3g}; without weight decay it goes to {after:.2g}",
            "in {steps} Schritten schrumpfen die Gewichte auf {shrunk:.1%} ihrer Größe, und der "
            "Verlust eines Batches geht von {start:.3g} auf {end:.3g}; ohne Weight Decay auf "
            "{after:.2g}",
        )
    }
    causes = frozenset({"overfit", "lr-high", "lr-low"})

    def judge(self, evidence: ShortTraining) -> Findings:
        """Train without weight decay where weights vanish."""
        if evidence.stuck and evidence.without_decay:
            trial, after = evidence.trial, evidence.without_decay.end
            values = {"steps": len(trial.losses), "shrunk": trial.shrunk, "after": after}
            yield self.finding(evidence, "vanish", **values, **evidence.course)

    right = RIGHT.replace("Adam(net.parameters(), lr=0.01)", "SGD(net.parameters(), lr=0.5)")
    wrong = right.replace("lr=0.5", "lr=0.5, weight_decay=1.0")


class Uphill(Kind):
    """An optimizer whose steps raise the loss, however small they are."""

    name = "uphill"
    about = ShortTraining
    title = "the optimizer goes uphill", "der Optimierer geht bergauf"
    look = (
        "the sign of the step: w -= lr * gradient goes downhill",
        "das Vorzeichen des Schritts: w -= lr * Gradient geht bergab",
    )
    says = {
        "rises": (
            "the optimizer goes uphill: the loss of one batch goes from {start:.3g} to {end:.3g}, "
            "and it also rises in each step with a thousandth of the learning rate",
            "der Optimierer geht bergauf: der Verlust eines Batches geht von {start:.3g} auf "
            "{end:.3g}, und auch mit einem Tausendstel der Lernrate steigt er in jedem Schritt",
        )
    }
    causes = frozenset({"overfit"})

    def judge(self, evidence: ShortTraining) -> Findings:
        """Look whether the loss rises in each of a few tiny steps."""
        if evidence.stuck and not evidence.slower and not evidence.faster and evidence.uphill:
            yield self.finding(evidence, "rises", **evidence.course)
