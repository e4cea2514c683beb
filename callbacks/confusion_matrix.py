"""ConfusionMatrix: draw which classes a validation confuses."""

from typing import Any

import numpy as np

from firstlight.callback import Callback
from firstlight.callbacks._shared.run_figures import save_figure
from firstlight.callbacks.tensorboard.callback import writer_of
from firstlight.module import Module
from firstlight.support.backend import to_host
from firstlight.support.step_output import StepOutput
from firstlight.trainer import Trainer


class ConfusionMatrix(Callback):
    """Draw the confusion matrix of the latest validation when the training ends.

    It is saved as ``plots/confusion_matrix_val.png`` in the run folder, and among TensorBoard's
    images if there is a `TensorBoard` callback; that of `Trainer.test` is saved as
    ``confusion_matrix_test.png``. It counts the predictions of the validation, so nothing is
    computed twice; labels that the loss ignores are left out. Without a run nothing is drawn.

    Parameters
    ----------
    classes : list of str, optional
        Names of the classes; 0, 1, ... by default.

    Raises
    ------
    ValueError
        The model does not predict scores (N, C) for labels (N,), or there are not C names.

    Examples
    --------
    >>> from firstlight.callbacks import ConfusionMatrix
    >>> from firstlight.testing import tiny_trainer
    >>> trainer = tiny_trainer([ConfusionMatrix(["no", "yes"])])
    """

    watcher = True

    def __init__(self, classes: list[str] | None = None) -> None:
        self.classes = classes
        self._counts = None

    def on_fit_start(self) -> None:
        """Clear the counts of an earlier training."""
        self._counts = None

    def on_validation_start(self) -> None:
        """Count from zero."""
        self._counts = None

    def on_validation_batch_end(self, module: Module, output: StepOutput, batch: Any) -> None:
        """Count each pair of label and prediction."""
        scores = output.prediction
        target = batch[1] if isinstance(batch, tuple) and len(batch) in (2, 3) else None
        if getattr(scores, "ndim", 0) != 2 or getattr(target, "ndim", 0) != 1:
            raise ValueError(
                "ConfusionMatrix: expected predictions (N, C) for labels (N,), got shapes "
                f"{getattr(scores, 'shape', None)} and {getattr(target, 'shape', None)}; it is "
                "for classifiers"
            )
        classes = scores.shape[1]
        if self.classes is not None and len(self.classes) != classes:
            raise ValueError(
                f"ConfusionMatrix: expected {classes} names in classes, as the model gives "
                f"{classes} scores, got {len(self.classes)}"
            )
        from firstlight.tools.figures import confusion_counts
        from firstlight.tools.figures.labels import ignored_by

        predicted = to_host(scores.argmax(axis=1))
        counts = confusion_counts(target, predicted, classes, ignore_index=ignored_by(module))
        self._counts = counts if self._counts is None else self._counts + counts

    def on_validation_end(self, trainer: Trainer, stage: str) -> None:
        """Add up the counts of all ranks, and draw those of a test."""
        counts = [c for c in trainer.communicator.gather(self._counts) if c is not None]
        self._counts = sum(counts) if counts else None
        if stage == "test":
            self._draw(trainer, stage)

    def on_fit_end(self, trainer: Trainer) -> None:
        """Draw the counts of the latest validation."""
        self._draw(trainer, "val")

    def _draw(self, trainer: Trainer, stage: str) -> None:
        if self._counts is None or trainer.run is None:
            return
        from firstlight.tools.figures import confusion_matrix

        names = self.classes or [str(k) for k in range(len(self._counts))]
        figure = confusion_matrix(np.asarray(self._counts), names)
        path = save_figure(figure, trainer.run, f"confusion_matrix_{stage}.png")
        writer = writer_of(trainer)
        if path is not None and writer is not None:
            writer.add_png(f"confusion_matrix/{stage}", path.read_bytes(), trainer.step)
