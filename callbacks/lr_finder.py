"""LRFinder: tries out learning rates, from far too small to far too large."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from firstlight.callback import Callback, Role
from firstlight.hookspecs import hookimpl
from firstlight.support.files import forgiving
from firstlight.support.printable import tell
from firstlight.training.dry_runs import dry_run, dry_step, endless_batches

SMOOTHING = 0.98  # weight of the past in the running mean of the losses
SKIP_BEGIN, SKIP_END = 10, 1  # points that the suggestion does not look at


class LRFinder(Callback):
    """Before the training, raise the learning rate step by step until the loss explodes.

    The suggestion is where the smoothed loss falls fastest over the logarithm of the learning
    rate. The training then starts with it, from the very same weights, batches and random
    numbers as without this callback. A picture goes to the run's ``plots/lr_finder.png``. A
    training that is resumed has its learning rate already; nothing is tried then.

    Parameters
    ----------
    min_lr, max_lr : float
        Where to begin and end.
    num_training : int
        Steps to make.
    mode : {"exponential", "linear"}
        How the learning rate grows.
    early_stop_threshold : float, optional
        Stop once the smoothed loss is so many times the best; None never stops early.
    update : bool
        Whether to use the suggestion, or only to report it. Parameter groups keep their
        proportions.

    Attributes
    ----------
    search : LRSearch or None
        What was found in the latest training.

    Raises
    ------
    ValueError
        Learning rates that are not positive and rising; too few steps.

    References
    ----------
    Smith, "Cyclical Learning Rates for Training Neural Networks", 2017, section 3.3.

    Examples
    --------
    >>> from firstlight.callbacks import LRFinder
    >>> finder = LRFinder(min_lr=1e-6, max_lr=10.0)
    """

    role = Role.WRITER

    def __init__(
        self,
        min_lr: float = 1e-8,
        max_lr: float = 1.0,
        num_training: int = 100,
        mode: Literal["exponential", "linear"] = "exponential",
        early_stop_threshold: float | None = 4.0,
        update: bool = True,
    ):
        if not 0 < min_lr < max_lr:
            raise ValueError(
                f"LRFinder: expected 0 < min_lr < max_lr, got min_lr={min_lr}, max_lr={max_lr}"
            )
        if num_training < SKIP_BEGIN + SKIP_END + 3:
            raise ValueError(
                f"LRFinder: expected num_training of {SKIP_BEGIN + SKIP_END + 3} or more, "
                f"got {num_training}"
            )
        if mode not in ("exponential", "linear"):
            raise ValueError(f'LRFinder: expected mode "exponential" or "linear", got {mode!r}')
        self.min_lr, self.max_lr, self.num_training = min_lr, max_lr, num_training
        self.mode, self.early_stop_threshold, self.update = mode, early_stop_threshold, update
        self.search = None

    @hookimpl(tryfirst=True)  # before schedules, which start from the learning rate they find
    def on_fit_start(self, trainer):
        """Search, unless the training is resumed."""
        if trainer.step > 0:
            return
        with dry_run(trainer.module, trainer.optimizer, trainer.train_loader):
            self.search = self._search(trainer)
        suggestion = self.search.suggestion
        if suggestion is None:
            tell("LRFinder: the loss never fell; the learning rate stays as it is")
        else:
            tell(f"LRFinder: suggests lr={suggestion:.2g}")
        if self.update and suggestion is not None:
            factor = suggestion / trainer.optimizer.lr if trainer.optimizer.lr else None
            for group in trainer.optimizer.param_groups:
                group["lr"] = group["lr"] * factor if factor else suggestion
        if trainer.run is not None:
            from firstlight.tools.figures import save

            path = trainer.run.path / "plots" / "lr_finder.png"
            with forgiving(path):
                path.parent.mkdir(exist_ok=True)
                save(self.search.plot(), path)

    def _search(self, trainer):
        space = np.geomspace if self.mode == "exponential" else np.linspace
        tried, losses, mean, best = [], [], 0.0, math.inf
        lrs = space(self.min_lr, self.max_lr, self.num_training).tolist()
        batches = endless_batches(trainer.train_loader, trainer.device, trainer.dtype)
        for count, (lr, batch) in enumerate(zip(lrs, batches, strict=False), 1):
            trainer.optimizer.lr = lr
            loss = dry_step(trainer.module, trainer.optimizer, batch)
            mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
            smooth = mean / (1 - SMOOTHING**count)  # the mean of the losses so far, not of a 0 too
            if not math.isfinite(smooth):
                break
            tried.append(lr)
            losses.append(smooth)
            best = min(best, smooth)
            limit = math.inf
            if self.early_stop_threshold is not None:
                limit = best + (self.early_stop_threshold - 1) * abs(best)  # losses may be below 0
            if smooth > limit:
                break
        return LRSearch(tried, losses)


@dataclass
class LRSearch:
    """Learning rates and the smoothed loss after a step with each.

    Examples
    --------
    >>> from firstlight.callbacks.lr_finder import LRSearch
    >>> lrs = [10.0 ** (power / 5) for power in range(-25, 1)]
    >>> search = LRSearch(lrs, [1 / (1 + (100 * lr) ** 2) for lr in lrs])
    >>> round(search.suggestion, 4)
    0.01
    """

    lrs: list
    losses: list

    @property
    def suggestion(self):
        """The learning rate where the loss falls fastest; None if it never falls."""
        lrs = self.lrs[SKIP_BEGIN : len(self.lrs) - SKIP_END]
        losses = self.losses[SKIP_BEGIN : len(self.losses) - SKIP_END]
        if len(lrs) < 3:
            return None
        slopes = np.gradient(losses, np.log(lrs))
        steepest = int(slopes.argmin())
        return lrs[steepest] if slopes[steepest] < 0 else None

    def plot(self):
        """Return a matplotlib figure of the loss over the learning rate."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6, 4), layout="constrained")
        axes = figure.add_subplot()
        axes.semilogx(self.lrs, self.losses)
        if self.suggestion is not None:
            index = self.lrs.index(self.suggestion)
            axes.plot(self.suggestion, self.losses[index], "o", color="tab:red")
            axes.annotate(
                f"suggestion {self.suggestion:.2g}",
                (self.suggestion, self.losses[index]),
                xytext=(-10, -4),
                textcoords="offset points",
                ha="right",
                va="top",
            )
        axes.set(
            xlabel="learning rate", ylabel="training loss, smoothed", title="Learning rate finder"
        )
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.3)
        return figure
