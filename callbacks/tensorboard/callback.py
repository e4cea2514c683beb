"""TensorBoard: write a training's records and panels for TensorBoard into its run folder."""

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import devnull
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firstlight.callback import Callback
from firstlight.callbacks.tensorboard import panels
from firstlight.callbacks.tensorboard.scene import Scene
from firstlight.hookspecs import hookimpl
from firstlight.module import Module, StepOutput
from firstlight.optim import Optimizer
from firstlight.runs.run import Run
from firstlight.support.arguments import parse_count
from firstlight.trainer import Trainer

if TYPE_CHECKING:
    from tensorboardX import SummaryWriter

    from firstlight.callbacks.tensorboard.writer import Writer

PANELS = {
    "graph": panels.ModelGraph,
    "histograms": panels.Parameters,
    "gradients": panels.Gradients,
    "activations": panels.Activations,
    "images": panels.Pictures,
    "pr_curves": panels.PRCurves,
    "embeddings": panels.Embeddings,
}


class TensorBoard(Callback):
    """Show the training in TensorBoard (``firstlight tensorboard``).

    Every logged value becomes a curve. Values of one kind share a group of charts, so that
    training and validation are shown side by side::

        train_loss       loss/train
        train_loss_step  loss/train_step
        val_loss         loss/val
        test_loss        loss/test        of `Trainer.test` after the training
        lr               lr               all other names stay as they are

    The settings of the run and how it ended go to the HPARAMS tab. The parameters switch on the
    rest; the time that each part takes is kept in ``summary.json`` as ``tensorboard_seconds``. A
    Trainer that keeps no run (``runs_dir=None``) writes nothing.

    Own figures, images, texts and audio go through `summary_writer`, or `Trainer.tensorboard`.

    Parameters
    ----------
    graph : bool
        The model's graph, once.
    histograms : bool
        The values of each parameter.
    gradients : bool
        The gradients of each parameter in an epoch's last step.
    activations : bool
        The output of each layer for the same few samples.
    images : bool
        Samples, filters of the first layer, mistakes, confusion matrix, calibration, attention,
        as far as they suit model and data.
    pr_curves : bool
        Precision against recall for each class of the validation data.
    embeddings : bool
        Inputs of the trained model's last layer for validation samples (PROJECTOR tab).
    every_n_epochs : int
        Epochs between two records of these; curves have every record.

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
    ) -> None:
        self.graph = graph
        self.histograms = histograms
        self.gradients = gradients
        self.activations = activations
        self.images = images
        self.pr_curves = pr_curves
        self.embeddings = embeddings
        self.every_n_epochs: int = parse_count("TensorBoard: every_n_epochs", every_n_epochs)
        self._panels = {name: kind() for name, kind in PANELS.items() if getattr(self, name)}
        self._needs_scores = any(panel.needs_scores for panel in self._panels.values())
        self._samples = 0
        self._folder: Path | None = None
        self._writer: Writer | None = None
        self._scene: Scene | None = None
        self._seconds = Counter()

    @property
    def summary_writer(self) -> "SummaryWriter":
        """TensorboardX's ``SummaryWriter`` on the latest run; without a run it writes nothing.

        After a training it opens a new events file, which is closed with the writer.
        """
        if self._folder is None:
            from tensorboardX import SummaryWriter

            return SummaryWriter(devnull, write_to_disk=False)
        return self._open()

    @hookimpl(tryfirst=True)  # other callbacks may write when a training starts
    def on_fit_start(self, trainer: Trainer, module: Module) -> None:
        """Open an events file in the run folder, and write the settings."""
        self._folder = self._writer = None
        if trainer.run is None:
            return
        self._folder = trainer.run.path
        self._open(purge_step=trainer.step + 1 if trainer.step else None)
        self._scene, self._seconds = Scene(self._writer, trainer, module), Counter()
        self._samples = max((p.needs_samples for p in self._panels.values()), default=0)
        config = json.loads((trainer.run.path / "config.json").read_text(encoding="utf-8"))
        if isinstance(config.get("callbacks"), dict):
            config["callbacks"].pop("tensorboard", None)  # it does not change results
        if isinstance(config.get("facts"), dict):
            config["facts"].pop("structure", None)  # too long for a table
        self._writer.add_settings(config)

    def on_log(self, record: Mapping[str, Any]) -> None:
        """Write all values of a record."""
        if self._scene is not None:
            with self._timed("curves"):
                self._writer.add_record(record)

    def on_before_optimizer_step(self, trainer: Trainer, optimizer: Optimizer) -> None:
        """Let the panels write before an epoch's last step."""
        if (
            self._scene is not None
            and trainer.progress.batches_done == trainer.epoch_batches
            and self._due(trainer)
        ):
            if trainer.val_loader is None:
                self._scene.keep_probe(trainer.progress.batch)
            self._scene.optimizer = optimizer
            self._show("before_step")

    def on_validation_start(self, stage: str) -> None:
        """Clear the scores of the validation before."""
        if self._scene is not None and stage == "val":
            self._scene.forget_scores()
            if self._scene.samples:
                self._samples = 0  # those of the first validation are enough

    def on_validation_batch_end(
        self, trainer: Trainer, output: StepOutput, batch: Any, stage: str
    ) -> None:
        """Gather scores and samples for the panels."""
        if self._scene is None or stage != "val" or not self._panels:
            return
        with self._timed("collecting"):
            self._scene.keep_probe(batch)
            if self._samples:
                self._scene.keep(batch, self._samples)
            if self._needs_scores and self._due(trainer):
                self._scene.collect(batch, output.prediction)

    def on_train_epoch_end(self, trainer: Trainer) -> None:
        """Let the panels write at the end of an epoch."""
        if self._scene is not None and self._due(trainer):
            self._show("epoch_end")

    @hookimpl(trylast=True)  # other callbacks write their results first
    def on_validation_end(self, trainer: Trainer, stage: str, metrics: Mapping[str, float]) -> None:
        """Add the results of a test to the latest run, in an events file of their own."""
        if stage == "test" and self._scene is None and trainer.run is not None:
            self._writer_on(trainer.run).add_record({"step": trainer.step, **metrics})
            self._close()

    @hookimpl(trylast=True)
    def on_fit_end(self, trainer: Trainer) -> None:
        """Write how the training ended, and close the file."""
        if self._scene is None:
            return
        try:
            if trainer.status == "finished":
                self._show("end")
        finally:
            self._scene = None
            self._writer.add_end(trainer.status)
            self._close()
            if trainer.run is not None:  # else another process has taken it over
                trainer.run.summary["tensorboard_seconds"] = {
                    name: round(seconds, 4) for name, seconds in self._seconds.items()
                }

    def _open(self, purge_step: int | None = None) -> "Writer":
        if self._writer is None:
            from firstlight.callbacks.tensorboard.writer import Writer

            self._writer = Writer(self._folder, purge_step)
        return self._writer

    def _writer_on(self, run: Run) -> "Writer":
        if self._folder != run.path:  # the latest run was another trainer's
            self._folder, self._writer = run.path, None
        return self._open()

    def _close(self) -> None:
        self._writer.close()
        self._writer = None

    def _due(self, trainer: Trainer) -> bool:
        return (trainer.epoch - 1) % self.every_n_epochs == 0

    def _show(self, moment: str) -> None:
        """Call a method of all panels."""
        for name, panel in self._panels.items():
            with self._timed(name):
                getattr(panel, moment)(self._scene)

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self._seconds[name] += time.perf_counter() - start


def writer_of(trainer: Trainer) -> "Writer | None":
    """Return the writer of a trainer's `TensorBoard` callback; None without one, or a run."""
    found = next((c for c in trainer.callbacks if isinstance(c, TensorBoard)), None)
    return None if found is None or trainer.run is None else found._writer_on(trainer.run)
