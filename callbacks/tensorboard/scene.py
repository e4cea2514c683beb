"""Scene: the state of a training that TensorBoard's panels draw."""

import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.module import Module
from firstlight.optim import Optimizer
from firstlight.support.array import Array
from firstlight.support.backend import to_host
from firstlight.tools.figures.classification import worst_mistakes
from firstlight.tools.figures.labels import as_labels, ignored_by
from firstlight.trainer import Trainer
from firstlight.training.means import as_probabilities

if TYPE_CHECKING:
    from firstlight.callbacks.tensorboard.writer import Writer

PROBE = 64  # samples of the first batch that panels look at in each epoch
WORST = 24  # mistakes kept


@dataclass
class Scene:
    """State of a training that the panels draw.

    Attributes
    ----------
    writer : Writer
    trainer : Trainer
    module : Module
    optimizer : Optimizer or None
        The optimizer that is about to step, before a step.
    x, y : array or None
        A few samples as the model sees them, always the same: of the validation data if there
        are some.
    target, probabilities : list of array
        Of the latest validation, batch by batch; empty where the model is no classifier.
    worst : list of array or None
        Images, targets and probabilities of the most confident mistakes.
    samples : list of tuple
        Batches (x, y) of the first validation.
    shown : set of str
        Names of the one-time panels that have been shown.
    """

    writer: "Writer"
    trainer: Trainer
    module: Module
    optimizer: Optimizer | None = None
    x: Array | None = None
    y: Array | None = None
    target: list[Array] = field(default_factory=list)
    probabilities: list[Array] = field(default_factory=list)
    worst: list[Array] | None = None
    samples: list[tuple[Array, Array]] = field(default_factory=list)
    shown: set[str] = field(default_factory=set)

    @property
    def step(self) -> int:
        """The step at which to write."""
        return self.trainer.step

    def first_time(self, name: str) -> bool:
        """Return whether this is the first call for ``name``."""
        first = name not in self.shown
        self.shown.add(name)
        return first

    def class_names(self, count: int) -> list[str]:
        """Return the names of the classes, or their numbers."""
        names = self.trainer.data.classes
        return list(map(str, names if names is not None else range(count)))

    def names_of(self, target: Array) -> list[str]:
        """Return the name of each label's class, "" where the loss ignores it."""
        ignored, target = ignored_by(self.module), as_labels("TensorBoard", target)
        names = self.class_names(int(target.max(initial=0)) + 1)
        return ["" if label == ignored else names[label] for label in target]

    def keep_probe(self, batch: Any) -> None:
        """Keep a few samples of the first batch."""
        if self.x is None:
            x, *rest = batch if isinstance(batch, tuple) else (batch,)
            if hasattr(x, "shape") and _takes_one(self.module.forward):
                self.x = x[:PROBE].copy()
                if len(rest) in (1, 2) and hasattr(rest[0], "shape"):
                    self.y = rest[0][:PROBE].copy()

    def forget_scores(self) -> None:
        """Clear the scores that `collect` has gathered."""
        self.target, self.probabilities, self.worst = [], [], None

    def collect(self, batch: Any, scores: Any) -> None:
        """Gather the scores of one batch of a validation, if the model is a classifier."""
        target = batch[1] if isinstance(batch, tuple) and len(batch) in (2, 3) else None
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
        found = [x, target, probabilities]
        if self.worst is not None:
            found = [np.concatenate(pair) for pair in zip(self.worst, found, strict=True)]
        worst = worst_mistakes(found[1], found[2], WORST)
        self.worst = [array[worst] for array in found]

    def keep(self, batch: Any, count: int) -> None:
        """Keep a batch of the first validation, up to ``count`` samples in all."""
        left = count - sum(len(x) for x, _ in self.samples)
        if left > 0 and isinstance(batch, tuple) and len(batch) in (2, 3):
            self.samples.append(tuple(array[:left].copy() for array in batch[:2]))


def _takes_one(forward):
    """Return whether a model's forward can be called with x alone."""
    try:
        inspect.signature(forward).bind(None)
    except TypeError:
        return False
    return True
