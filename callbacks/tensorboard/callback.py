"""TensorBoard: writes what is logged into the run folder, as TensorBoard reads it."""

import json
import time
from collections import Counter
from contextlib import contextmanager

from firstlight.callback import Callback
from firstlight.callbacks.tensorboard import panels
from firstlight.callbacks.tensorboard.events import EventsFile, flatten
from firstlight.callbacks.tensorboard.panels.panel import Scene
from firstlight.support.arguments import parse_count


class TensorBoard(Callback):
    """Show the training in TensorBoard (``firstlight tensorboard``).

    Every logged value becomes a curve. Values of one kind share a group of charts, so that
    training and validation stand side by side::

        train_loss       loss/train
        train_loss_step  loss/train_step
        val_loss         loss/val
        test_loss        loss/test        of `Trainer.test` after the training
        lr               lr               all other names stay as they are

    The settings of the run and how it ended go to the HPARAMS tab. All else is switched on and
    off below; what each part has cost is kept in ``summary.json`` as ``tensorboard_seconds``. A
    Trainer that keeps no run (``runs_dir=None``) writes nothing.

    Parameters
    ----------
    graph : bool
        The model's graph, once.
    histograms : bool
        The values of each parameter.
    gradients : bool
        The gradients of each parameter, from which an epoch's last step was made.
    activations : bool
        What each layer gives for the same few samples.
    images : bool
        Samples, filters of the first layer, mistakes, confusion matrix, attention: what there is.
    pr_curves : bool
        Precision against recall for each class of the validation data.
    embeddings : bool
        Validation samples where the trained model's last layer finds them (PROJECTOR tab).
    every_n_epochs : int
        Epochs between two of them; curves are always whole.

    Examples
    --------
    >>> from firstlight.callbacks import TensorBoard
    >>> tensorboard = TensorBoard(histograms=True, images=True)
    """

    rank_zero_only = True
    watcher = True

    def __init__(
        self,
        graph: bool = True,
        histograms: bool = False,
        gradients: bool = False,
        activations: bool = False,
        images: bool = False,
        pr_curves: bool = False,
        embeddings: bool = False,
        every_n_epochs: int = 1,
    ):
        self.graph, self.histograms, self.gradients = graph, histograms, gradients
        self.activations, self.images, self.pr_curves = activations, images, pr_curves
        self.embeddings = embeddings
        self.every_n_epochs = parse_count("TensorBoard: every_n_epochs", every_n_epochs)
        wanted = {
            "graph": panels.ModelGraph,
            "histograms": panels.Parameters,
            "gradients": panels.Gradients,
            "activations": panels.Activations,
            "images": panels.Pictures,
            "pr_curves": panels.PRCurves,
            "embeddings": panels.Embeddings,
        }
        self._panels = {name: kind() for name, kind in wanted.items() if getattr(self, name)}
        self._needs_scores = any(panel.needs_scores for panel in self._panels.values())
        self._samples = 0
        self._events = self._scene = None
        self._seconds = Counter()

    def on_fit_start(self, trainer, module):
        """Open an events file in the run folder, and write the settings."""
        if trainer.run is not None:
            self._events = EventsFile(trainer.run.path)
            self._scene, self._seconds = Scene(self._events, trainer, module), Counter()
            self._samples = max((p.needs_samples for p in self._panels.values()), default=0)
            if trainer.step:
                self._events.go_on_after(trainer.step)
            config = json.loads((trainer.run.path / "config.json").read_text(encoding="utf-8"))
            if isinstance(config.get("callbacks"), dict):
                config["callbacks"].pop("tensorboard", None)  # how one watches changes no result
            self._events.session_start(flatten(config))

    def on_log(self, record):
        """Write all values of a record."""
        if self._events is not None:
            with self._on_account("curves"):
                self._events.scalars(record)

    def on_before_optimizer_step(self, trainer):
        """Write what is to be seen of an epoch's last step."""
        if (
            self._scene is not None
            and trainer.batches_done == trainer.epoch_batches
            and self._due(trainer)
        ):
            if trainer.val_loader is None:
                self._scene.see(trainer.batch)
            self._show("before_step")

    def on_validation_start(self, stage):
        """Collect anew."""
        if self._scene is not None and stage == "val":
            self._scene.forget_scores()
            if self._scene.samples:
                self._samples = 0  # those of the first validation are enough

    def on_validation_batch_end(self, trainer, output, batch, stage):
        """Collect what panels need."""
        if self._scene is None or stage != "val" or not self._panels:
            return
        with self._on_account("collecting"):
            self._scene.see(batch)
            if self._samples:
                self._scene.keep(batch, self._samples)
            if self._needs_scores and self._due(trainer):
                self._scene.collect(batch, output.prediction)

    def on_train_epoch_end(self, trainer):
        """Write what is to be seen of an epoch."""
        if self._scene is not None and self._due(trainer):
            self._show("epoch_end")

    def on_validation_end(self, trainer, stage, metrics):
        """Add the results of a test to the latest run, in an events file of their own."""
        if stage == "test" and self._events is None and trainer.run is not None:
            events = EventsFile(trainer.run.path)
            events.scalars({"step": trainer.step, **metrics})
            events.close()

    def on_fit_end(self, trainer):
        """Write how the training ended, and close the file."""
        if self._events is not None:
            if trainer.status == "finished":
                self._show("end")
            events, self._events, self._scene = self._events, None, None
            events.session_end(trainer.status)
            events.close()
            if trainer.run is not None:  # else another process has taken it over
                trainer.run.summary["tensorboard_seconds"] = {
                    name: round(seconds, 4) for name, seconds in self._seconds.items()
                }

    def _due(self, trainer):
        return (trainer.epoch - 1) % self.every_n_epochs == 0

    def _show(self, moment):
        """Have all panels do what they do at a moment."""
        for name, panel in self._panels.items():
            with self._on_account(name):
                getattr(panel, moment)(self._scene)

    @contextmanager
    def _on_account(self, name):
        start = time.perf_counter()
        yield
        self._seconds[name] += time.perf_counter() - start
