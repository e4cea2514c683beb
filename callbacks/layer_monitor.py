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
TURNS = 5  # measurements in which each layer is looked at once
MOST = 2**14  # values of a parameter whose update is measured


class LayerMonitor(Callback):
    """Log each layer's outputs, gradient and relative update, and warn of ill layers by name.

    Layers take turns: the first measurement, after ``every_n_steps`` steps, looks at all layers,
    and each later one at every fifth layer, so that five measurements see all. The first values and
    then, every ``log_every_n_steps`` steps of the Trainer, the latest ones are logged::

        grad_norm              ‖g‖ of all parameters together, before any clipping
        grad_norm/<layer>      ‖g‖ of one layer
        update_ratio/<name>    ‖Δw‖ / ‖w‖ of one parameter in this step
        output_mean/<layer>    of the layer's outputs, for about 8,000 values
        output_std/<layer>
        output_zeros/<layer>   share of exact zeros

    As a rule of thumb, a ratio near 1e-3 is healthy: far below it a layer hardly learns, far above
    it the learning rate is too high. A parameter that is all zeros, as biases are at first, has no
    ratio. A warning, once a layer, names

    - a dying layer, more than half of whose units were zero in all of its five measurements,
    - a saturated layer, whose values are at the flat ends of tanh or sigmoid,
    - a gradient that vanishes (below 1e-5 of the last layer's) or explodes, and the layer.

    The table of all layers is printed at the end, and `Plots` draws ``plots/layers.png``. Layers
    that a faster form computes within another one, such as those of `FeedForward`, are not looked
    at one by one. On a GPU the measured steps are not captured as graphs.

    Parameters
    ----------
    update_ratios : bool
        False measures no updates, which takes copies of the layers' parameters.
    outputs : bool
        False measures no outputs, and warns of nothing.
    every_n_steps : int
        Steps between measurements; a layer's turn comes every five of them.
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
    >>> trainer = tiny_trainer([LayerMonitor(every_n_steps=1, show="never")])
    >>> sorted({name.partition("/")[0] for name in trainer.history if "/" in name})
    ['grad_norm', 'output_mean', 'output_std', 'output_zeros', 'update_ratio']
    """

    role = Role.WRITER
    watcher = True

    def __init__(
        self,
        update_ratios: bool = True,
        outputs: bool = True,
        every_n_steps: int = 20,
        show: Literal["end", "epoch", "never"] = "end",
    ) -> None:
        self.update_ratios: bool = update_ratios
        self.outputs: bool = outputs
        self.every_n_steps: int = parse_count("LayerMonitor: every_n_steps", every_n_steps)
        self.show: str = parse_choice("LayerMonitor: show", show, SHOWN)
        self._health, self._watch, self._rows = LayerHealth(), None, {}
        self._uncaptured = None

    @property
    def named(self) -> list[str]:
        """What was warned of."""
        return self._health.named

    def table(self) -> str:
        """Return the latest measurement as a table; empty before the first one."""
        measured = {name: row for name, row in self._rows.items() if row.is_measured}
        return layer_table(measured) if measured else ""

    # --- hooks ---------------------------------------------------------------------------------

    def on_fit_start(self, trainer: Trainer, module: Module) -> None:
        """Find the layers and their parameters, once."""
        named = self.named if trainer.step else []
        self._health, self._watch = LayerHealth(), LayerWatch(module)
        self._health.named = named
        layers = self._watch.layers
        self._rows = {name: LayerRow(type(part).__name__) for name, part in layers.items()}
        self._parameters = _by_layer(layers, module)
        self._turn = self._gradients = None  # the layers of this step's measurement
        self._order, self._seen, self._sizes = [], {}, {}  # of layers: as they run, latest values
        self._values, self._own, self._before, self._squares = {}, {}, {}, {}
        self._logged = trainer.step - trainer.log_every_n_steps  # the first measurement is logged
        self._watch_if_due(trainer)  # a resumed epoch does not start

    def on_train_epoch_start(self, trainer: Trainer) -> None:
        """Watch some layers if the next step is measured."""
        self._watch_if_due(trainer)

    def on_validation_end(self, trainer: Trainer) -> None:
        """Watch some layers if the next step is measured."""
        self._watch_if_due(trainer)

    def _watch_if_due(self, trainer):
        """Watch some layers if the next step is measured."""
        if (trainer.step + 1) % self.every_n_steps or self._watch.is_on:
            return
        turns = max(1, min(TURNS, len(self._order)))
        first = (trainer.step + 1) // self.every_n_steps % turns
        self._turn = self._order[first::turns] or list(self._rows)
        if self.outputs:
            captures = getattr(trainer.loop.step, "captures", None)
            if captures is not None and captures.reason is None:  # a GPU would replay a graph
                captures.reason, self._uncaptured = WATCHED, captures
            self._watch.start(self._turn)

    def on_before_optimizer_step(
        self, trainer: Trainer, module: Module, optimizer: Optimizer
    ) -> None:
        """Measure the gradient, and keep the parameters that the step will change."""
        if self._turn is None:
            return
        self._stop_watching()
        own = [
            (name, p)
            for layer in (*self._turn, None)
            for name, p in self._parameters[layer]
            if p.flat in (optimizer.flat, None)  # not of another optimizer
        ]
        gradients = {name: norm(p.grad) for name, p in own if p.requires_grad}
        self._own |= dict(own)
        self._gradients = (self._gradients or {}) | gradients
        if self.update_ratios:
            self._before |= {name: some_of(p.data).copy() for name, p in own}
        if trainer.step + 1 - self._logged >= trainer.log_every_n_steps:
            self._squares[id(optimizer)] = sum(norm(g) ** 2 for g in optimizer.trained_grads())
            total = {"grad_norm": sum(self._squares.values()) ** 0.5}
            self._values = total | self._values | total

    def on_train_batch_end(self, trainer: Trainer) -> None:
        """Log and judge if the step was measured; watch some layers if the next one is."""
        if self._gradients is not None:
            self._measured(trainer)
        if not (trainer.step + 1) % self.every_n_steps:
            self._watch_if_due(trainer)

    def _measured(self, trainer):
        """Log and judge a step that was measured."""
        self._values |= self._of_parameters() | self._of_outputs()
        self._turn = self._gradients = None
        self._own, self._before, self._squares = {}, {}, {}
        if "grad_norm" in self._values:
            trainer.log(self._values)
            self._values, self._logged = {}, trainer.step
        layers, seen = self._watch.layers, self._watch.seen
        if not self._order:
            self._order = [*seen, *(name for name in layers if name not in seen)]
        if seen:
            self._seen |= seen
            for text in self._health.judge(layers, self._seen, self._sizes, seen):
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

    def _stop_watching(self):
        if self._watch is not None and self._watch.is_on:
            self._watch.stop()
        if self._uncaptured is not None:
            self._uncaptured.reason, self._uncaptured = None, None

    def _tell(self, trainer):
        if trainer.is_global_zero and self.table():
            tell(self.table())

    def _of_parameters(self):
        """Update the rows of this turn's layers; return gradient norms and relative updates."""
        values, gradients = {}, self._gradients
        for layer in (*self._turn, None):
            own = [pair for pair in self._parameters[layer] if pair[0] in self._own]
            changes, sizes = 0.0, 0.0  # sums of squares
            for name, parameter in own if self.update_ratios else ():
                before = self._before.pop(name)
                size = norm(before)
                change = norm(np.subtract(some_of(parameter.data), before, out=before))
                changes, sizes = changes + change**2, sizes + size**2
                if size > 0:
                    values[f"update_ratio/{name}"] = change / size
            if layer is not None and own:
                row = self._rows[layer]
                row.gradient = sum(gradients.get(name, 0.0) ** 2 for name, _ in own) ** 0.5
                row.update = (changes / sizes) ** 0.5 if sizes > 0 else None
                values[f"grad_norm/{layer}"] = row.gradient
            weights = [(n, p) for n, p in own if n in gradients and not n.endswith("bias")]
            if weights:
                self._sizes[layer] = max(gradients[n] / p.size**0.5 for n, p in weights)
        return values

    def _of_outputs(self):
        """Update the rows of the layers that were seen; return the statistics of their outputs."""
        values = {}
        for layer, seen in self._watch.seen.items():
            row = self._rows[layer]
            row.mean, row.std, row.zeros = seen.mean, seen.std, seen.zeros
            row.dead = self._health.dead.get(layer)
            for what in ("mean", "std", "zeros"):
                values[f"output_{what}/{layer}"] = getattr(row, what)
        return values


def some_of(array: Array) -> Array:
    """Return a view of rows at even distances, with about `MOST` values."""
    return array[:: max(1, -(-array.size // MOST))] if array.ndim else array


def norm(array: Array) -> float:
    """Return the L2 norm of an array's values."""
    flat = array.reshape(-1)
    return float(flat @ flat) ** 0.5


def _by_layer(
    layers: dict[str, Module], module: Module
) -> dict[str | None, list[tuple[str, Parameter]]]:
    """Return the parameters of each layer, with their names; None has those of no layer."""
    owners = {id(p): name for name, part in layers.items() for p in part.parameters()}
    found = {name: [] for name in (*layers, None)}
    for name, parameter in module.named_parameters():
        found[owners.get(id(parameter))].append((name, parameter))
    return found
