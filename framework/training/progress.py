"""The progress of a training: its state apart from arrays, as saved in checkpoints."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from firstlight.runs.history import History
from firstlight.training.interrupt import Interrupt
from firstlight.training.means import TrainingMeans

if TYPE_CHECKING:
    from pathlib import Path

SAVED = (
    *("epoch_done", "batches_done", "owes_validation", "validated", "skips_epoch"),
    "stop_reason",
)


@dataclass
class Progress:
    """Position of a training, pending validations and requests, and logged values.

    Only `firstlight.training.loop.Loop` writes it. Callbacks add requests through `Trainer`
    (``stop``, ``skip_step``, ``skip_epoch``, ``request_checkpoint``).

    Attributes
    ----------
    means : TrainingMeans
        Sums of the losses and metrics since the last record, and over the epoch.
    interrupt : Interrupt
        Signals that request a stop.
    status : {"idle", "running", "finished", "interrupted", "failed"}
    step, epoch : int
        Optimizer steps done; the current or just completed epoch, counted from 1.
    batches_done : int
        Trained batches of the epoch.
    epoch_done : bool
        The epoch is over: validated, logged, and the callbacks have run.
    at_boundary : bool
        True where resuming is bit-exact: between steps or epochs, after every callback has run.
    owes_validation : bool
        A validation by steps was interrupted; a resumed training starts with it.
    validated : float
        Where the last validation within an epoch was; see `Limits.validation_place`.
    stop_reason : str or None
        Reason given to `Trainer.stop`.
    skips_step, skips_epoch : bool
        A callback requested to skip this step, or the rest of this epoch.
    requested : dict of path to bool
        Checkpoints requested by callbacks; True for weights only.
    batch, batch_idx
        The current batch, and its index in the epoch, from 0.
    metrics : dict of str to float
        Latest value of everything that was logged.
    history : History
    """

    means: TrainingMeans
    interrupt: Interrupt = field(default_factory=Interrupt)
    status: str = "idle"
    step: int = 0
    epoch: int = 0
    batches_done: int = 0
    epoch_done: bool = True
    at_boundary: bool = True
    owes_validation: bool = False
    validated: float = 0
    stop_reason: str | None = None
    skips_step: bool = False
    skips_epoch: bool = False
    requested: dict[Path, bool] = field(default_factory=dict)
    batch: Any = None
    batch_idx: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    history: History = field(default_factory=History)
    started: float = field(default_factory=lambda: time.perf_counter())
    epoch_started: float = 0.0
    agreed_elapsed: float | None = None

    @property
    def elapsed(self) -> float:
        """Seconds since the training started; several ranks use the time of their agreement."""
        return self.clock() if self.agreed_elapsed is None else self.agreed_elapsed

    def clock(self) -> float:
        """Return the seconds since the training started by this rank's own clock."""
        return time.perf_counter() - self.started

    def place(self) -> dict[str, float]:
        """Return the first entries of every record: step, epoch and time in seconds."""
        return {"step": self.step, "epoch": self.epoch, "time": round(self.elapsed, 4)}

    def take_requests(self) -> dict[Path, bool]:
        """Return the requested checkpoints, and clear the requests."""
        requested, self.requested = self.requested, {}
        return requested

    def state_dict(self) -> dict[str, Any]:
        """Return the state without ``step`` and ``epoch``, as a JSON-able dict."""
        return {name: getattr(self, name) for name in SAVED} | {
            "elapsed": self.elapsed,
            "means": self.means.state_dict(),
            "metrics": dict(self.metrics),
            "history": list(self.history.records),
        }

    def load_state_dict(self, step: int, epoch: int, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.step, self.epoch = step, epoch
        for name in SAVED:
            setattr(self, name, state.get(name, getattr(self, name)))  # older files lack some
        self.started = time.perf_counter() - state["elapsed"]
        self.means.load_state_dict(state["means"])
        self.metrics, self.history = dict(state["metrics"]), History(state["history"])
