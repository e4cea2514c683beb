"""ProgressBar: show the progress of a training, on a terminal, in a notebook or in a log file."""

import time
from collections.abc import Iterator
from typing import Any

from firstlight.callback import Callback
from firstlight.callbacks._shared.monitor import Monitor
from firstlight.callbacks._shared.progress_display import (
    EpochTable,
    duration,
    in_order,
    open_display,
    value_text,
)
from firstlight.trainer import Trainer

ALL_ROWS = 100  # epochs with a row each; later epochs have at most one row a second


class ProgressBar(Callback):
    """Show the epoch under way as a bar, and each finished epoch as a row of a table.

    On a terminal and in a notebook the bar is redrawn a few times a second. Elsewhere (log files,
    batch jobs, CI) each epoch has a plain line, and long epochs have more. An asterisk marks every
    epoch that was the best so far. Values beside the bar are means over the epoch so far (over this
    rank's samples); those in the table are means over the whole epoch.

    Parameters
    ----------
    refresh_per_second : float
        Highest rate of redrawing the bar.
    seconds_between_lines : float
        Without a bar: seconds between two lines during an epoch.

    Raises
    ------
    ValueError
        One of them is not positive.

    Examples
    --------
    >>> from firstlight.callbacks import ProgressBar
    >>> progress = ProgressBar(refresh_per_second=2)
    """

    rank_zero_only = True
    watcher = True

    def __init__(
        self, refresh_per_second: float = 10.0, seconds_between_lines: float = 30.0
    ) -> None:
        if not (refresh_per_second > 0 and seconds_between_lines > 0):
            raise ValueError(
                "ProgressBar: expected refresh_per_second and seconds_between_lines above 0, "
                f"got {refresh_per_second} and {seconds_between_lines}"
            )
        self.refresh_per_second = refresh_per_second
        self.seconds_between_lines = seconds_between_lines
        self._display = None
        self._forget()

    def on_fit_start(self, trainer: Trainer) -> None:
        """Open the display."""
        self._forget()
        self._table.validates = trainer.val_loader is not None
        for record in trainer.history.records:  # of a resumed training
            self._monitor.update(record)
        self._display = open_display()
        for line in trainer.data.lines:
            self._display.line(line)
        if trainer.run is not None:
            self._display.line(f"run: {trainer.run.shown}")
        per_second, between = self.refresh_per_second, self.seconds_between_lines
        self._interval = 1 / per_second if self._display.live else between
        self._next_draw = 0.0 if self._display.live else time.perf_counter() + between
        self._epoch_first_step = trainer.step
        self._epoch_started = time.perf_counter()  # a resumed epoch has no start of its own

    def on_train_epoch_start(self, trainer: Trainer) -> None:
        """Start measuring the epoch."""
        self._values = {}
        self._epoch_started = time.perf_counter()
        self._epoch_first_step = trainer.step

    def on_train_batch_end(self, trainer: Trainer) -> None:
        """Redraw if the bar is due; only then are values copied from the device."""
        if self._pace_from is None:
            self._pace_from = trainer.step, trainer.elapsed
        if time.perf_counter() >= self._next_draw:
            self._draw(trainer, trainer.progress.batch_idx + 1)

    def on_validation_batch_end(self, trainer: Trainer, batch_idx: int) -> None:
        """Redraw if the bar is due."""
        if self._display is not None and time.perf_counter() >= self._next_draw:
            self._draw(
                trainer, trainer.progress.batch_idx + 1, f"validating, batch {batch_idx + 1}"
            )

    def on_log(self, record: dict[str, Any]) -> None:
        """Keep the latest values of this epoch."""
        self._monitor.update(record)
        self._values |= record

    def on_train_epoch_end(self, trainer: Trainer) -> None:
        """Print the epoch's row."""
        now = time.perf_counter()
        values = {**self._values, "epoch": epoch_number(trainer), "step": trainer.step}
        values["seconds"] = values.pop("epoch_seconds")
        self._row = {name: values[name] for name in in_order(values)}
        if trainer.epoch <= ALL_ROWS or now >= self._next_row:
            self._print_row(trainer)
            self._next_row = now + 1

    def on_exception(self, exception: BaseException) -> None:
        """Keep the exception for the last line."""
        self._failure = exception

    def on_fit_end(self, trainer: Trainer) -> None:
        """Close the display, and print how the training ended and how long it took."""
        if self._display is None:
            return
        self._print_row(trainer)
        display, self._display = self._display, None
        display.close()
        for line in self._ending(trainer):
            display.line(line)

    def _forget(self) -> None:
        self._table, self._monitor = EpochTable(), Monitor()
        self._values, self._row, self._failure = {}, None, None
        self._next_draw = self._next_row = self._epoch_started = 0.0
        self._epoch_first_step = 0
        self._pace_from = None  # step and time after the first step, which is slow

    def _draw(self, trainer: Trainer, done: int, doing: str = "") -> None:
        now = time.perf_counter()
        rate = (trainer.step - self._epoch_first_step) / (now - self._epoch_started)
        total = trainer.epoch_batches
        texts = [f"{done:>{len(str(total))}}/{total}"]
        means = trainer.progress.means.so_far()
        texts += [f"{name} {value_text(name, value)}" for name, value in means.items()]
        texts += [f"{rate:.0f} it/s" if rate >= 10 else f"{rate:.2g} it/s"]
        texts += [text for text in (doing or self._time_left(trainer),) if text]
        self._display.draw(epoch_number(trainer), done, total, texts)
        self._next_draw = now + self._interval

    def _time_left(self, trainer: Trainer) -> str:
        left = []
        step, seconds = self._pace_from
        if trainer.total_steps is not None and trainer.step > step:
            pace = (trainer.elapsed - seconds) / (trainer.step - step)  # validations included
            left.append(pace * (trainer.total_steps - trainer.step))
        if trainer.max_time is not None:
            left.append(trainer.max_time - trainer.elapsed)
        return f"{duration(max(0, min(left)))} left" if left else ""

    def _print_row(self, trainer: Trainer) -> None:
        if self._row is not None:
            self._display.epoch(self._table, self._row, self._monitor.epoch == trainer.epoch)
            self._row = None

    def _ending(self, trainer: Trainer) -> Iterator[str]:
        best, how = self._monitor, trainer.status
        if how == "finished" and trainer.stop_reason:
            yield f"stopped early: {trainer.stop_reason.removeprefix('early stopping: ')}"
            how = "stopped"
        if self._failure is not None:
            how += f" ({type(self._failure).__name__})"
        yield (
            f"{how} after {trainer.epoch} epoch{'s' * (trainer.epoch != 1)}, "
            f"{trainer.step} step{'s' * (trainer.step != 1)}, {duration(trainer.elapsed)}"
            + (
                ""
                if best.best is None
                else f"; best {best.followed} {best.best:.4g} in epoch {best.epoch}"
            )
        )


def epoch_number(trainer: Trainer) -> str:
    """Return e.g. " 3/10", or "3" where the number of epochs is not limited."""
    total = trainer.max_epochs
    return f"{trainer.epoch:>{len(str(total))}}/{total}" if total else str(trainer.epoch)
