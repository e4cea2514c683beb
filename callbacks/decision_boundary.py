"""DecisionBoundary: draw how a classifier divides the plane, live and as an animation."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.callback import Callback
from firstlight.callbacks._shared.live_picture import LivePicture, in_notebook
from firstlight.callbacks._shared.run_figures import save_figure
from firstlight.callbacks.tensorboard.callback import writer_of
from firstlight.module import Module
from firstlight.support.arguments import parse_count
from firstlight.support.array import Array
from firstlight.support.backend import to_host
from firstlight.support.files import forgiving
from firstlight.trainer import Trainer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SAMPLES = 400  # that are drawn
SECONDS = 1.0  # between two live pictures


class DecisionBoundary(Callback):
    """Draw the regions of a classifier of two numbers after each epoch, and the training samples.

    The run folder gets ``plots/decision_boundary.png`` and the animation
    ``plots/decision_boundary.gif`` when the training ends. While it runs, the picture is drawn
    below a notebook's cell, and among TensorBoard's images if there is a `TensorBoard` callback, at
    most once a second. The animation of a resumed training begins where that was resumed.

    Parameters
    ----------
    every_n_epochs : int
    frames : int
        Pictures of the animation, and the last: of longer trainings those at even distances.
    resolution : int
        Points of the grid along each axis.

    Raises
    ------
    ValueError
        The inputs are not two numbers, or the labels are no classes.

    Examples
    --------
    >>> from firstlight.callbacks import DecisionBoundary
    >>> boundary = DecisionBoundary(every_n_epochs=2)
    """

    rank_zero_only = True
    watcher = True

    def __init__(self, every_n_epochs: int = 1, frames: int = 40, resolution: int = 100) -> None:
        who = "DecisionBoundary"
        self.every_n_epochs: int = parse_count(f"{who}: every_n_epochs", every_n_epochs)
        self.frames: int = parse_count(f"{who}: frames", frames)
        self.resolution: int = parse_count(f"{who}: resolution", resolution)
        self._samples: list[tuple[Array, Array]] = []
        self._grids: list[tuple[int, Array]] = []  # epoch, probabilities
        self._latest: tuple[int, Array] | None = None
        self._seen, self._every = 0, 1  # grids computed, and of how many one is kept
        self._axes: tuple[Array, Array] | None = None
        self._picture: LivePicture | None = None
        self._drawn = -SECONDS

    def on_fit_start(self) -> None:
        """Forget an earlier training."""
        self._samples, self._grids, self._axes, self._latest = [], [], None, None
        self._seen, self._every = 0, 1
        self._picture = LivePicture() if in_notebook() else None

    def on_train_batch_end(self, batch: Any) -> None:
        """Keep samples of the first batches."""
        kept = sum(len(y) for _, y in self._samples)
        if kept >= SAMPLES or self._axes is not None:
            return
        x, y = batch[:2] if isinstance(batch, tuple) and len(batch) in (2, 3) else (batch, None)
        shapes = getattr(x, "shape", None), getattr(y, "shape", None)
        if shapes != ((len(x), 2), (len(x),)) or y.dtype.kind not in "biu":
            raise ValueError(
                "DecisionBoundary: expected batches of inputs (N, 2) and class labels (N,), got "
                f"shapes {shapes[0]} and {shapes[1]}; it is for classifiers of two numbers"
            )
        room = SAMPLES - kept
        self._samples.append((to_host(x[:room]).copy(), to_host(y[:room]).copy()))

    def on_train_epoch_end(self, trainer: Trainer, module: Module) -> None:
        """Compute the regions, and show them in a notebook or TensorBoard."""
        if not self._samples or (trainer.epoch - 1) % self.every_n_epochs:
            return
        from firstlight.tools.figures import decision_grid

        x, _ = self._all_samples()
        *axes, probabilities = decision_grid(module, x, resolution=self.resolution)
        if not np.isfinite(probabilities).all():
            return  # the training has diverged; others say so
        self._axes = axes[0], axes[1]
        self._latest = trainer.epoch, probabilities.astype("float32")
        if self._seen % self._every == 0:
            self._grids.append(self._latest)
        self._seen += 1
        if len(self._grids) > 2 * self.frames:
            self._grids, self._every = self._grids[::2], 2 * self._every
        writer, now = writer_of(trainer), time.perf_counter()
        if (writer or self._picture) and now - self._drawn >= SECONDS:
            self._show(trainer, self._figure(trainer, *self._latest))
            self._drawn = now

    def on_fit_end(self, trainer: Trainer) -> None:
        """Save the last picture and the animation."""
        if self._latest is None:
            return
        figure = self._figure(trainer, *self._latest)
        self._show(trainer, figure)
        if trainer.run is None or save_figure(figure, trainer.run, "decision_boundary.png") is None:
            return
        from firstlight.tools.figures import animation

        path = Path(trainer.run.path) / "plots" / "decision_boundary.gif"
        with forgiving(path):
            animation((self._figure(trainer, *frame) for frame in self._frames()), path)

    def _frames(self) -> list[tuple[int, Array]]:
        """Return the grids of the animation: at even distances, and the latest."""
        count = len(self._grids)
        places = np.linspace(0, count - 1, min(count, self.frames)).round().astype(int)
        chosen = [self._grids[place] for place in places]
        return chosen if chosen[-1] is self._latest else [*chosen, self._latest]

    def _all_samples(self) -> tuple[Array, Array]:
        x, y = (np.concatenate(parts) for parts in zip(*self._samples, strict=True))
        return x, y

    def _figure(self, trainer: Trainer, epoch: int, probabilities: Array) -> "Figure":
        from firstlight.tools.figures import decision_boundary
        from firstlight.tools.language import say

        x, y = self._all_samples()
        names = trainer.data.classes or range(probabilities.shape[2])
        title = f"{say('epoch')} {epoch}"
        samples = x, y, list(map(str, names))
        return decision_boundary(*self._axes, probabilities, *samples, title=title)

    def _show(self, trainer: Trainer, figure: "Figure") -> None:
        from firstlight.tools.figures.canvas import as_bytes

        writer = writer_of(trainer)
        if writer is not None:
            writer.add_png("decision_boundary", as_bytes(figure, dpi=100), trainer.step)
        if self._picture is not None:
            self._picture.show(figure)
