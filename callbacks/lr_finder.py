"""LRFinder: the learning-rate range test."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from firstlight.callback import Callback, Role
from firstlight.callbacks._shared.run_figures import save_figure
from firstlight.hookspecs import hookimpl
from firstlight.support.arguments import parse_choice, parse_count
from firstlight.support.printable import tell
from firstlight.trainer import Trainer
from firstlight.training.dry_runs import dry_run, dry_step, endless_batches

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SMOOTHING = 0.98  # weight of the past in the running mean of the losses
SKIP_BEGIN, SKIP_END = 10, 1  # points that the suggestion ignores


class LRFinder(Callback):
    """Raise the learning rate step by step before the training, until the loss diverges.

    The suggestion is the learning rate at which the smoothed loss falls fastest over the logarithm
    of the learning rate. The training starts with it; weights, batches and random numbers are
    restored. A figure is saved as the run's ``plots/lr_finder.png``. A resumed training keeps its
    learning rate.

    Parameters
    ----------
    min_lr, max_lr : float
        First and last learning rate.
    num_training : int
        Steps.
    mode : {"exponential", "linear"}
        How the learning rate grows.
    early_stop_threshold : float, optional
        Stop when the smoothed loss is this many times the best; None never stops early.
    update : bool
        Whether to use the suggestion, or only to report it. The ratios between the learning rates
        of parameter groups stay.

    Attributes
    ----------
    search : LRSearch or None
        Result of the latest search.

    Raises
    ------
    ValueError
        Learning rates that are not positive and rising; too few steps; several optimizers.

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
    ) -> None:
        if not 0 < min_lr < max_lr:
            raise ValueError(
                f"LRFinder: expected 0 < min_lr < max_lr, got min_lr={min_lr}, max_lr={max_lr}"
            )
        self.min_lr = min_lr
        self.max_lr = max_lr
        least = SKIP_BEGIN + SKIP_END + 3
        self.num_training: int = parse_count("LRFinder: num_training", num_training, least)
        self.mode: str = parse_choice("LRFinder: mode", mode, ("exponential", "linear"))
        self.early_stop_threshold = early_stop_threshold
        self.update = update
        self.search: LRSearch | None = None

    @hookimpl(tryfirst=True)  # before schedules, which start from the learning rate they find
    def on_fit_start(self, trainer: Trainer) -> None:
        """Search, unless the training is resumed."""
        if trainer.step > 0:
            return
        names = list(trainer.optimizer.by_name())
        if names != [""]:
            raise ValueError(
                "LRFinder: one learning rate is searched, but configure_optimizer returned "
                f"optimizers by name ({', '.join(names)}); leave the callback out, and set the lr "
                "of each"
            )
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
            save_figure(self.search.plot(), trainer.run, "lr_finder.png")

    def _search(self, trainer: Trainer) -> "LRSearch":
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

    lrs: list[float]
    losses: list[float]

    @property
    def suggestion(self) -> float | None:
        """The learning rate where the loss falls fastest; None if it never falls."""
        lrs = self.lrs[SKIP_BEGIN : len(self.lrs) - SKIP_END]
        losses = self.losses[SKIP_BEGIN : len(self.losses) - SKIP_END]
        if len(lrs) < 3:
            return None
        slopes = np.gradient(losses, np.log(lrs))
        steepest = int(slopes.argmin())
        return lrs[steepest] if slopes[steepest] < 0 else None

    def plot(self) -> "Figure":
        """Return a matplotlib figure of the loss over the learning rate."""
        from firstlight.tools.figures.canvas import page, tidy
        from firstlight.tools.figures.style import BLUE, VERMILION

        figure = page(6, 4)
        axes = figure.add_subplot()
        axes.semilogx(self.lrs, self.losses, color=BLUE)
        if self.suggestion is not None:
            index = self.lrs.index(self.suggestion)
            axes.plot(self.suggestion, self.losses[index], "o", color=VERMILION)
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
        tidy(axes)
        return figure
