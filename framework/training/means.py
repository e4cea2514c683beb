"""Means of losses and metrics over many batches; sums stay on the device until they are read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.support import rng
from firstlight.support.array import Array
from firstlight.support.forms import accelerated
from firstlight.training.checks import nothing_counts

if TYPE_CHECKING:
    from firstlight.distributed.communicator import Communicator
    from firstlight.support.step_output import StepOutput

Values = dict[str, "float | Array"]
Denominators = dict[str, "float | Array | None"]


class MeanMetrics:
    """Average losses and metrics over batches, weighted by their denominators.

    Formula, for values vᵢ of batches i with denominators dᵢ, by default their samples::

        mean = Σᵢ dᵢ vᵢ / Σᵢ dᵢ

    where i runs over the batches that have this value. The mean thus does not depend on the batch
    sizes. If the denominator is None, the value is a sum and its mean is Σᵢ vᵢ / Σᵢ samplesᵢ. Sums
    are kept in double precision on the device of the values; only `compute` copies them to the
    host.

    Attributes
    ----------
    weight : int
        Samples of all batches added.

    Examples
    --------
    >>> from firstlight.training.means import MeanMetrics
    >>> means = MeanMetrics()
    >>> means.add({"loss": 2.0, "acc": 0.5}, weight=30)
    >>> means.add({"loss": 1.0}, weight=10)
    >>> means.compute(), means.weight
    ({'loss': 1.75, 'acc': 0.5}, 40)
    """

    def __init__(self) -> None:
        self._totals, self._weights = {}, {}  # name -> Σ d v, and Σ d
        self.reset()

    def reset(self) -> None:
        """Reset all sums; those on a device keep their memory."""
        self.weight: int = 0
        self._names = {}  # in order of appearance
        self._totals, self._weights = zeroed(self._totals), zeroed(self._weights)

    def add(self, values: Values, weight: int, denominators: Denominators | None = None) -> None:
        """Add the values of one batch.

        Parameters
        ----------
        values : dict of str to float or 0-d array
            Means over the batch.
        weight : int
            Number of samples in the batch.
        denominators : dict of str to float, 0-d array or None, optional
            Denominators of values that are not means over the samples; None for a sum.

        Raises
        ------
        ValueError
            A weight that is not positive; a value that is not a single number.
        """
        if weight <= 0:
            raise ValueError(
                f"MeanMetrics.add: expected a positive weight, the batch size, got {weight}"
            )
        self.add_values(values, weight, denominators)
        self.count(values, weight, denominators)

    def add_values(
        self, values: Values, weight: int, denominators: Denominators | None = None
    ) -> None:
        """Add values, and denominators on the device, to the sums; `count` adds the rest."""
        denominators = denominators or {}
        for name, value in values.items():
            if getattr(value, "ndim", 0):
                raise ValueError(
                    f"MeanMetrics.add: expected a single number for {name!r}, got an array of "
                    f"shape {value.shape}; take its mean over the batch"
                )
            denominator = denominators.get(name, weight)
            if on_device(value) or on_device(denominator):
                self.add_value(value, name, denominator)
            elif rng.is_capturing():
                raise RuntimeError(
                    f"{name!r} is a number of the host, which would be frozen in a graph"
                )
            else:  # no other form to look for, in each step
                add_to(self._totals, name, _product(value, denominator))

    @accelerated
    def add_value(self, value: float | Array, name: str, denominator: float | Array | None) -> None:
        """Add one value, and its denominator if that is on the device, to the sums of its name."""
        if on_device(denominator):
            add_to(self._weights, name, denominator)
        add_to(self._totals, name, _product(value, denominator))

    def sums_on_device(self, name: str, like: Array) -> tuple[Array, Array]:
        """Return Σ d v and Σ d of a name as arrays on the device of ``like``."""
        return device_sum(self._totals, name, like), device_sum(self._weights, name, like)

    def count(
        self, names: Iterable[str], weight: int, denominators: Denominators | None = None
    ) -> None:
        """Count a batch whose values a captured graph adds."""
        self.weight += weight
        denominators = denominators or {}
        for name in names:
            self._names[name] = None
            denominator = denominators.get(name, weight)
            if not on_device(denominator):
                add_to(self._weights, name, weight if denominator is None else denominator)

    def merge(self, other: MeanMetrics) -> None:
        """Add the sums of another MeanMetrics."""
        self.weight += other.weight
        for name in other._names:
            self._names[name] = None
            add_to(self._totals, name, other._totals[name])
            add_to(self._weights, name, other._weights[name])

    def over(self, communicator: Communicator) -> MeanMetrics:
        """Return the sums over all ranks, added in the order of the ranks."""
        if communicator.size == 1:
            return self
        total = MeanMetrics()
        for state in communicator.gather(self.state_dict()):
            part = MeanMetrics()
            part.load_state_dict(state)
            total.merge(part)
        return total

    def compute(self) -> dict[str, float]:
        """Return the means as a dict of str to float; waits for the device.

        Values whose denominators sum to 0 are left out.
        """
        weights = {name: float(self._weights[name]) for name in self._names}
        return {n: float(self._totals[n] / weight) for n, weight in weights.items() if weight}

    def is_void(self, name: str) -> bool:
        """Return whether the denominators of a value sum to 0; waits for the device."""
        return name in self._names and float(self._weights[name]) == 0

    def state_dict(self) -> dict[str, Any]:
        """Return the sums as a JSON-able dict; floats keep every bit."""
        sums = {n: [float(self._totals[n]), float(self._weights[n])] for n in self._names}
        return {"weight": self.weight, "sums": sums}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.weight, self._names = state["weight"], dict.fromkeys(state["sums"])
        self._totals = {name: total for name, (total, _) in state["sums"].items()}
        self._weights = {name: weight for name, (_, weight) in state["sums"].items()}


class TrainingMeans:
    """Accumulate losses and metrics of training steps, for records of a window and of an epoch.

    Sums stay on the device, and on their rank, until a mean is read.

    Parameters
    ----------
    communicator : Communicator
    """

    def __init__(self, communicator: Communicator) -> None:
        self._communicator = communicator
        self._window, self._epoch = MeanMetrics(), MeanMetrics()
        self._own = self._window if communicator.size == 1 else MeanMetrics()
        self._shares: list[dict[str, Any]] = []  # of the ranks, for `state_dict`

    def add(self, output: StepOutput, samples: int) -> None:
        """Add a step's `StepOutput` for a number of samples; 0 ignores it."""
        if samples:
            values = {"loss": output.loss, **output.metrics}
            self._own.add(values, samples, output.denominators)

    def sum_over_ranks(self) -> None:
        """Sum over the ranks; all of them must call it."""
        if self._own is not self._window:
            self._window.merge(self._own.over(self._communicator))
            self._own.reset()
            self._shares = []

    def gather_shares(self) -> None:
        """Collect what `state_dict` returns of the other ranks; all of them must call it.

        A sum over the ranks here would round the window's sums in another order than without it.
        """
        if self._own is not self._window:
            self._shares = self._communicator.gather(self._own.state_dict())

    def add_values(self, output: StepOutput, samples: int) -> None:
        """Add a step's values without counting it; see `MeanMetrics.add_values`."""
        if samples:
            values = {"loss": output.loss, **output.metrics}
            self._own.add_values(values, samples, output.denominators)

    def count(self, output: StepOutput, samples: int) -> None:
        """Count a step whose values were added by `add_values`."""
        if samples:
            self._own.count(("loss", *output.metrics), samples, output.denominators)

    def of_window(self) -> dict[str, float]:
        """Return ``{"train_loss_step": ...}``, the means since the last call, and reset them."""
        self.sum_over_ranks()
        means = self._window.compute()
        self._close_window()
        return {f"train_{name}_step": value for name, value in means.items()}

    def of_epoch(self) -> dict[str, float]:
        """Return ``{"train_loss": ...}``, the means over the whole epoch, and reset them.

        Raises
        ------
        ValueError
            All denominators of the epoch are 0.
        """
        self.sum_over_ranks()
        self._close_window()
        if self._epoch.is_void("loss"):
            raise ValueError(nothing_counts("the training batches of this epoch"))
        means = self._epoch.compute()
        self._epoch.reset()
        return {f"train_{name}": value for name, value in means.items()}

    def so_far(self) -> dict[str, float]:
        """Return the means of this rank's samples over the epoch so far; resets nothing."""
        total = MeanMetrics()
        for part in dict.fromkeys((self._epoch, self._window, self._own)):
            total.merge(part)
        return total.compute()

    def state_dict(self) -> dict[str, Any]:
        """Return all sums as a JSON-able dict."""
        sums = {"window": self._window.state_dict(), "epoch": self._epoch.state_dict()}
        return sums | ({"shares": self._shares} if self._shares else {})

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self._window.load_state_dict(state["window"])
        self._epoch.load_state_dict(state["epoch"])
        self._shares = state.get("shares", [])
        if len(self._shares) == self._communicator.size:
            self._own.load_state_dict(self._shares[self._communicator.rank])
            return
        for share in self._shares:  # of another number of ranks
            part = MeanMetrics()
            part.load_state_dict(share)
            self._window.merge(part)
        self._shares = []

    def _close_window(self):
        self._epoch.merge(self._window)
        self._window.reset()


def as_probabilities(scores: Array) -> Array:
    """Return the softmax of scores of shape (N, C), unless they are probabilities already.

    Rows that hold NaN or inf become NaN.
    """
    if scores.min() >= 0 and np.allclose(scores.sum(axis=1), 1, atol=1e-4):
        return scores
    with np.errstate(invalid="ignore"):
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))  # (N, C)
    return powers / powers.sum(axis=1, keepdims=True)


def on_device(value: object) -> bool:
    """Return whether a value is an array on a GPU."""
    return hasattr(value, "get")


def add_to(sums: Values, name: str, amount: float | Array) -> None:
    """Add an amount to the sum of that name; on a device in place, for captured graphs."""
    total = device_sum(sums, name, amount) if on_device(amount) else sums.get(name, 0)
    total += float(amount) if on_device(total) and not on_device(amount) else amount
    sums[name] = total


def device_sum(sums: Values, name: str, like: Array) -> Array:
    """Return the sum of that name, moved to the device of ``like``, an array of shape ()."""
    total = sums.get(name, 0)
    if not on_device(total):
        sums[name] = np.zeros_like(like, dtype="float64")
        sums[name].fill(float(total))
    return sums[name]


def zeroed(sums: Values) -> Values:
    """Return the sums that are on a device, set to 0."""
    kept = {name: total for name, total in sums.items() if on_device(total)}
    for total in kept.values():
        total.fill(0)
    return kept


def _product(value, denominator):
    """Return value · denominator in float64; a value without denominator unchanged."""
    factor = 1 if denominator is None else denominator
    if on_device(value):
        value, factor = value.astype("float64"), factor if on_device(factor) else float(factor)
    elif on_device(factor):
        value = float(value)
    else:
        factor = np.float64(factor)  # makes float32 values float64
    return value * factor
