"""Distributions: draw how the weights and outputs of each layer spread during a training."""

from typing import Any

import numpy as np

from firstlight.callback import Callback
from firstlight.callbacks._shared.activations import layer_outputs
from firstlight.callbacks._shared.run_figures import save_figure
from firstlight.callbacks.tensorboard.callback import writer_of
from firstlight.module import Module
from firstlight.support.arguments import parse_count
from firstlight.support.array import Array
from firstlight.trainer import Trainer

PROBE = 64  # samples whose outputs are looked at, always the same
MOST = 12  # panels of a picture; of more layers those at even distances
KINDS = {"weights": "Weights over the training", "outputs": "Outputs over the training"}


class Distributions(Callback):
    """Draw the quantiles of each layer's weights and outputs over the epochs.

    The run folder gets ``plots/weights.png`` and ``plots/outputs.png`` when the training ends, and
    TensorBoard the same pictures if there is a `TensorBoard` callback, whose ``histograms`` and
    ``activations`` show each epoch alone. Outputs are those of evaluation mode for 64 samples of
    the first batch. See `firstlight.tools.figures.distributions`.

    Parameters
    ----------
    every_n_epochs : int

    Examples
    --------
    >>> from firstlight.callbacks import Distributions
    >>> spread = Distributions(every_n_epochs=5)
    """

    rank_zero_only = True
    watcher = True

    def __init__(self, every_n_epochs: int = 1) -> None:
        self.every_n_epochs: int = parse_count("Distributions: every_n_epochs", every_n_epochs)
        self._probe: Array | None = None
        self._forget()

    def on_fit_start(self, trainer: Trainer, module: Module) -> None:
        """Forget an earlier training; look at the first weights."""
        self._probe = None
        if not trainer.step:  # a new training, not a resumed one
            self._forget()
            self._add("weights", 0, _weights(module))

    def on_train_batch_end(self, batch: Any) -> None:
        """Keep samples of the first batch."""
        if self._probe is None:
            x = batch[0] if isinstance(batch, tuple) else batch
            if hasattr(x, "shape"):
                self._probe = x[:PROBE].copy()

    def on_train_epoch_end(self, trainer: Trainer, module: Module) -> None:
        """Compute the quantiles."""
        if (trainer.epoch - 1) % self.every_n_epochs:
            return
        self._add("weights", trainer.epoch, _weights(module))
        if self._probe is not None:
            outputs = layer_outputs(module, self._probe)
            floats = {n: y for n, y in outputs.items() if y.dtype.kind == "f" and y.size}
            self._add("outputs", trainer.epoch, floats)

    def on_fit_end(self, trainer: Trainer) -> None:
        """Draw the pictures."""
        if trainer.run is None:
            return
        from firstlight.tools.figures import distributions
        from firstlight.tools.language import say

        for kind, title in KINDS.items():
            epochs, quantiles = self._epochs[kind], self._quantiles[kind]
            whole = {n: np.array(rows) for n, rows in quantiles.items() if len(rows) == len(epochs)}
            names = list(whole)
            chosen = np.unique(np.linspace(0, len(names) - 1, min(len(names), MOST)).astype(int))
            if len(epochs) < 2 or not names:
                continue
            shown = {names[index]: whole[names[index]] for index in chosen}
            figure = distributions(epochs, shown, title=say(title))
            path = save_figure(figure, trainer.run, f"{kind}.png")
            writer = writer_of(trainer)
            if path is not None and writer is not None:
                writer.add_png(f"distributions/{kind}", path.read_bytes(), trainer.step)

    def state_dict(self) -> dict[str, Any]:
        """Return the quantiles of all epochs."""
        return {"epochs": self._epochs, "quantiles": self._quantiles}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state that `state_dict` returned."""
        self._epochs, self._quantiles = state["epochs"], state["quantiles"]

    def _forget(self) -> None:
        self._epochs: dict[str, list[int]] = {kind: [] for kind in KINDS}
        self._quantiles: dict[str, dict[str, list[list[float]]]] = {kind: {} for kind in KINDS}

    def _add(self, kind: str, epoch: int, arrays: dict[str, Array]) -> None:
        from firstlight.tools.figures.spread_over_time import quantiles_of

        self._epochs[kind].append(epoch)
        for name, array in arrays.items():
            rows = self._quantiles[kind].setdefault(name, [])
            rows.append(quantiles_of(array).tolist())


def _weights(module: Module) -> dict[str, Array]:
    """Return the parameters of two or more axes, by name."""
    return {name: p.data for name, p in module.named_parameters() if p.data.ndim > 1}
