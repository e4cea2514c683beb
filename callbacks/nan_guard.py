"""NaNGuard: notices a loss or gradient that is no number before it ruins the weights."""

import warnings
from typing import Any, Literal

import numpy as np

from firstlight.callback import Callback, Role
from firstlight.callbacks._shared.nan_search import first_not_finite
from firstlight.module import Module
from firstlight.optim.optimizer import Optimizer
from firstlight.support.step_output import StepOutput
from firstlight.trainer import Trainer


class NaNGuard(Callback):
    """Stop, skip the step or raise when gradient or loss is NaN or infinite.

    The gradient is looked at before the optimizer steps, so that the weights stay as they were
    before the bad step; by its norm, which is finite only if every entry is, and whose square
    must be, as optimizers take squares. The loss is looked at after the step, for the case that it
    alone is not finite. The message names the step, the layer in whose forward or backward a bad
    value first appears (the batch goes through once more to find it, unless the training goes on),
    or else the first parameter with a bad value or gradient, and the checkpoint to go on from. On a
    GPU each step waits for the result. With ``precision="16"`` the loss scale leaves such steps
    out; only the loss is looked at then.

    Parameters
    ----------
    action : {"stop", "skip", "raise"}
        "stop" leaves the step out and ends the training, "skip" leaves the step out, warns and
        goes on, "raise" raises a FloatingPointError.
    max_skips : int
        With "skip": raise when more than so many steps in a row are bad.

    Attributes
    ----------
    skipped : int
        Bad steps so far.

    Raises
    ------
    ValueError
        Another action, or a number of skips below 1.

    Examples
    --------
    >>> from firstlight.callbacks import NaNGuard
    >>> guard = NaNGuard(action="skip")
    """

    guards_loss = True
    role = Role.WRITER  # before clipping, which spreads one NaN over the whole gradient

    def __init__(
        self, action: Literal["stop", "skip", "raise"] = "stop", max_skips: int = 10
    ) -> None:
        if action not in ("stop", "skip", "raise"):
            raise ValueError(f'NaNGuard: expected action "stop", "skip" or "raise", got {action!r}')
        if max_skips < 1:
            raise ValueError(f"NaNGuard: expected max_skips of 1 or more, got {max_skips}")
        self.action, self.max_skips = action, max_skips
        self.skipped = self._in_a_row = 0

    def on_fit_start(self, trainer: Trainer) -> None:
        """Start anew, or go on after a restart."""
        if trainer.step == 0:
            self.skipped = self._in_a_row = 0

    def on_before_optimizer_step(
        self, trainer: Trainer, module: Module, optimizer: Optimizer
    ) -> None:
        """Look at the gradient."""
        if optimizer.loss_scale is not None:
            return
        norm, largest = float(optimizer.grad_norm()), np.finfo(optimizer.flat.grad.dtype).max
        if not norm < float(largest) ** 0.5:  # NaN is not, either
            trainer.skip_step()
            layer = None if self.action == "skip" else first_not_finite(trainer)
            where = f"it starts in {layer}" if layer else culprit(module)
            what = "the gradient is not finite"
            if np.isfinite(norm):  # Adam's second moment would be infinite for good
                what = f"the gradient's norm is {norm:.3g}, and its square overflows"
            self._act(trainer, f"step {trainer.step + 1}: {what}; {where}")

    def on_train_batch_end(self, trainer: Trainer, module: Module, output: StepOutput) -> None:
        """Look at the loss."""
        if np.isfinite(output.loss):
            self._in_a_row = 0
        else:
            self._act(
                trainer,
                f"step {trainer.step}: the loss is {float(output.loss)}, its gradient was finite; "
                f"{culprit(module)}",
            )

    def state_dict(self) -> dict[str, Any]:
        """Return the counts."""
        return {"skipped": self.skipped, "in_a_row": self._in_a_row}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.skipped, self._in_a_row = state["skipped"], state["in_a_row"]

    def _act(self, trainer: Trainer, what):
        self.skipped, self._in_a_row = self.skipped + 1, self._in_a_row + 1
        message = f"NaNGuard: {what}; {_way_back(trainer)}"
        if self.action == "raise":
            raise FloatingPointError(message)
        if self.action == "skip" and self._in_a_row > self.max_skips:
            raise FloatingPointError(f"{message}; gave up after {self.max_skips} skips in a row")
        if self.action == "skip":
            warnings.warn(message, stacklevel=2)
        elif trainer.stop_reason is None:
            trainer.stop(message)


def culprit(module: Module):
    """Say which parameter is the first whose values, or else whose gradient, are not finite."""
    owners = {}
    for _, part in module.named_modules():
        for value in vars(part).values():
            owners.setdefault(id(value), type(part).__name__)
    for kind in ("data", "grad"):
        for name, parameter in module.named_parameters():
            bad = int((~np.isfinite(getattr(parameter, kind))).sum())
            if bad:
                layer = owners.get(id(parameter))
                return (
                    f"the first bad {'values are' if kind == 'data' else 'gradient is'} that of "
                    f"{name}{f' ({layer})' if layer else ''}, {bad} of {parameter.size} entries"
                )
    return "every parameter and its gradient are finite, so look at the loss, or lower lr"


def _way_back(trainer: Trainer):
    if trainer.run is None:
        return "there is no checkpoint, as this training keeps no run"
    trainer.checkpointing.writer.close()  # waits for one that is being written
    if not (trainer.run.checkpoints / "last.safetensors").is_file():
        return "there is no checkpoint yet"
    return f"the last good checkpoint is {trainer.run.shown / 'checkpoints' / 'last.safetensors'}"
