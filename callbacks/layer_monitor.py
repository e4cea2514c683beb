"""LayerMonitor: log the gradient's norm, and the relative size of each parameter's update."""

import numpy as np

from firstlight.callback import Callback, Role
from firstlight.module import Module
from firstlight.optim.optimizer import Optimizer
from firstlight.trainer import Trainer


class LayerMonitor(Callback):
    """Log the gradient's norm and each parameter's ratio of update to weight.

    Every ``log_every_n_steps`` steps::

        grad_norm              ‖g‖ of all parameters together, before any clipping
        update_ratio/<name>    ‖Δw‖ / ‖w‖ of one parameter in this step

    As a rule of thumb, a ratio near 1e-3 is healthy: far below it a layer hardly learns, far above
    it the learning rate is too high. A parameter that is all zeros, as biases are at first, has no
    ratio.

    Parameters
    ----------
    update_ratios : bool
        False logs ``grad_norm`` only.

    References
    ----------
    Karpathy, CS231n notes, "Ratio of weights:updates", 2016.

    Examples
    --------
    >>> from firstlight.callbacks import LayerMonitor
    >>> from firstlight.testing import tiny_trainer
    >>> trainer = tiny_trainer([LayerMonitor()])
    >>> [name for name in trainer.history if "0" in name]
    ['update_ratio/body.0.weight', 'update_ratio/body.0.bias']
    """

    role = Role.WRITER
    watcher = True

    def __init__(self, update_ratios: bool = True) -> None:
        self.update_ratios = update_ratios
        self._before, self._norm = {}, None

    def on_before_optimizer_step(
        self, trainer: Trainer, module: Module, optimizer: Optimizer
    ) -> None:
        """Measure the gradient, and keep the parameters that the step will change."""
        if (trainer.step + 1) % trainer.log_every_n_steps == 0:
            self._norm = optimizer.grad_norm()
            if self.update_ratios:
                self._before = {n: p.data.copy() for n, p in module.named_parameters()}

    def on_train_batch_end(self, trainer: Trainer, module: Module) -> None:
        """Log if the step was measured."""
        if self._norm is None:
            return
        values = {"grad_norm": float(self._norm)}
        for name, parameter in module.named_parameters():
            if name in self._before:
                before = self._before[name]
                size = float(np.linalg.norm(before))
                if size > 0:
                    moved = float(np.linalg.norm(parameter.data - before))
                    values[f"update_ratio/{name}"] = moved / size
        self._norm, self._before = None, {}
        trainer.log(values)
