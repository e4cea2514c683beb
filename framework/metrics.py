"""MeanMetrics: means over many batches that leave the numbers where they are until asked."""

import numpy as np


class MeanMetrics:
    """Average losses and metrics over batches, each weighted by the number of its samples.

    Formula, for values vᵢ of batches with wᵢ samples::

        mean = Σᵢ wᵢ vᵢ / Σᵢ wᵢ

    where i runs over the batches that had this value. Sums are kept in double precision, on the
    device that the values come from; only `compute` brings them to the host.

    Attributes
    ----------
    weight : int
        Samples of all batches added.

    Examples
    --------
    >>> from firstlight.metrics import MeanMetrics
    >>> means = MeanMetrics()
    >>> means.add({"loss": 2.0, "acc": 0.5}, weight=30)
    >>> means.add({"loss": 1.0}, weight=10)
    >>> means.compute(), means.weight
    ({'loss': 1.75, 'acc': 0.5}, 40)
    """

    def __init__(self):
        self._totals = {}  # name -> Σ w v
        self.reset()

    def reset(self):
        """Forget everything added so far; sums on a device keep their place in its memory."""
        self.weight = 0
        self._samples = {}  # name -> Σ w
        for total in self._totals.values():
            if on_device(total):
                total.fill(0)
        self._totals = {n: total for n, total in self._totals.items() if on_device(total)}

    def add(self, values, weight):
        """Add the values of one batch.

        Parameters
        ----------
        values : dict of str to float or 0-d array
            Means over the batch.
        weight : int
            The number of samples they are means of.

        Raises
        ------
        ValueError
            A weight that is not positive; a value that is not a single number.
        """
        if weight <= 0:
            raise ValueError(
                f"MeanMetrics.add: expected a positive weight, the batch size, got {weight}"
            )
        self.add_values(values, weight)
        self.count(values, weight)

    def add_values(self, values, weight):
        """Add to the sums alone; `count` counts the batch."""
        factor = np.float64(weight)  # makes float32 values float64
        for name, value in values.items():
            if getattr(value, "ndim", 0):
                raise ValueError(
                    f"MeanMetrics.add: expected a single number for {name!r}, got an array of "
                    f"shape {value.shape}; take its mean over the batch"
                )
            total = self._totals.get(name, 0.0)
            if on_device(value):
                self._totals[name] = total = _array_like(value, total)
                total += value.astype("float64") * float(weight)  # in place, as graphs need it
            elif on_device(total):
                total += float(value) * weight
            else:
                self._totals[name] = total + value * factor

    def count(self, names, weight):
        """Count a batch whose values a captured graph has added."""
        self.weight += weight
        samples = self._samples
        for name in names:
            samples[name] = samples.get(name, 0) + weight

    def merge(self, other):
        """Add everything that another MeanMetrics has summed up."""
        self.weight += other.weight
        for name, samples in other._samples.items():
            total = other._totals[name]
            mine = self._totals.get(name, 0.0)
            if on_device(total):
                self._totals[name] = mine = _array_like(total, mine)
                mine += total
            else:
                self._totals[name] = mine + total
            self._samples[name] = self._samples.get(name, 0) + samples

    def over(self, communicator):
        """Return the sums of all ranks together, added in their order."""
        if communicator.size == 1:
            return self
        total = MeanMetrics()
        for state in communicator.gather(self.state_dict()):
            part = MeanMetrics()
            part.load_state_dict(state)
            total.merge(part)
        return total

    def compute(self):
        """Return the means as a dict of str to float; the one place that waits for the device."""
        return {
            name: float(self._totals[name] / samples) for name, samples in self._samples.items()
        }

    def state_dict(self):
        """Return the sums as a JSON-able dict; floats keep every bit."""
        sums = {
            name: [float(self._totals[name]), samples] for name, samples in self._samples.items()
        }
        return {"weight": self.weight, "sums": sums}

    def load_state_dict(self, state):
        """Take back what `state_dict` returned."""
        self.weight = state["weight"]
        self._totals = {name: total for name, (total, _) in state["sums"].items()}
        self._samples = {name: samples for name, (_, samples) in state["sums"].items()}


def as_probabilities(scores):
    """Return the softmax of scores of shape (N, C), unless they are probabilities already."""
    if scores.min() >= 0 and np.allclose(scores.sum(axis=1), 1, atol=1e-4):
        return scores
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))  # (N, C)
    return powers / powers.sum(axis=1, keepdims=True)


def on_device(value):
    """Return whether a value is an array on a GPU."""
    return hasattr(value, "get")


def _array_like(value, total):
    """Return a sum as a float64 array beside ``value``: itself, if it is one already."""
    if on_device(total):
        return total
    array = np.zeros_like(value, dtype="float64")
    array.fill(float(total))
    return array
