"""Check: look a network over when its training starts, and keep an eye on it."""

import warnings
from dataclasses import asdict

import numpy as np

from firstlight.callback import Callback
from firstlight.support.files import write_json


class Check(Callback):
    """Check backward, data and loss before the training, and weights and gradients during it.

    What is found before is that of ``firstlight check``; its table is kept in the run folder as
    ``gradients.json``, for ``firstlight report``. During the training, every so many steps:
    gradients that are zero or not finite, and updates that are large beside the weights.

    Parameters
    ----------
    action : {"warn", "raise"}
        What to do with findings: a warning each, or a ValueError with all of them, which ends the
        training before its first step. What is found during the training is always a warning, and
        so is a check that fails itself.
    train : bool
        Try to learn a few samples by heart, too; takes some seconds.
    every_n_steps : int
        Steps between looks during the training.

    Attributes
    ----------
    report : firstlight.tools.diagnose.Report or None
        Of the latest start.

    Raises
    ------
    ValueError
        An unknown action; with "raise", what is wrong.

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

    def __init__(self, action: str = "warn", *, train: bool = True, every_n_steps: int = 100):
        if action not in ("warn", "raise"):
            raise ValueError(f'Check: expected action "warn" or "raise", got {action!r}')
        if every_n_steps < 1:
            raise ValueError(f"Check: expected every_n_steps of 1 or more, got {every_n_steps}")
        self.action, self.train, self.every_n_steps = action, train, every_n_steps
        self.report, self._told, self._before = None, set(), None

    def on_fit_start(self, trainer, module):
        """Check the model on the training data."""
        from firstlight.tools.diagnose import check

        self.report, self._told = None, set()
        if trainer.device != "cpu":
            warnings.warn("Check: only networks on the CPU are checked at the start", stacklevel=2)
            return
        try:
            self.report = check(module, trainer.train_loader, train=self.train)
        except Exception as error:  # whatever a check cannot cope with, the training may
            warnings.warn(f"Check: failed, {type(error).__name__}: {error}", stacklevel=2)
            return
        if trainer.run is not None:
            rows = [asdict(line) for line in self.report.checks]
            write_json(trainer.run.path / "gradients.json", rows)
        if self.report.ok:
            return
        if self.action == "raise":
            raise ValueError(f"Check: {'; '.join(one.message for one in self.report.findings)}")
        for one in self.report.findings:
            warnings.warn(f"Check: {one.message}; look at {one.next}", stacklevel=2)

    def on_before_optimizer_step(self, trainer, module):
        """Look at the gradients; remember the weights, to see how far they move."""
        self._before = None
        if trainer.step % self.every_n_steps:
            return
        self._before = [p.data.copy() for p in module.parameters()]
        for name, parameter in module.named_parameters():
            if not parameter.requires_grad:
                continue
            if not np.isfinite(parameter.grad).all():
                self._tell(name, f"the gradient of {name} is not finite at step {trainer.step + 1}")
            elif trainer.step and not parameter.grad.any():
                self._tell(name, f"the gradient of {name} is all zero at step {trainer.step + 1}")

    def on_train_batch_end(self, trainer, module):
        """Compare the step with the weights it changed."""
        if self._before is None:
            return
        before, self._before = self._before, None
        for (name, parameter), old in zip(module.named_parameters(), before, strict=True):
            size, moved = float(np.linalg.norm(old)), float(np.linalg.norm(parameter.data - old))
            if parameter.data.ndim > 1 and moved > 0.5 * size > 0:
                self._tell(
                    name,
                    f"step {trainer.step} moved {name} by {moved / size:.0%} of its "
                    "size: the learning rate is high",
                )

    def _tell(self, name, message):
        if name not in self._told:  # once for each parameter
            self._told.add(name)
            warnings.warn(f"Check: {message}", stacklevel=2)
