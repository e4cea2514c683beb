"""Throughput: how fast a training is."""

import time

from firstlight.batches import sample_count
from firstlight.callback import Callback
from firstlight.hookspecs import hookimpl


class Throughput(Callback):
    """Log samples a second and milliseconds a step, and print both at the end.

    ``samples_per_second`` and ``ms_per_step`` are logged every ``log_every_n_steps`` steps, as
    means since the last time; the line at the end is of all steps since the start or restart.
    Loading data and other callbacks count, validations do not.

    Examples
    --------
    >>> from firstlight.callbacks import Throughput
    >>> from firstlight.testing import tiny_trainer
    >>> trainer = tiny_trainer([Throughput()])  # doctest: +ELLIPSIS
    throughput: ... samples/s, ... ms/step over 6 steps
    """

    def __init__(self):
        self._totals, self._logged = (0, 0, 0.0), (0, 0, 0.0)  # steps, samples, seconds
        self._batches = 0  # of the epoch, counted so far
        self._since = None  # when the clock was started; None while it stands still

    @hookimpl(trylast=True)
    def on_fit_start(self, trainer):
        """Start the clock, when all others are ready."""
        self._totals = self._logged = (0, 0, 0.0)
        self._batches, self._since = trainer.batches_done, time.perf_counter()

    def on_train_epoch_start(self):
        """Count the epoch's batches from 0."""
        self._batches = 0

    def on_train_batch_end(self, trainer, batch):
        """Count the step, and log if it is time."""
        batches = trainer.batches_done - self._batches  # several where gradients accumulate
        self._batches = trainer.batches_done
        self._add(1, batches * sample_count(batch))
        if trainer.step % trainer.log_every_n_steps == 0:
            since = [now - then for now, then in zip(self._totals, self._logged, strict=True)]
            trainer.log(_rates(*since))
            self._logged = self._totals

    def on_validation_start(self):
        """Stop the clock."""
        self._add()
        self._since = None

    def on_validation_end(self, trainer):
        """Start it again."""
        if trainer.status == "running":
            self._since = time.perf_counter()

    def on_fit_end(self):
        """Print the means of all steps."""
        self._add()
        self._since = None
        if self._totals[0]:
            rates = _rates(*self._totals)
            print(
                f"throughput: {rates['samples_per_second']:,.0f} samples/s, "
                f"{rates['ms_per_step']:.2f} ms/step over {self._totals[0]:,} steps"
            )

    def _add(self, steps=0, samples=0):
        """Add to the totals, and the time that has passed since this was last done."""
        now = time.perf_counter()
        seconds = 0.0 if self._since is None else now - self._since
        more = (steps, samples, seconds)
        self._totals = tuple(map(sum, zip(self._totals, more, strict=True)))
        if self._since is not None:
            self._since = now


def _rates(steps, samples, seconds):
    return {"samples_per_second": samples / seconds, "ms_per_step": 1000 * seconds / steps}
