"""Single steps without `Trainer.fit`: what `Trainer.train_batch` is made of."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

from firstlight.distributed.sharding import shards
from firstlight.distributed.synchronization import synchronize
from firstlight.support import rng
from firstlight.support.batches import placed
from firstlight.training import checks, optimizer_checks, setup
from firstlight.training.accumulation import Accumulation
from firstlight.training.means import TrainingMeans
from firstlight.training.step import EagerStep, HandStep

if TYPE_CHECKING:
    from firstlight.module import Module
    from firstlight.optim import Optimizer
    from firstlight.optim.optimizers import Optimizers
    from firstlight.trainer import Trainer

_owners = WeakKeyDictionary()  # of an optimizer, the module it was found to train

NO_HOOKS = SimpleNamespace(
    on_before_backward=lambda **_: None,
    on_after_backward=lambda: None,
    on_before_optimizer_step=lambda **_: None,
)


def optimizer(trainer: Trainer, module: Module) -> Optimizer | Optimizers:
    """Move the module to the trainer's device, and return its new optimizer."""
    if trainer.seed is not None:
        rng.seed_everything(trainer.seed)
    optimizer_checks.stepped_by_hand(module, {1: 1}, trainer.communicator.size)
    made = setup.make_optimizer(module.to(device=trainer.device), trainer.precision)
    synchronize(trainer.communicator, module, {"optimizer": repr(made)}, None, None)
    return made


def check(trainer: Trainer, module: Module) -> None:
    """Raise an error if the trainer cannot make a step of this module now.

    Raises
    ------
    TypeError
        It is no module.
    RuntimeError
        `Trainer.fit` is running.
    ValueError
        The trainer has the optimizer of another module.
    """
    checks.module(module)
    if trainer.status == "running":
        raise RuntimeError(
            "Trainer.train_batch: fit is running, and makes the steps itself; call it before or "
            "after fit, or use another Trainer with another module"
        )
    if trainer.optimizer is None or _owners.get(trainer.optimizer, lambda: None)() is module:
        return
    own = {id(parameter) for parameter in module.parameters()}
    if not all(id(parameter) in own for parameter, _ in trainer.optimizer.flat.windows):
        raise ValueError(
            f"Trainer.train_batch: this Trainer has the optimizer of another module, got another "
            f"{type(module).__name__}; make one Trainer for each module: fl.Trainer()"
        )
    _owners[trainer.optimizer] = ref(module)


def step(trainer: Trainer, module: Module, batch: Any) -> dict[str, float]:
    """Make one optimizer step in training mode, and return the means of loss and metrics."""
    means = TrainingMeans(trainer.communicator)
    if not module.training:
        module.train()
    if trainer.device != "cpu" and not module.steps_by_hand:
        rng.begin_pass()
    collaborators = module, trainer.optimizer, Accumulation(1), means, NO_HOOKS
    eager = EagerStep(*collaborators)
    if module.steps_by_hand:
        eager = HandStep(*collaborators, trainer.progress)
    for shard in shards([batch], trainer.communicator):
        eager(placed(shard, trainer.device, trainer.optimizer.flat.data.dtype), ends_window=True)
    trainer.optimizer.step()
    trainer.optimizer.zero_grad()
    if trainer.step == 0:
        checks.all_undone(module)
    means.sum_over_ranks()
    return means.so_far()
