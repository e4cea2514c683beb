"""ProgressBar: shows how a training gets on, on a terminal and in a log file."""

import os
import sys
import time

from firstlight.callback import Callback
from firstlight.callbacks.epoch_table import EpochTable, duration, value_text
from firstlight.callbacks.monitor import Monitor

SMOOTHING = 0.7  # what stays of the shown loss at each redraw


class ProgressBar(Callback):
    """Show the epoch under way as a bar, and each finished epoch as a line of a table.

    On a terminal the bar is redrawn a few times a second; elsewhere (log files, batch jobs, CI)
    there is a plain line for each epoch, and one now and then in between. An asterisk marks
    every epoch that was the best so far. Losses beside the bar are those of single batches,
    smoothed; those in the table are means over the epoch.

    Parameters
    ----------
    refresh_per_second : float
        How often to redraw the bar at most.
    seconds_between_lines : float
        Without a terminal: how often to print a line during an epoch.

    Raises
    ------
    ValueError
        One of them is not positive.
    """

    def __init__(self, refresh_per_second: float = 10.0, seconds_between_lines: float = 30.0):
        if not (refresh_per_second > 0 and seconds_between_lines > 0):
            raise ValueError(
                "ProgressBar: expected refresh_per_second and seconds_between_lines above 0, "
                f"got {refresh_per_second} and {seconds_between_lines}"
            )
        self.refresh_per_second = refresh_per_second
        self.seconds_between_lines = seconds_between_lines
        self._display = None
        self._forget()

    def on_fit_start(self, trainer):
        """Open the display."""
        self._forget()
        self._first_step = trainer.step
        if is_terminal(sys.stdout):
            from firstlight.callbacks.live_display import LiveDisplay

            self._display = LiveDisplay()
            self._interval = 1 / self.refresh_per_second
        else:
            self._display = PlainDisplay()
            self._interval = self.seconds_between_lines

    def on_train_epoch_start(self, trainer):
        """Start an epoch's clock; a terminal shows the new epoch at once."""
        self._epoch_started = time.perf_counter()
        self._epoch_first_step = trainer.step
        self._record = {}

    def on_train_batch_end(self, trainer, output):
        """Redraw, if it is time to."""
        if time.perf_counter() >= self._next_draw:
            self._smooth(output)
            self._draw(trainer, trainer.batch_idx + 1, trainer.epoch_batches, "")

    def on_validation_batch_end(self, trainer, batch_idx, stage):
        """Redraw, if it is time to."""
        if self._display is not None and time.perf_counter() >= self._next_draw:
            self._draw(trainer, batch_idx + 1, None, stage)

    def on_log(self, record):
        """Collect what was logged in this epoch."""
        self._monitor.update(record)
        self._record |= record

    def on_train_epoch_end(self, trainer):
        """Print the epoch's line."""
        if self._display is None:
            return
        best = self._monitor.step == trainer.step
        self._table.expect_validation(trainer.val_loader is not None)
        seconds = time.perf_counter() - self._epoch_started
        self._display.epoch(self._table, self._record | {"seconds": seconds}, trainer, best)
        self._next_draw = time.perf_counter() + self._interval

    def on_exception(self, exception):
        """Remember what went wrong."""
        self._failure = type(exception).__name__

    def on_fit_end(self, trainer):
        """Close the display and say how the training ended."""
        if self._display is not None:
            display, self._display = self._display, None
            display.close()
            display.line(self._ending(trainer))

    def _forget(self):
        self._table, self._monitor, self._record = EpochTable(), Monitor(), {}
        self._smoothed, self._failure = {}, None
        self._next_draw = self._epoch_started = 0.0
        self._first_step = self._epoch_first_step = 0
