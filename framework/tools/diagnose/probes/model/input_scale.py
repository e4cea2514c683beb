"""Distribution of the inputs, and short trainings on them, standardised, and unwrapped."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from firstlight.support.array import Array
from firstlight.tools.diagnose.kind import Evidence
from firstlight.tools.diagnose.probes.arrays import batch_parts, first_samples, is_float
from firstlight.tools.diagnose.probes.model.first_step import FirstStep
from firstlight.tools.diagnose.probes.model.short_training import Trial, run_trial

SAMPLES, STEPS, SECONDS = 64, 100, 1.0
LEVELS, GAP = 256, 0.5  # of bytes; share of their range without values
OUTER = 0.4  # share of the wrapped bytes that is far from 0


@dataclass
class InputScale(Evidence):
    """The inputs of a step.

    Attributes
    ----------
    step : FirstStep
    trainable : bool
        Whether short trainings can be made.
    """

    step: FirstStep
    trainable: bool = True
    group = "data"
    where = "data"
    subject = "scale of the inputs"

    @cached_property
    def x(self) -> Any:
        """The inputs whose distribution is looked at, or None."""
        x, samples = self.step.x, self.step.samples
        if not is_float(x):
            return None
        wide = samples is not None and is_float(samples.x) and samples.x.shape[1:] == x.shape[1:]
        return samples.x if wide else x

    @cached_property
    def features(self) -> tuple[Array, Array]:
        """Mean and spread of each feature, an index of the last axis."""
        rows = self.x.reshape(-1, self.x.shape[-1]).astype("float64")
        return rows.mean(axis=0), rows.std(axis=0)

    @property
    def detail(self) -> str:
        """Mean, spread and range, for the table."""
        x = self.x
        if x is None:
            return ""
        return f"mean {x.mean():.3g}, spread {x.std():.3g}, {x.min():.3g} to {x.max():.3g}"

    def standardised(self, x: Array) -> Array:
        """Return inputs with mean 0 and spread 1 in each feature that varies."""
        mean, spread = self.features
        return ((x - mean) / np.where(spread > 0, spread, 1)).astype(x.dtype)

    @cached_property
    def unit(self) -> float:
        """The step between neighbouring values, if they are bytes whose middle is empty; else 0.

        A feature of wrapped bytes has values near both ends of a range of 255 steps. Those of
        images in black and white do so too, but lie close to the ends.
        """
        best, outer = 0.0, []
        for column in self.x.reshape(-1, self.x.shape[-1]).T[:256]:
            values = np.unique(np.round(column.astype("float64"), 6))
            steps = np.diff(values)
            if len(steps) < 3 or steps.max() < GAP * (values[-1] - values[0]):
                continue
            unit = float(np.median(steps))
            levels = (values[-1] - values[0]) / unit + 1
            whole = np.abs(steps / unit - np.round(steps / unit)).max() < 0.02
            if whole and LEVELS - 6 < levels < LEVELS + 0.5:
                best, edge = unit, values[steps.argmax()] + steps.max() / 2
                up = column - values[0]
                up = np.where(column > edge, up - LEVELS * unit, up)
                outer.append(np.mean((up > up.max() / 2) | (up < up.min() / 2)))
        return best if outer and np.mean(outer) > OUTER else 0.0

    def unwrapped(self, x: Array) -> Array:
        """Return inputs whose upper values are moved down by 256 steps, where a gap is."""
        y = x.reshape(-1, x.shape[-1]).copy()
        all_rows = self.x.reshape(-1, self.x.shape[-1])
        for index, column in enumerate(all_rows.T):
            values = np.unique(column)
            steps = np.diff(values)
            if len(steps) and steps.max() > GAP * LEVELS * self.unit:
                edge = values[steps.argmax()] + steps.max() / 2
                y[y[:, index] > edge, index] -= LEVELS * self.unit
        return y.reshape(x.shape)

    def trial(self, change: Any = None) -> Trial:
        """Train on the batch, with its inputs changed; without a step if the model refuses them."""
        batch = first_samples(self.step.batch, SAMPLES)
        if change is not None:
            batch = (change(batch[0]), *batch[1:])
        try:
            return run_trial(self.step.model, batch, steps=STEPS, seconds=SECONDS)
        except Exception:
            return Trial([math.inf])

    @property
    def comparable(self) -> bool:
        """Whether the loss of changed inputs means the same: the batch has targets."""
        batch = self.step.batch
        pair = isinstance(batch, tuple) and batch_parts(batch)[1] is not None
        return self.trainable and pair and self.step.y is not None
