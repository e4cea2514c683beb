"""BatchSizeFinder: try batch sizes, and train with the one of the highest throughput."""

import copy
import time
from typing import Any

from firstlight.callback import Callback, Role
from firstlight.checkpoints.format import Checkpoint
from firstlight.data.loader import DataLoader
from firstlight.data.splits import drops_last
from firstlight.hookspecs import hookimpl
from firstlight.support.arguments import parse_count
from firstlight.support.printable import tell
from firstlight.trainer import Trainer
from firstlight.training.dry_runs import dry_run, dry_step, endless_batches

STEPS_AN_EPOCH = 20  # minimum: fewer steps learn little


class BatchSizeFinder(Callback):
    """Double the batch size before the training while that is faster and fits in memory.

    Each size makes a few optimizer steps. The size with the most samples per second is used; if
    two differ by less than a tenth, the smaller one. Weights and random numbers are restored
    afterwards. A resumed training keeps its batch size. A larger batch usually needs a larger
    learning rate: list `LRFinder` after this callback.

    Parameters
    ----------
    init_val : int
        The first size.
    max_val : int
        The largest size. Sizes that leave fewer than 20 steps an epoch are not tried either.
    steps_per_trial : int
        Measured steps for each size, after one to warm up.

    Attributes
    ----------
    rates : dict of int to float
        Samples per second by batch size, of the latest search.
    batch_size : int or None
        The size in use.

    Raises
    ------
    ValueError
        Numbers below 1, or ``max_val`` below ``init_val``.
    TypeError
        At the start of a training: its loader is not a `DataLoader`.

    Examples
    --------
    >>> from firstlight.callbacks import BatchSizeFinder
    >>> finder = BatchSizeFinder(max_val=512)
    """

    role = Role.WRITER

    def __init__(self, init_val: int = 16, max_val: int = 8192, steps_per_trial: int = 3) -> None:
        if not 1 <= init_val <= max_val:
            raise ValueError(
                f"BatchSizeFinder: expected 1 <= init_val <= max_val, got init_val={init_val}, "
                f"max_val={max_val}"
            )
        self.init_val = init_val
        self.max_val = max_val
        self.steps_per_trial: int = parse_count("BatchSizeFinder: steps_per_trial", steps_per_trial)
        self.rates: dict[int, float] = {}
        self.batch_size: int | None = None

    @hookimpl(tryfirst=True)
    def on_fit_start(self, trainer: Trainer) -> None:
        """Search, unless the training is resumed."""
        if trainer.step > 0:
            return
        if not isinstance(trainer.train_loader, DataLoader):
            raise TypeError(
                "BatchSizeFinder: expected a firstlight.DataLoader to train on, got "
                f"{type(trainer.train_loader).__name__}; pass arrays, a data set or a DataLoader"
            )
        self._search(trainer)
        self.batch_size = trainer.communicator.gather(self.batch_size)[0]  # clocks differ
        self._use(trainer)
        shown = ", ".join(f"{size}: {rate:,.0f}" for size, rate in self.rates.items())
        tell(f"BatchSizeFinder: samples/s by batch size {shown}; uses {self.batch_size}")

    def on_load_checkpoint(self, trainer: Trainer, checkpoint: Checkpoint) -> None:
        """Restore the batch size of a resumed training."""
        if self.batch_size is not None and trainer.status != "running" and checkpoint.optimizer:
            self._use(trainer)

    def state_dict(self) -> dict[str, Any]:
        """Return the batch size found."""
        return {"batch_size": self.batch_size}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state that `state_dict` returned."""
        self.batch_size = state["batch_size"]

    def _search(self, trainer: Trainer) -> None:
        self.rates = {}
        samples = len(trainer.train_loader.data)
        size = first = min(self.init_val, samples)
        most = max(first, min(self.max_val, samples // STEPS_AN_EPOCH))
        while size <= most:
            try:
                with dry_run(trainer.module, trainer.optimizer, trainer.train_loader):
                    self.rates[size] = self._rate(trainer, size)
            except MemoryError:  # CuPy's OutOfMemoryError is one too
                break
            if size > first and self.rates[size] < 0.9 * max(self.rates.values()):
                break
            size *= 2
        if not self.rates:
            raise MemoryError(
                f"BatchSizeFinder: not even batches of {first} fit in memory; try a "
                "smaller init_val, or a smaller model"
            )
        good = [size for size, rate in self.rates.items() if rate > 0.9 * max(self.rates.values())]
        self.batch_size = min(good)

    def _rate(self, trainer: Trainer, size: int) -> float:
        training = trainer.module, trainer.optimizer
        loader = _resized(trainer.train_loader, size)
        batches = endless_batches(loader, trainer.device, trainer.dtype)
        dry_step(*training, next(batches))
        start = time.perf_counter()
        for _ in range(self.steps_per_trial):
            dry_step(*training, next(batches))
        return size * self.steps_per_trial / (time.perf_counter() - start)

    def _use(self, trainer: Trainer) -> None:
        trainer.data.train_loader = _resized(trainer.train_loader, self.batch_size)


def _resized(loader: DataLoader, batch_size: int) -> DataLoader:
    """Return a loader of the same kind with batches of another size."""
    resized = copy.copy(loader)
    resized.batch_size = batch_size
    resized.drop_last = loader.drop_last or drops_last(loader.data, batch_size)
    return resized
