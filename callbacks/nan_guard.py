"""NaNGuard: detect a loss or gradient that is not finite before it reaches the weights."""

import warnings
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from firstlight.callback import Callback, Role
from firstlight.module import Module
from firstlight.optim.optimizer import Optimizer
from firstlight.support.arguments import parse_choice, parse_count
from firstlight.support.batches import leaves
from firstlight.support.half import single
from firstlight.support.step_output import StepOutput
from firstlight.trainer import Trainer
from firstlight.training.dry_runs import dry_run


class NaNGuard(Callback):
    """Stop, skip the step or raise when gradient or loss is NaN or infinite.

    The gradient is checked before the optimizer steps, so that the weights stay as they were. Its
    norm is finite only if every entry is, and the norm's square must be finite too, because
    optimizers square gradients. The loss is checked after the step, in case only the loss is not
    finite. The message names the step, the layer in whose forward or backward the first bad value
    appears (the batch runs again to find it, unless bad steps are skipped or steps are made by
    hand), or else the first parameter with a bad value or gradient, and the checkpoint to resume
    from. On a GPU each step waits for the result. With ``precision="16"`` the loss scale leaves bad
    steps out, so only the loss is checked.

    Parameters
    ----------
    action : {"stop", "skip", "raise"}
        "stop" leaves the step out and ends the training, "skip" leaves the step out and warns,
        "raise" raises a FloatingPointError.
    max_skips : int
        Raise if more steps than this in a row are bad: with "skip", and with "stop" in a training
        that may not stop yet (``Trainer(min_steps=...)``).

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
        self.action: str = parse_choice("NaNGuard: action", action, ("stop", "skip", "raise"))
        self.max_skips: int = parse_count("NaNGuard: max_skips", max_skips)
        self.skipped: int = 0
        self._in_a_row = 0
        self._skipped = None  # epoch and batch of the latest bad gradient

    def on_fit_start(self, trainer: Trainer) -> None:
        """Reset the counts, unless the training is resumed."""
        self._skipped = None
        if trainer.step == 0:
            self.skipped = self._in_a_row = 0

    def on_before_optimizer_step(
        self, trainer: Trainer, module: Module, optimizer: Optimizer
    ) -> None:
        """Check the gradient."""
        place = trainer.epoch, trainer.progress.batches_done
        if optimizer.loss_scale is not None or place == self._skipped:
            return  # the latter if another optimizer's gradient was bad in this batch
        norm, largest = float(optimizer.grad_norm()), np.finfo(optimizer.flat.grad.dtype).max
        if not norm < float(largest) ** 0.5:  # NaN is not, either
            trainer.skip_step()
            self._skipped = place
            runs_again = self.action != "skip" and not module.steps_by_hand
            layer = first_not_finite(trainer) if runs_again else None
            where = f"it starts in {layer}" if layer else first_bad_parameter(module)
            what = "the gradient is not finite"
            if np.isfinite(norm):  # Adam's second moment would be infinite for good
                what = f"the gradient's norm is {norm:.3g}, and its square overflows"
            self._act(trainer, f"step {trainer.step + 1}: {what}; {where}")

    def on_train_batch_end(self, trainer: Trainer, module: Module, output: StepOutput) -> None:
        """Check the loss."""
        if np.isfinite(output.loss):
            self._in_a_row = 0
        else:
            self._act(
                trainer,
                f"step {trainer.step}: the loss is {float(output.loss)}, its gradient was finite; "
                f"{first_bad_parameter(module)}",
            )

    def state_dict(self) -> dict[str, Any]:
        """Return the counts."""
        return {"skipped": self.skipped, "in_a_row": self._in_a_row}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state that `state_dict` returned."""
        self.skipped, self._in_a_row = state["skipped"], state["in_a_row"]

    def _act(self, trainer: Trainer, what: str) -> None:
        self.skipped, self._in_a_row = self.skipped + 1, self._in_a_row + 1
        message = f"NaNGuard: {what}; {_checkpoint_hint(trainer)}"
        if self.action == "raise":
            raise FloatingPointError(message)
        if self._in_a_row > self.max_skips:  # "stop" may have to wait for min_steps
            raise FloatingPointError(f"{message}; gave up after {self.max_skips} skips in a row")
        if self.action == "skip":
            warnings.warn(message, stacklevel=2)
        elif trainer.stop_reason is None:
            trainer.stop(message)


def first_bad_parameter(module: Module) -> str:
    """Describe the first parameter whose values, or else whose gradient, are not finite."""
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


def first_not_finite(trainer: Trainer) -> str | None:
    """Return the place where the latest batch first produces a NaN or an infinity.

    Forward, loss and backward run again with a check after every module; the state is restored.

    Parameters
    ----------
    trainer : Trainer
        Before its optimizer step, so that the weights are still those of the batch's forward.

    Returns
    -------
    str or None
        E.g. ``"the forward of body.3 (Linear)"``. None if all is finite this time: the first bad
        value was in an earlier batch of an accumulated step, or is in the parameters alone.
    """
    bad = _where_in_batch(trainer.progress.batch)
    if bad:
        return bad
    from firstlight.tools.diagnose.probes.recorded_calls import wrapped

    found = []

    def watching(phase: str) -> Callable[..., Any]:
        def wrapper(name: str, part: Module, method: Callable[..., Any]) -> Callable[..., Any]:
            place = f"{name} ({type(part).__name__})" if name else type(part).__name__

            def watched(*inputs: Any) -> Any:
                result = method(*inputs)
                if not found and not _all_finite(result):  # inner modules return first
                    found.append(f"the {phase} of {place}")
                return result

            return watched

        return wrapper

    module, batch = trainer.module, trainer.progress.batch
    with (
        dry_run(module, trainer.optimizer, trainer.train_loader),
        wrapped(module, watching("forward"), watching("backward")),
    ):
        output = module.training_step(batch)
        if not found:
            module.backward(output.dy)
    return found[0] if found else None


def _where_in_batch(batch: Any, place: str = "the batch") -> str | None:
    """Return where a batch, of arrays in tuples and dicts, has a value that is not finite."""
    parts = {}
    if isinstance(batch, dict):
        parts = {f"{place}[{key!r}]": part for key, part in batch.items()}
    elif isinstance(batch, tuple):
        parts = {f"{place}[{index}]": part for index, part in enumerate(batch)}
    elif not _all_finite(batch):
        return place
    return next(filter(None, (_where_in_batch(b, p) for p, b in parts.items())), None)


def _all_finite(value: Any) -> bool:
    if value is None:
        return True
    if isinstance(value, (tuple, dict)):
        return all(map(_all_finite, leaves(value)))
    value = single(value)
    return getattr(value, "dtype", np.dtype(float)).kind != "f" or bool(np.isfinite(value).all())


def _checkpoint_hint(trainer: Trainer) -> str:
    if trainer.run is None:
        return "there is no checkpoint, as this training keeps no run"
    trainer.checkpointing.writer.close()  # waits for one that is being written
    if not (trainer.run.checkpoints / "last.safetensors").is_file():
        return "there is no checkpoint yet"
    return f"the last good checkpoint is {trainer.run.shown / 'checkpoints' / 'last.safetensors'}"
