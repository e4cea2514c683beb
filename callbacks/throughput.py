"""Throughput: measure how fast a training is, and where its time goes."""

import functools
import time
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

from firstlight.callback import Callback
from firstlight.callbacks.tensorboard.callback import writer_of
from firstlight.distributed.sharding import whole_of
from firstlight.hookspecs import hookimpl
from firstlight.module import Module
from firstlight.support.printable import tell
from firstlight.trainer import Trainer
from firstlight.training.hook_manager import HOOKS, display_name

REST = "data"  # loading batches, and the loop itself
OWN = (REST, "forward", "backward", "optimizer", "validation")  # all other parts are callbacks
MUCH = 0.05  # share of the time above which a callback causes a warning


class Throughput(Callback):
    """Log samples per second and milliseconds per step; at the end, print the shares of the time.

    ``samples_per_second`` and ``ms_per_step`` are logged every ``log_every_n_steps`` steps, as
    means since the last record, without validations. At the end the share of each part is printed
    and kept in ``summary.json`` as ``time_shares``: data (batches and the loop), forward (with the
    loss), backward, optimizer, validation, and every callback by name. A `TensorBoard` callback
    shows the whole table as a text. If a training takes 1 s or more, a callback that takes more
    than 5 % of it causes a warning.

    Examples
    --------
    >>> from firstlight.callbacks import Throughput
    >>> from firstlight.testing import tiny_trainer
    >>> trainer = tiny_trainer([Throughput()])  # doctest: +ELLIPSIS
    throughput: ... samples/s, ... ms/step over 6 steps
    time: ...forward ... %...
    """

    rank_zero_only = True
    watcher = True

    def __init__(self) -> None:
        self._watch = None
        self._forget()

    @hookimpl(trylast=True)
    def on_fit_start(self, trainer: Trainer, module: Module) -> None:
        """Start the clocks after all other callbacks have started."""
        self._forget()
        self._watch = Stopwatch(REST)
        timed = self._watch.timed
        # A subclass and not an attribute: a deep copy made meanwhile must call its own method.
        kind = type(module)
        step = timed("forward", kind.training_step)
        module.__class__ = type(kind.__name__, (kind,), {"training_step": step})
        trainer.accumulation.backward = timed("backward", trainer.accumulation.backward)
        for optimizer in trainer.optimizer.by_name().values():
            optimizer.step = timed("optimizer", optimizer.step)
        for hook in HOOKS:
            for impl in trainer.hooks.impls(hook):
                impl.function = timed(display_name(impl.plugin.callback), impl.function)

    def on_train_batch_start(self, batch: Any) -> None:
        """Count the samples of every batch."""
        self._samples += whole_of(batch)

    def on_train_batch_end(self, trainer: Trainer) -> None:
        """Count the step, and log every ``log_every_n_steps`` steps."""
        self._steps += 1
        if trainer.step % trainer.log_every_n_steps == 0:
            now = self._totals()
            trainer.log(_rates(*[n - b for n, b in zip(now, self._logged, strict=True)]))
            self._logged = now

    def on_validation_start(self, trainer: Trainer) -> None:
        """Count the following time as validation."""
        if self._watch is not None:
            self._validation_start = self._watch.lap().total()
            self._watch.rest("validation")

    def on_validation_end(self, trainer: Trainer) -> None:
        """Leave the validation out of the rates."""
        if self._watch is not None:
            self._end_validation()

    def on_fit_end(self, trainer: Trainer, module: Module) -> None:
        """Remove the clocks and report their times."""
        if self._watch is None:
            return
        module.__class__ = type(module).__base__
        vars(trainer.accumulation).pop("backward", None)
        for optimizer in trainer.optimizer.by_name().values():
            vars(optimizer).pop("step", None)
        self._end_validation()
        if self._steps:
            self._report(trainer)
        self._watch = None

    def _forget(self) -> None:
        self._steps = self._samples = 0
        self._logged = (0, 0, 0.0)  # steps, samples, seconds
        self._validation_start, self._validated = None, 0.0  # seconds

    def _end_validation(self) -> None:
        if self._validation_start is not None:
            self._validated += self._watch.lap().total() - self._validation_start
            self._validation_start = None
            self._watch.rest(REST)

    def _totals(self) -> tuple[int, int, float]:
        """Return steps, samples and seconds without validations."""
        return self._steps, self._samples, self._watch.lap().total() - self._validated

    def _report(self, trainer: Trainer) -> None:
        rates = _rates(*self._totals())
        total = self._watch.seconds.total()
        shares = {part: s / total for part, s in self._watch.seconds.most_common()}
        shown = ", ".join(f"{part} {share:.1%}" for part, share in shares.items() if share >= 1e-3)
        tell(
            f"throughput: {rates['samples_per_second']:,.0f} samples/s, "
            f"{rates['ms_per_step']:.2f} ms/step over {self._steps:,} steps\n"
            f"time: {shown.replace('%', ' %')}"
        )
        if trainer.run is not None:
            trainer.run.summary["time_shares"] = {p: round(s, 4) for p, s in shares.items()}
            writer = writer_of(trainer)
            if writer is not None:
                writer.add_plain_text("time", self._table(total), trainer.step)
        for part, share in shares.items():
            often = self._watch.calls[part] > 1  # a single call, at the end, delays no step
            if part not in OWN and often and share > MUCH and total >= 1:
                per_call = 1e3 * self._watch.seconds[part] / self._watch.calls[part]
                warnings.warn(
                    f"Throughput: callback {part} takes {share:.0%} of the time, "
                    f"{per_call:,.1f} ms each of {self._watch.calls[part]:,} calls; have it do "
                    "less, or less often",
                    stacklevel=2,
                )

    def _table(self, total: float) -> str:
        """Return share, seconds, calls and time per call of each part, as text."""
        lines = [f"{'part':<24}{'share':>8}{'seconds':>10}{'calls':>10}{'ms a call':>11}"]
        for part, seconds in self._watch.seconds.most_common():
            calls = self._watch.calls[part]
            each = f"{1e3 * seconds / calls:.3f}" if calls else ""
            lines.append(
                f"{part:<24}{seconds / total:>8.1%}{seconds:>10.3f}{calls or '':>10}{each:>11}"
            )
        return "\n".join(lines)


class Stopwatch:
    """Measure the seconds spent in named parts; in nested calls the innermost part is charged.

    Parameters
    ----------
    rest : str
        Name of the time outside all parts.

    Attributes
    ----------
    seconds : Counter of str to float
        By part.
    calls : Counter of str to int
        By part.

    Examples
    --------
    >>> from firstlight.callbacks.throughput import Stopwatch
    >>> watch = Stopwatch("rest")
    >>> double = watch.timed("double", lambda x: 2 * x)
    >>> double(4), list(watch.lap()), watch.calls["double"]
    (8, ['rest', 'double'], 1)
    """

    def __init__(self, rest: str) -> None:
        self.seconds: Counter[str] = Counter({rest: 0.0})
        self.calls: Counter[str] = Counter()
        self._running, self._since = [rest], time.perf_counter()

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, wrapped so that its time counts for a part."""

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            self._change()
            self._running.append(part)
            self.calls[part] += 1
            try:
                return function(*args, **kwargs)
            finally:
                self._change()
                self._running.pop()

        return timed

    def rest(self, part: str) -> None:
        """Change the name of the time outside all parts."""
        self._change()
        self._running[0] = part

    def lap(self) -> "Counter[str]":
        """Return the seconds until now."""
        self._change()
        return self.seconds

    def _change(self) -> None:
        now = time.perf_counter()
        self.seconds[self._running[-1]] += now - self._since
        self._since = now


def _rates(steps: int, samples: int, seconds: float) -> dict[str, float]:
    return {"samples_per_second": samples / seconds, "ms_per_step": 1000 * seconds / steps}
