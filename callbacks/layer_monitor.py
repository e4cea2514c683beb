"""LayerMonitor: how large gradients are, and how far each step moves each parameter."""

import numpy as np

from firstlight.callback import Callback, Role


class LayerMonitor(Callback):
    """Log the gradient's norm and each parameter's ratio of update to weight.

    Every ``log_every_n_steps`` steps::

        grad_norm              ‖g‖ of all parameters together, before any clipping
        update_ratio/<name>    ‖Δw‖ / ‖w‖ of one parameter in this step

    A ratio near 1e-3 is healthy, as a rule of thumb; far below, a layer hardly learns, far above,
    the learning rate is too high. A parameter that is all zeros, as biases are at first, has none.

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

    def __init__(self, update_ratios: bool = True):
        self.update_ratios = update_ratios
        self._before, self._norm = {}, None

    def on_before_optimizer_step(self, trainer, module, optimizer):
        """Measure the gradient, and keep what the step will change."""
        if (trainer.step + 1) % trainer.log_every_n_steps == 0:
            self._norm = optimizer.grad_norm()
            if self.update_ratios:
                self._before = {n: p.data.copy() for n, p in module.named_parameters()}

    def on_train_batch_end(self, trainer, module):
        """Log if it is time."""
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
