"""First step: one training step of a model on one batch, measured when a kind asks for it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.support.step_output import StepOutput
from firstlight.tools.diagnose.kind import Evidence
from firstlight.tools.diagnose.probes.arrays import (
    Batch,
    batch_parts,
    is_float,
    map_arrays,
    small_batch,
)
from firstlight.tools.diagnose.probes.model.loss_view import LossView
from firstlight.tools.diagnose.probes.module_state import ModuleState, detached_copy
from firstlight.tools.diagnose.probes.recorded_calls import Call, all_calls, recorded_step
from firstlight.tools.diagnose.probes.samples import Samples


@dataclass
class FirstStep(Evidence):
    """A training step on a copy of a model.

    Attributes
    ----------
    model : Module
    batch
        A batch that ``training_step`` takes.
    classes : int or None
        The number of classes of the data, if it is known.
    samples : Samples or None
        More of the data than the batch.
    may_fail : bool
        Whether a step that raises is looked at nevertheless; it has no output.
    """

    model: Module
    batch: Batch
    classes: int | None = None
    samples: Samples | None = None
    may_fail: bool = False
    group = "step"
    where = "data"
    subject = "loss at the start"

    @cached_property
    def _recorded(self) -> tuple[Module, StepOutput | None, list[Call]]:
        return recorded_step(self.model, self.batch, may_fail=self.may_fail)

    @property
    def tops(self) -> list[Call]:
        """The outermost calls."""
        return self._recorded[2]

    @property
    def output(self) -> StepOutput | None:
        """What ``training_step`` returned."""
        return self._recorded[1]

    @property
    def loss(self) -> float:
        """The loss; NaN without one."""
        return float("nan") if self.output is None else float(self.output.loss)

    @property
    def detail(self) -> str:
        """The loss, for the table."""
        return f"{self.loss:.4g}"

    @property
    def prediction(self) -> Any:
        """The model's output."""
        found = None if self.output is None else self.output.prediction
        return self.own.output if found is None and self.own is not None else found

    @property
    def own(self) -> Call | None:
        """The first call of the model itself, None without one."""
        return next((call for call in self.tops if call.name == ""), None)

    @cached_property
    def last(self) -> Call | None:
        """The call of the layer that made the model's output, None without one."""
        whole = self.own
        leaves = [] if whole is None else [call for call in all_calls([whole]) if not call.parts]
        if not leaves or leaves[-1] is whole or not isinstance(leaves[-1].output, np.ndarray):
            return None
        return leaves[-1] if np.array_equal(leaves[-1].output, whole.output) else None

    @property
    def x(self) -> Any:
        """The inputs."""
        return batch_parts(self.batch)[0]

    @cached_property
    def y(self) -> Any:
        """The targets; None if the loss does not depend on them, or there are none."""
        tried = isinstance(self.batch, tuple) and self.output is not None
        unused = tried and not uses_labels(self.model, self.batch)
        return None if unused else batch_parts(self.batch)[1]

    @property
    def has_class_scores(self) -> bool:
        """Whether the model gives a number for each class of an integer label."""
        z, y = self.prediction, self.y
        integers = hasattr(y, "dtype") and y.dtype.kind in "iub"
        return integers and hasattr(z, "ndim") and z.ndim == y.ndim + 1

    @property
    def broadcasts(self) -> bool:
        """Whether targets and prediction have equally many numbers, but not the same shape."""
        y, z = self.y, self.prediction
        floats = is_float(y) and is_float(z)
        return floats and y.shape != z.shape and y.size == z.size > 1

    @cached_property
    def view(self) -> LossView:
        """The loss of few samples as a function of the model's output."""
        return LossView(self.model, small_batch(self.batch))

    @property
    def own_step(self) -> bool:
        """Whether the model defines ``training_step`` itself."""
        return type(self.model).training_step is not Module.training_step

    def loss_of(self, batch: Batch) -> float:
        """Return the loss of another batch."""
        return float(detached_copy(self.model).train().training_step(batch).loss)

    def half_loss(self) -> float:
        """Return the loss of the first half of the samples."""
        return self.loss_of(map_arrays(self.batch, lambda array: array[: len(self.x) // 2]))


def uses_labels(model: Module, batch: Any) -> bool:
    """Return whether the loss of a batch (x, y) changes with the order of y."""
    if type(model).training_step is Module.training_step:
        return True
    twin = detached_copy(model).train()
    state, losses = ModuleState(twin), []
    rolled = (batch[0], *(np.roll(part, 1, axis=0) for part in batch[1:2]), *batch[2:])
    for each in (batch, rolled):
        state.restore()
        losses.append(float(twin.train().training_step(each).loss))
    return len(batch) > 1 and losses[0] != losses[1]
