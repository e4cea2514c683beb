"""LayerMonitor: measure each layer's outputs, gradient and update, and name what is ill."""

import warnings
from typing import Any, Literal

import numpy as np

from firstlight.callback import Callback, Role
from firstlight.callbacks._shared.layer_health import LayerHealth
from firstlight.callbacks._shared.layer_table import LayerRow, layer_table
from firstlight.callbacks._shared.layer_watch import LayerWatch
from firstlight.module import Module
from firstlight.optim.optimizer import Optimizer
from firstlight.parameter import Parameter
from firstlight.support.arguments import parse_choice, parse_count
from firstlight.support.array import Array
from firstlight.support.printable import tell
from firstlight.trainer import Trainer

WATCHED = "LayerMonitor looks at the layers in this step"  # in place of a CUDA graph
SHOWN = ("end", "epoch", "never")


class LayerMonitor(Callback):
    """Log each layer's outputs, gradient and relative update, and warn of ill layers by name.

    Every ``every_n_steps`` steps::

        grad_norm              ‖g‖ of all parameters together, before any clipping
        grad_norm/<layer>      ‖g‖ of one layer
        update_ratio/<name>    ‖Δw‖ / ‖w‖ of one parameter in this step
        output_mean/<layer>    of the layer's outputs, for about 8,000 values
        output_std/<layer>
        output_zeros/<layer>   share of exact zeros

    As a rule of thumb, a ratio near 1e-3 is healthy: far below it a layer hardly learns, far above
    it the learning rate is too high. A parameter that is all zeros, as biases are at first, has no
    ratio. A warning, once a layer, names

    - a dying layer, more than half of whose units were zero in all of five measurements,
    - a saturated layer, whose values are at the flat ends of tanh or sigmoid,
    - a gradient that vanishes (below 1e-5 of the last layer's) or explodes, and the layer.

    The table of all layers is printed at the end, and `Plots` draws ``plots/layers.png``. Layers
    that a faster form computes within another one, such as those of `FeedForward`, are not looked
    at one by one. On a GPU the measured steps are not captured as graphs.

    Parameters
    ----------
    update_ratios : bool
        False measures no updates, which takes a copy of the parameters.
    outputs : bool
        False measures no outputs, and warns of nothing.
    every_n_steps : int, optional
        Steps between measurements; the Trainer's ``log_every_n_steps`` by default.
    show : {"end", "epoch", "never"}
        When the table is printed. `table` returns it at any time.

    Attributes
    ----------
    named : list of str
        What was warned of, e.g. ``["dying body.1"]``.

    Raises
    ------
    ValueError
        Another ``show``, or a number of steps below 1.

    References
    ----------
    Karpathy, CS231n notes, "Ratio of weights:updates", 2016.

    Examples
    --------
    >>> from firstlight.callbacks import LayerMonitor
    >>> from firstlight.testing import tiny_trainer
    >>> trainer = tiny_trainer([LayerMonitor(show="never")])
    >>> sorted({name.partition("/")[0] for name in trainer.history if "/" in name})
    ['grad_norm', 'output_mean', 'output_std', 'output_zeros', 'update_ratio']
    """

    role = Role.WRITER
    watcher = True

    def __init__(
        self,
        update_ratios: bool = True,
        outputs: bool = True,
        every_n_steps: int | None = None,
        show: Literal["end", "epoch", "never"] = "end",
    ) -> None:
        self.update_ratios: bool = update_ratios
        self.outputs: bool = outputs
        self.every_n_steps: int | None = parse_count(
            "LayerMonitor: every_n_steps", every_n_steps, optional=True
        )
        self.show: str = parse_choice("LayerMonitor: show", show, SHOWN)
        self._health, self._watch, self._rows = LayerHealth(), None, {}
        self._before: dict[str, Any] = {}
        self._gradients: dict[str, float] | None = None
        self._uncaptured = None

    @property
    def named(self) -> list[str]:
        """What was warned of."""
        return self._health.named

    def table(self) -> str:
        """Return the latest measurement as a table; empty before the first one."""
        return layer_table(self._rows) if self._rows else ""

    # --- hooks ---------------------------------------------------------------------------------

    def on_fit_start(self, trainer: Trainer, module: Module) -> None:
        """Find the layers and their parameters, once."""
        named = self.named if trainer.step else []
        self._health, self._rows = LayerHealth(), {}
        self._health.named = named
        self._watch = LayerWatch(module) if self.outputs else None
        self._parameters = list(module.named_parameters())
        self._layers = {} if self._watch is None else self._watch.layers
        self._owners = _owners(self._layers, self._parameters)

    def on_train_batch_start(self, trainer: Trainer) -> None:
        """Watch the layers if this step is measured."""
        if self._watch is not None and not self._watch.is_on and self._is_due(trainer):
            step = trainer.loop.step
            if getattr(step, "reason", WATCHED) is None:  # a GPU would replay a graph
                step.reason, self._uncaptured = WATCHED, step
            self._watch.start()

    def on_before_optimizer_step(
        self, trainer: Trainer, module: Module, optimizer: Optimizer
    ) -> None:
        """Measure the gradient, and keep the parameters that the step will change."""
        self._stop_watching()
        if self._is_due(trainer):
            trained = [(n, p) for n, p in self._parameters if p.requires_grad]
            self._gradients = {n: norm(p.grad) for n, p in trained}
            self._gradients[""] = float(optimizer.grad_norm())
            if self.update_ratios:
                self._before = {n: p.data.copy() for n, p in self._parameters}

    def on_train_batch_end(self, trainer: Trainer) -> None:
        """Log and judge if the step was measured."""
        if self._gradients is None:
            return
        gradients, before = self._gradients, self._before
        self._gradients, self._before = None, {}
        values = {"grad_norm": gradients.pop("")}
        self._rows = self._measured(gradients, before, values)
        trainer.log(values)
        if self._watch is not None:
            weights = self._of_weights(gradients)
            for text in self._health.judge(self._layers, self._watch.seen, weights):
                warnings.warn(f"LayerMonitor: step {trainer.step}: {text}", stacklevel=2)

    def on_train_epoch_end(self, trainer: Trainer) -> None:
        """Print the table if each epoch's is wanted."""
        self._stop_watching()
        if self.show == "epoch":
            self._tell(trainer)

    def on_validation_start(self) -> None:
        """Watch no validation, which a skipped epoch may begin early."""
        self._stop_watching()

    def on_fit_end(self, trainer: Trainer) -> None:
        """Print the table if it is wanted at the end."""
        self._stop_watching()
        if self.show == "end":
            self._tell(trainer)

    def state_dict(self) -> dict[str, Any]:
        """Return what was warned of."""
        return {"named": self.named}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state that `state_dict` returned."""
        self._health.named = list(state["named"])

    # --- measuring -----------------------------------------------------------------------------

    def _is_due(self, trainer):
        return (trainer.step + 1) % (self.every_n_steps or trainer.log_every_n_steps) == 0

    def _stop_watching(self):
        if self._watch is not None and self._watch.is_on:
            self._watch.stop()
        if self._uncaptured is not None:
            self._uncaptured.reason, self._uncaptured = None, None

    def _tell(self, trainer):
        if trainer.is_global_zero and self._rows:
            tell(self.table())

    def _measured(self, gradients, before, values):
        """Return the layers' rows, and add all that is logged to ``values``."""
        rows = {name: LayerRow(type(part).__name__) for name, part in self._layers.items()}
        squares: dict[str, list[float]] = {}
        for name, parameter in self._parameters:
            owner = self._owners.get(name)
            sums = squares.setdefault(owner, [0.0, 0.0, 0.0])  # of gradient, update, weight
            sums[0] += gradients.get(name, 0.0) ** 2
            if name in before:
                size = norm(before[name])
                change = norm(np.subtract(parameter.data, before[name], out=before[name]))
                sums[1], sums[2] = sums[1] + change**2, sums[2] + size**2
                if size > 0:
                    values[f"update_ratio/{name}"] = change / size
        for name, row in rows.items():
            if name in squares:
                gradient, change, size = squares[name]
                row.gradient = values[f"grad_norm/{name}"] = gradient**0.5
                row.update = (change / size) ** 0.5 if size > 0 else None
            row.dead = self._health.dead.get(name)
        for name, seen in ({} if self._watch is None else self._watch.seen).items():
            row = rows[name]
            row.mean, row.std, row.zeros = seen.mean, seen.std, seen.zeros
            for what in ("mean", "std", "zeros"):
                values[f"output_{what}/{name}"] = getattr(row, what)
        return {name: row for name, row in rows.items() if row.is_measured}

    def _of_weights(self, gradients):
        """Return the largest RMS gradient of each layer's parameters, biases left out."""
        found: dict[str, float] = {}
        for name, parameter in self._parameters:
            owner = self._owners.get(name)
            if owner is not None and name in gradients and not name.endswith("bias"):
                size = gradients[name] / parameter.size**0.5
                found[owner] = max(found.get(owner, 0.0), size)
        return found


def norm(array: Array) -> float:
    """Return the L2 norm of an array's values."""
    flat = array.reshape(-1)
    return float(flat @ flat) ** 0.5


def _owners(layers: dict[str, Module], parameters: list[tuple[str, Parameter]]) -> dict[str, str]:
    """Return the layer of each parameter."""
    owners = {id(p): name for name, part in layers.items() for p in part.parameters()}
    return {name: owners[id(p)] for name, p in parameters if id(p) in owners}
