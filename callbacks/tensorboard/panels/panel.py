"""Panel: the base of what TensorBoard shows, and Scene: what a panel gets to see."""

from dataclasses import dataclass, field

import numpy as np

from firstlight.support.backend import to_host
from firstlight.tools.figures.classification import as_labels, ignored_by, worst_mistakes
from firstlight.training.metrics import as_probabilities

PROBE = 64  # samples of the first batch that panels may look at again and again
WORST = 24  # mistakes kept


class Panel:
    """A part of what TensorBoard shows; override what it needs.

    Attributes
    ----------
    needs_scores : bool
        Have `Scene` collect what validations predict.
    needs_samples : int
        Validation samples to be kept.
    """

    needs_scores = False
    needs_samples = 0

    def before_step(self, scene):
        """Do something before the optimizer's last step of an epoch."""

    def epoch_end(self, scene):
        """Write what is to be seen of each epoch."""

    def end(self, scene):
        """Write what is to be seen of the trained model."""


@dataclass
class Scene:
    """What panels get to see.

    Attributes
    ----------
    events : EventsFile
    trainer, module
    x, y : array or None
        A few samples as the model sees them, always the same: of the validation data if there
        are some.
    target, probabilities : list of array
        Of the latest validation, batch by batch; empty where the model is no classifier.
    worst : tuple of array
        Images, targets and probabilities of the most confident mistakes.
    samples : list of tuple
        Batches (x, y) of the first validation.
    shown : set of str
        What is shown only once, and was.
    """

    events: object
    trainer: object
    module: object
    x: object = None
    y: object = None
    target: list = field(default_factory=list)
    probabilities: list = field(default_factory=list)
    worst: tuple | None = None
    samples: list = field(default_factory=list)
    shown: set = field(default_factory=set)

    @property
    def step(self):
        """The step at which to write."""
        return self.trainer.step

    def first_time(self, what):
        """Return whether this is asked for the first time."""
        first = what not in self.shown
        self.shown.add(what)
        return first

    def class_names(self, count):
        """Return the names of the classes, or their numbers."""
        names = self.trainer.classes
        return list(map(str, names if names is not None else range(count)))

    def names_of(self, target):
        """Return the name of each label's class, "" where the loss ignores it."""
        ignored, target = ignored_by(self.module), as_labels("TensorBoard", target)
        names = self.class_names(int(target.max(initial=0)) + 1)
        return ["" if label == ignored else names[label] for label in target]

    def see(self, batch):
        """Keep a few samples of the first batch that comes along."""
        if self.x is None:
            pair = batch if isinstance(batch, tuple) else (batch,)
            if hasattr(pair[0], "shape"):
                self.x, self.y = pair[0][:PROBE].copy(), None
                if len(pair) == 2 and hasattr(pair[1], "shape"):
                    self.y = pair[1][:PROBE].copy()

    def forget_scores(self):
        """Start collecting anew."""
        self.target, self.probabilities, self.worst = [], [], None

    def collect(self, batch, scores):
        """Take in what one batch of a validation gave; of classifiers only."""
        target = batch[1] if isinstance(batch, tuple) and len(batch) == 2 else None
        if getattr(scores, "ndim", 0) != 2 or getattr(target, "ndim", 0) != 1:
            return
        if target.dtype.kind not in "biu":
            return
        target = as_labels("TensorBoard", target)
        counts = target != ignored_by(self.module)  # (N,)
        if not counts.any():
            return
        x, target = to_host(batch[0])[counts], target[counts]
        probabilities = as_probabilities(to_host(scores)[counts])
        self.target.append(target)
        self.probabilities.append(probabilities)
        wrong = worst_mistakes(target, probabilities, WORST)
        found = x[wrong], target[wrong], probabilities[wrong]
        if self.worst is not None:
            found = [np.concatenate(pair) for pair in zip(self.worst, found, strict=True)]
            best = worst_mistakes(found[1], found[2], WORST)
            found = [array[best] for array in found]
        self.worst = tuple(found)

    def keep(self, batch, count):
        """Keep a batch of the first validation, up to so many samples of all together."""
        left = count - sum(len(x) for x, _ in self.samples)
        if left > 0 and isinstance(batch, tuple) and len(batch) == 2:
            self.samples.append(tuple(array[:left].copy() for array in batch))
