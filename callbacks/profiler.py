"""Profiler: measure time, memory and speed of each layer in some steps of a training."""

import json
from typing import Any

from firstlight.callback import Callback
from firstlight.callbacks.tensorboard.callback import writer_of
from firstlight.module import Module
from firstlight.support.arguments import parse_count
from firstlight.support.files import forgiving, write_atomically
from firstlight.support.printable import tell
from firstlight.tools.profile import Profile, Session, chrome_trace, product_speed
from firstlight.trainer import Trainer


class Profiler(Callback):
    """Measure what each layer, the optimizer, the data and the callbacks cost in a step.

    After the warm-up, profiled steps alternate with steps without the profiler, and one further
    step measures the memory; then the profiler is removed. The table is printed when the training
    ends. The run's folder gets it as ``profile.txt``, and the measured steps as ``profile.json``, a
    trace for https://ui.perfetto.dev. The training's bytes stay the same.

    Time is charged to the innermost layer. A layer whose parts a faster form computes at once, such
    as `FeedForward`, is one row. On a GPU the times are those of CUDA events, and the profiled
    steps are not captured as graphs.

    Parameters
    ----------
    warm_up : int
        Steps before the measurement.
    steps : int
        Profiled steps. The training needs twice as many, the warm-up, and three more.

    Attributes
    ----------
    profile : firstlight.tools.profile.Profile or None
        The result, after the measurement.
    trace : dict or None
        The content of ``profile.json``.
    prints : bool
        Whether the table is printed; False in the command ``profile``.

    Raises
    ------
    ValueError
        A number of steps below 1, or a negative warm-up.

    Examples
    --------
    >>> from firstlight.callbacks import Profiler
    >>> from firstlight.testing import tiny_trainer
    >>> profiler = Profiler(warm_up=1, steps=1)
    >>> trainer = tiny_trainer([profiler])  # doctest: +ELLIPSIS
    layer ...
    >>> [layer.type for layer in profiler.profile.layers]
    ['TinyNet', 'Sequential', 'Linear', 'ReLU', 'Dropout', 'Linear', 'CrossEntropyLoss']
    """

    rank_zero_only = True
    watcher = True

    def __init__(self, warm_up: int = 10, steps: int = 30) -> None:
        self.warm_up: int = parse_count("Profiler: warm_up", warm_up, 0)
        self.steps: int = parse_count("Profiler: steps", steps)
        self.profile: Profile | None = None
        self.trace: dict[str, Any] | None = None
        self.prints: bool = True
        self._session, self._speed = None, 0.0

    def setup(self, trainer: Trainer, module: Module, stage: str) -> None:
        """Measure the machine's product speed, with all threads that BLAS has."""
        if stage == "fit":
            self._speed = product_speed(trainer.device, trainer.dtype)

    def on_fit_start(self, trainer: Trainer, module: Module) -> None:
        """Prepare the measurement."""
        self.profile = self.trace = None
        self._session = Session(
            trainer,
            warm_up=self.warm_up,
            steps=self.steps,
            done=lambda: self._keep(trainer),
        )

    def on_validation_start(self) -> None:
        """Leave out a step within which a validation runs."""
        if self._session is not None:
            self._session.spoil()

    def on_fit_end(self, trainer: Trainer, module: Module) -> None:
        """Remove the profiler, and print the table."""
        if self._session is None:
            return
        self._session.detach()
        if self.profile is None:  # the training was too short for all steps
            self._keep(trainer)
        if self.profile is None:
            tell(
                f"profiler: no step was measured in {trainer.step} steps; a measurement takes "
                f"{self._session.length + 1} of them, so train longer, or lower warm_up and steps"
            )
        elif self.prints:
            tell(str(self.profile))
        self._session = None

    def _keep(self, trainer: Trainer) -> None:
        """Make the profile, and write it into the run."""
        speed = max(self._speed, product_speed(trainer.device, trainer.dtype))  # two tries
        self.profile = self._session.profile(speed)
        if self.profile is None:
            return
        self.trace = chrome_trace(self.profile, self._session.steps)
        if trainer.run is None:
            return
        files = {"profile.json": json.dumps(self.trace), "profile.txt": f"{self.profile}\n"}
        for name, text in files.items():
            with forgiving(trainer.run.path / name):
                write_atomically(trainer.run.path / name, text)
        writer = writer_of(trainer)
        if writer is not None:
            writer.add_plain_text("profile", str(self.profile), trainer.step)
