"""LossSpike: detect a loss that jumps."""

import math
import statistics
import warnings
from collections import deque
from typing import Any, Literal

from firstlight.callback import Callback
from firstlight.support.arguments import parse_choice, parse_count
from firstlight.support.step_output import StepOutput
from firstlight.trainer import Trainer


class LossSpike(Callback):
    """Warn, stop or raise when a step's loss is far above those of the steps before.

    A loss is a spike if it exceeds the median of the last ``window`` losses by more than
    ``threshold`` standard deviations, and by more than the median itself. The standard deviation is
    estimated as 1.4826 times the median absolute deviation, which earlier spikes do not affect. The
    message names step and batch; ``loss_spike`` is logged. A loss that stays high is reported once.
    On a GPU each step waits for the loss. `NaNGuard` detects losses that are not finite.

    Parameters
    ----------
    window : int
        Losses to compare with; before that many steps, nothing is a spike.
    threshold : float
        In standard deviations.
    action : {"warn", "stop", "raise"}
        "stop" ends the training after the step, "raise" raises a FloatingPointError.

    Attributes
    ----------
    spikes : list of int
        The steps with a spike.

    Raises
    ------
    ValueError
        A window below 2, a threshold not above 0, another action.

    Examples
    --------
    >>> from firstlight.callbacks import LossSpike
    >>> spike = LossSpike(action="stop")
    """

    def __init__(
        self,
        window: int = 50,
        threshold: float = 6.0,
        action: Literal["warn", "stop", "raise"] = "warn",
    ) -> None:
        if not threshold > 0:
            raise ValueError(f"LossSpike: expected a threshold above 0, got {threshold}")
        self.window: int = parse_count("LossSpike: window", window, 2)
        self.threshold = threshold
        self.action: str = parse_choice("LossSpike: action", action, ("warn", "stop", "raise"))
        self.spikes: list[int] = []
        self._losses = deque(maxlen=window)
        self._up = False  # whether the latest loss was far above

    def on_fit_start(self, trainer: Trainer) -> None:
        """Reset the losses, unless the training is resumed."""
        if trainer.step == 0:
            self.spikes, self._up = [], False
            self._losses.clear()

    def on_train_batch_end(self, trainer: Trainer, output: StepOutput, batch_idx: int) -> None:
        """Compare the loss with the losses before."""
        loss = float(output.loss)
        if not math.isfinite(loss):
            return
        if len(self._losses) == self.window:
            usual = statistics.median(self._losses)
            deviation = 1.4826 * statistics.median(abs(value - usual) for value in self._losses)
            far = max(self.threshold * deviation, abs(usual))
            was_up, self._up = self._up, loss > usual + far
            if self._up and not was_up:
                self._act(trainer, loss, usual, batch_idx)
        self._losses.append(loss)

    def state_dict(self) -> dict[str, Any]:
        """Return the window and the spikes."""
        return {"spikes": list(self.spikes), "losses": list(self._losses), "up": self._up}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state that `state_dict` returned."""
        self.spikes = list(state["spikes"])
        self._losses = deque(state["losses"], maxlen=self.window)
        self._up = state["up"]

    def _act(self, trainer: Trainer, loss: float, usual: float, batch_idx: int) -> None:
        self.spikes.append(trainer.step)
        trainer.log({"loss_spike": loss})
        message = (
            f"LossSpike: step {trainer.step} (epoch {trainer.epoch}, batch {batch_idx}) has a loss "
            f"of {loss:.4g}, the median of the {self.window} before is {usual:.4g}; look at the "
            "batch, clip the gradient or lower the learning rate"
        )
        if self.action == "raise":
            raise FloatingPointError(message)
        if self.action == "stop":
            trainer.stop(message)
        else:
            warnings.warn(message, stacklevel=2)
