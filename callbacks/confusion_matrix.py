"""ConfusionMatrix: which classes the validation took for which, as a picture."""

import numpy as np

from firstlight.callback import Callback
from firstlight.callbacks.tensorboard.callback import writer_of
from firstlight.support.backend import to_host
from firstlight.support.files import forgiving


class ConfusionMatrix(Callback):
    """Draw the confusion matrix of the latest validation when the training ends.

    It goes to ``plots/confusion_matrix_val.png`` in the run folder, and to TensorBoard's images
    if there is a `TensorBoard` callback; that of a `Trainer.test` afterwards to
    ``confusion_matrix_test.png``. Nothing is computed twice: it counts what validations predict
    anyway, but for labels that the loss ignores. A Trainer that keeps no run draws nothing.

    Parameters
    ----------
    classes : list of str, optional
        Names of the classes; 0, 1, ... by default.

    Raises
    ------
    ValueError
        The model predicts something else than scores (N, C) for labels (N,), or there are not
        as many names.

    Examples
    --------
    >>> from firstlight.callbacks import ConfusionMatrix
    >>> from firstlight.testing import tiny_trainer
    >>> trainer = tiny_trainer([ConfusionMatrix(["no", "yes"])])
    """

    watcher = True

    def __init__(self, classes: list[str] | None = None):
        self.classes = classes
        self._counts = None

    def on_fit_start(self):
        """Forget an earlier training."""
        self._counts = None

    def on_validation_start(self):
        """Count from zero."""
        self._counts = None

    def on_validation_batch_end(self, module, output, batch):
        """Count what was taken for what."""
        scores = output.prediction
        target = batch[1] if isinstance(batch, tuple) and len(batch) == 2 else None
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
        from firstlight.tools.figures.classification import ignored_by

        predicted = to_host(scores.argmax(axis=1))
        counts = confusion_counts(target, predicted, classes, ignore_index=ignored_by(module))
        self._counts = counts if self._counts is None else self._counts + counts

    def on_validation_end(self, trainer, stage):
        """Add up what several ranks counted, and draw that of a test at once."""
        counts = [c for c in trainer.communicator.gather(self._counts) if c is not None]
        self._counts = sum(counts) if counts else None
        if stage == "test":
            self._draw(trainer, stage)

    def on_fit_end(self, trainer):
        """Draw that of the latest validation."""
        self._draw(trainer, "val")

    def _draw(self, trainer, stage):
        if self._counts is None or trainer.run is None:
            return
        from firstlight.tools.figures import confusion_matrix, save

        names = self.classes or [str(k) for k in range(len(self._counts))]
        path = trainer.run.path / "plots" / f"confusion_matrix_{stage}.png"
        with forgiving(path) as problems:
            path.parent.mkdir(exist_ok=True)
            save(confusion_matrix(np.asarray(self._counts), names), path)
        if problems:
            return
        writer = writer_of(trainer)
        if writer is not None:
            writer.add_png(f"confusion_matrix/{stage}", path.read_bytes(), trainer.step)
