"""Check: find mistakes in a network before it is trained, and watch its training."""

import warnings
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from firstlight.callback import Callback
from firstlight.module import Module
from firstlight.optim import Optimizer
from firstlight.support.arguments import parse_choice, parse_count
from firstlight.support.files import write_json
from firstlight.trainer import Trainer

if TYPE_CHECKING:
    from firstlight.tools.diagnose import Report


class Check(Callback):
    """Check backward, data and loss before the training, and weights and gradients during it.

    Before the training it runs ``firstlight check``, and keeps the table of gradients in the run
    folder as ``gradients.json``, for ``firstlight report``. During the training, every
    ``every_n_steps`` steps, it looks for gradients that are zero or not finite, and for updates
    that are large compared with the weights.

    Parameters
    ----------
    action : {"warn", "raise"}
        Report findings before the training as one warning each, or as one ValueError with all of
        them. Findings during the training, and a check that itself fails, are always warnings.
    train : bool
        Also try to overfit a few samples, which takes some seconds.
    every_n_steps : int
        Steps between two checks during the training.

    Attributes
    ----------
    report : firstlight.tools.diagnose.Report or None
        Report of the latest start.

    Raises
    ------
    ValueError
        An unknown action; with "raise", the findings.

    Examples
    --------
    >>> from firstlight.callbacks import Check
    >>> from firstlight.testing import tiny_trainer
    >>> check = Check()
    >>> _ = tiny_trainer([check])
    >>> check.report.ok
    True
    """

    watcher = True

    def __init__(
        self, action: str = "warn", *, train: bool = True, every_n_steps: int = 100
    ) -> None:
        self.action: str = parse_choice("Check: action", action, ("warn", "raise"))
        self.train = train
        self.every_n_steps: int = parse_count("Check: every_n_steps", every_n_steps)
        self.report: Report | None = None
        self._warned, self._before = set(), None

    def on_fit_start(self, trainer: Trainer, module: Module) -> None:
        """Check the model on the training data."""
        from firstlight.tools.diagnose import check

        self.report, self._warned = None, set()
        if trainer.device != "cpu":
            warnings.warn("Check: only networks on the CPU are checked at the start", stacklevel=2)
            return
        try:
            self.report = check(module, trainer.train_loader, train=self.train)
            if trainer.run is not None:
                rows = [asdict(line) for line in self.report.checks]
                write_json(trainer.run.path / "gradients.json", rows)
        except Exception as error:  # a failed check must not stop the training
            warnings.warn(f"Check: failed, {type(error).__name__}: {error}", stacklevel=2)
            return
        judged = [one for one in self.report.findings if one not in self.report.unjudged]
        if judged and self.action == "raise":
            raise ValueError(f"Check: {'; '.join(one.message for one in judged)}")
        for one in self.report.findings:
            look = f"; look at {one.next}" if one.next else ""
            warnings.warn(f"Check: {one.message}{look}", stacklevel=2)

    def on_before_optimizer_step(
        self, trainer: Trainer, module: Module, optimizer: Optimizer
    ) -> None:
        """Check the gradients, and copy the weights to measure the step."""
        if trainer.step % self.every_n_steps:
            self._before = None
            return
        flat = (optimizer.flat, None)  # not of another optimizer
        named = [pair for pair in module.named_parameters() if pair[1].flat in flat]
        self._before = (self._before or {}) | {name: p.data.copy() for name, p in named}
        for name, parameter in named:
            if not parameter.requires_grad:
                continue
            if not np.isfinite(parameter.grad).all():
                self._warn(name, f"the gradient of {name} is not finite at step {trainer.step + 1}")
            elif trainer.step and not parameter.grad.any():
                self._warn(name, f"the gradient of {name} is all zero at step {trainer.step + 1}")

    def on_train_batch_end(self, trainer: Trainer, module: Module) -> None:
        """Compare the step with the weights it changed."""
        if self._before is None:
            return
        before, self._before = self._before, None
        for name, parameter in module.named_parameters():
            old = before.get(name)
            if old is None or old.shape != parameter.data.shape:  # a layer was added or replaced
                continue
            size, moved = float(np.linalg.norm(old)), float(np.linalg.norm(parameter.data - old))
            if parameter.data.ndim > 1 and moved > 0.5 * size > 0:
                self._warn(
                    name,
                    f"step {trainer.step} moved {name} by {moved / size:.0%} of its "
                    "size: the learning rate is high",
                )

    def _warn(self, name: str, message: str) -> None:
        if name not in self._warned:  # once for each parameter
            self._warned.add(name)
            warnings.warn(f"Check: {message}", stacklevel=2)
