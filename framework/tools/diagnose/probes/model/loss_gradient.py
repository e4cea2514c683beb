"""Gradient of a training step: the dy that it returns, and all parameters, against its loss."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.support.array import Array
from firstlight.tools.diagnose.kind import Evidence, Place
from firstlight.tools.diagnose.probes.arrays import (
    Batch,
    as_float64,
    batch_parts,
    flattened,
    map_arrays,
    nested_like,
    standard_normal,
)
from firstlight.tools.diagnose.probes.model.first_step import FirstStep
from firstlight.tools.diagnose.probes.model.loss_view import LossView
from firstlight.tools.diagnose.probes.module.gradients import Gradient, compare_gradients
from firstlight.tools.diagnose.probes.module.rerun import Rerun
from firstlight.tools.diagnose.probes.places import line_of

DIRECTIONS, STEP = 3, 1e-6


class StepAsModule(Module):
    """A module whose forward is the loss of a training step, and whose backward is the model's."""

    def __init__(self, model: Module, batch: Batch):
        self.model = model
        self.batch = lambda: map_arrays(batch, as_float64)  # no part of the module
        self.dy: Any = None

    def forward(self, _: Array) -> Array:
        """Return the loss."""
        for part in self.modules():
            part._stack = []  # the loss saves and undoes within one step
        output = self.model.training_step(self.batch())
        self.dy = output.dy
        return np.asarray(output.loss, "float64").reshape(1)

    def backward(self, dloss: Array) -> None:
        """Run the model's backward."""
        self.model.backward(self.dy)


@dataclass
class LossGradient(Evidence):
    """The gradients of a training step.

    Attributes
    ----------
    step : FirstStep
    small : batch
        Few samples of its batch.
    backward_is_right : bool
        Whether the model's backward is known to be right.
    """

    step: FirstStep
    small: Batch
    backward_is_right: bool = True
    group = "loss"
    where = "training_step"
    gradient = "dy"
    subject = "gradient of training_step"

    @cached_property
    def view(self) -> LossView:
        """The loss of few samples as a function of the output."""
        return LossView(self.step.model, self.small)

    @property
    def type(self) -> str:  # type: ignore[override]
        """The class of the model."""
        return type(self.step.model).__name__

    @cached_property
    def at(self) -> Place | None:  # type: ignore[override]
        """The line of an own training_step that mentions dy, or its first line."""
        return line_of(type(self.step.model).training_step, "StepOutput(")

    @cached_property
    def dy(self) -> Any:
        """The dy that training_step returns for few samples; None without one array."""
        view = self.view
        view.step()  # values kept from a first forward must not affect the others
        dy = view.step().dy
        return dy if dy is None or isinstance(dy, (tuple, list, dict)) else np.asarray(dy)

    @property
    def output(self) -> Any:
        """The output of forward that dy belongs to."""
        return self.view.output

    @property
    def targets(self) -> tuple[Any, Any]:
        """The targets and the mask of the few samples."""
        return batch_parts(self.view.batch)[1:]

    @property
    def fits(self) -> bool:
        """Whether dy is an array of the output's size."""
        return isinstance(self.dy, np.ndarray) and self.dy.size == np.size(self.output)

    @cached_property
    def slopes(self) -> tuple[Array, Array]:
        """Derivatives of the loss along random directions of the output, by dy and by the loss."""
        view, dy, rng, pairs = self.view, self.dy, np.random.default_rng(7), []
        for _ in range(DIRECTIONS):
            v = standard_normal(rng, dy)
            try:
                up, down = (
                    float(view.step(lambda y, change=sign * STEP * v: y + change).loss)
                    for sign in (1, -1)
                )
            except ValueError:  # another shape than the output's
                up = down = float("nan")
            pairs.append((float((dy * v).sum()), (up - down) / (2 * STEP)))
        claimed, numeric = np.array(pairs).T
        return claimed, numeric

    @property
    def dy_is_right(self) -> bool:
        """Whether dy agrees with differences of the loss."""
        claimed, numeric = self.slopes
        size = max(float(np.sqrt(np.square(self.dy).sum())), float(np.abs(numeric).max()))
        tolerated = 1e-5 * size + 1e-9 * (1 + abs(self.step.loss))
        return bool((np.abs(claimed - numeric) <= tolerated).all())  # False for NaN

    @property
    def detail(self) -> str:
        """The largest error of dy, for the table."""
        if not self.fits:
            return "training_step returns no dy" if self.dy is None else ""
        claimed, numeric = self.slopes
        size = max(float(np.sqrt(np.square(self.dy).sum())), float(np.abs(numeric).max()), 1e-300)
        return f"error {np.abs(claimed - numeric).max() / size:.0e}"

    @cached_property
    def _rerun(self) -> Rerun:
        whole = StepAsModule(self.step.model, self.small)
        rerun = Rerun(whole, [np.arange(1)], fresh=True, outermost=True)
        rerun.dy = np.ones(1)
        return rerun

    @cached_property
    def wrong_parameters(self) -> list[Gradient]:
        """The parameters whose gradient, after backward, is not the loss's."""
        found = compare_gradients(self._rerun)
        return [one for one in found if one.status == "wrong" and one.values is not None]

    @property
    def is_right_as_a_whole(self) -> bool:
        """Whether dy alone is wrong, and all gradients of parameters are right."""
        try:
            return self.fits and not self.dy_is_right and not self.wrong_parameters
        except Exception:  # a step that cannot be repeated
            return False

    @cached_property
    def before_backward(self) -> dict[str, Array]:
        """The gradients that training_step itself adds, before backward."""
        found: dict[str, Array] = {}
        trained = self._rerun.trained
        self._rerun.backward(between=lambda: found.update((n, p.grad.copy()) for n, p in trained))
        return found

    @cached_property
    def outputs_interact(self) -> bool:
        """Whether the loss combines several outputs, of which one may be meant as a constant.

        An actor's loss, for example, is weighted by the advantage over the critic's value.
        """
        if isinstance(self.dy, np.ndarray):
            return False
        rng, leaves = np.random.default_rng(7), flattened(self.output)
        moves = [standard_normal(rng, leaf) for leaf in leaves]

        def loss(moved):
            values = [leaf + v if i in moved else leaf for i, (leaf, v) in enumerate(pairs)]
            return self.view.loss(lambda y: nested_like(y, iter(values)))

        pairs, every = list(zip(leaves, moves, strict=True)), range(len(leaves))
        start = loss(())
        alone = sum(loss((i,)) - start for i in every)
        return abs(loss(every) - start - alone) > 1e-6 * (1 + abs(alone))

    @property
    def several_forwards(self) -> bool:
        """Whether a step runs the model's forward more than once, such as for a fixed target."""
        return sum(call.name == "" for call in self.step.tops) != 1
