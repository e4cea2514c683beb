"""All hooks of callbacks and plugins, and the order in which they fire.

Implement any of them as a method of a `firstlight.Callback`, or as a function or method marked
``@firstlight.hookimpl`` on any object; take only the arguments you need, by name. Hooks belong to
callbacks: a method of that name on a `firstlight.Module` is an error when `Trainer.fit` starts.

Firing order of ``Trainer.fit``, validated once an epoch::

    setup                              stage="fit"; before the optimizer is made
    on_fit_start
    for each epoch
        on_train_epoch_start
        for each optimizer step
            for each batch of its accumulation window
                on_train_batch_start
                on_before_backward
                on_after_backward
            on_before_optimizer_step
            on_before_zero_grad
            on_log                     every log_every_n_steps steps
            on_train_batch_end
        on_validation_start
        for each validation batch
            on_validation_batch_end
        on_validation_end
        on_log                         the epoch's record, validation included
        on_train_epoch_end
    on_exception                       only when something raised
    on_fit_end                         always
    teardown                           stage="fit"; always, after the run folder is complete

``Trainer.test``, and ``Trainer.predict``::

    setup                              stage="test"         setup      stage="predict"
    on_validation_start                stage="test"
    on_test_start                                           on_predict_start
    for each batch                                          for each batch
        on_validation_batch_end        stage="test"
        on_test_batch_end                                       on_predict_batch_end
    on_validation_end                  stage="test"
    on_test_end                                             on_predict_end
    teardown                           stage="test"         teardown   stage="predict"

``Trainer.validate`` fires ``setup`` and ``teardown`` with ``stage="validate"`` around the hooks of
a validation. The hooks of a validation fire in tests too, with ``stage="test"``; a callback for
validations only must check that ``stage`` is "val".

In a training with ``steps_by_hand`` the hook ``on_before_optimizer_step`` fires within
``training_step``, at each step of an optimizer, and ``on_before_backward`` and
``on_after_backward`` do not fire.

``on_save_checkpoint`` and ``on_load_checkpoint`` fire whenever a checkpoint is saved or loaded.
Within one hook, callbacks run by role (WRITER, EDITOR, READER), then in the order listed.

An exception in a hook ends the training, with a note that names the callback. If the callback has
``watcher = True``, the exception becomes a warning (`firstlight.Callback`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from firstlight.checkpoints.format import Checkpoint
    from firstlight.module import Module
    from firstlight.optim import Optimizer
    from firstlight.optim.optimizers import Optimizers
    from firstlight.plugins import Registry
    from firstlight.support.array import Array
    from firstlight.support.step_output import StepOutput
    from firstlight.trainer import Trainer

hookspec: pluggy.HookspecMarker = pluggy.HookspecMarker("firstlight")
hookimpl: pluggy.HookimplMarker = pluggy.HookimplMarker("firstlight")

# ------------------------------------------------------------------- discovery: register names


@hookspec
def register_models(registry: Registry) -> None:
    """Offer models by name: ``registry.add("mlp", MLP)``; called once, at discovery."""


@hookspec
def register_datasets(registry: Registry) -> None:
    """Offer data sets by name: ``registry.add("digits", digits)``, a function -> DataSplits."""


@hookspec
def register_callbacks(registry: Registry) -> None:
    """Offer callbacks by name: ``registry.add("early_stopping", EarlyStopping)``."""


@hookspec
def register_metrics(registry: Registry) -> None:
    """Offer metrics by name: ``registry.add("f1", F1)``, a `firstlight.metrics.Metric`."""


@hookspec
def register_commands(registry: Registry) -> None:
    """Offer commands of ``firstlight`` by name: ``registry.add("moons", Moons, "draw moons")``."""


@hookspec
def register_checks(registry: Registry) -> None:
    """Offer kinds of mistakes to ``firstlight check``: ``registry.add("my-mistake", MyMistake)``.

    Each is a subclass of `firstlight.tools.diagnose.kind.Kind`.
    """


# ---------------------------------------------------------------------------- the whole training


@hookspec
def setup(trainer: Trainer, module: Module, stage: str) -> None:
    """A stage is about to start: "fit", "validate", "test" or "predict"; change the module now.

    Module and data are on the device. At "fit" there is no optimizer yet, nor a run folder, and
    nothing has been restored from a checkpoint.
    """


@hookspec
def teardown(trainer: Trainer, module: Module, stage: str) -> None:
    """The stage is over, with or without an exception; every callback's ``teardown`` is called."""


@hookspec
def on_fit_start(trainer: Trainer, module: Module) -> None:
    """Training is about to start: module, optimizer, data and run folder are ready."""


# --------------------------------------------------------------------------- an epoch, and a step


@hookspec
def on_train_epoch_start(trainer: Trainer, module: Module) -> None:
    """Epoch ``trainer.epoch`` (the first is 1) is about to start."""


@hookspec
def on_train_batch_start(trainer: Trainer, module: Module, batch: Any, batch_idx: int) -> None:
    """A batch is on the device, and its forward is next; ``trainer.skip_epoch()`` skips it."""


@hookspec
def on_before_backward(trainer: Trainer, module: Module, loss: float | Array) -> None:
    """The forward of a batch is done; ``loss`` is its mean loss, on the device.

    On a GPU this hook turns ``capture`` off: nothing can be called between forward and backward in
    a CUDA graph.
    """


@hookspec
def on_after_backward(trainer: Trainer, module: Module) -> None:
    """The backward of a batch is done; ``grad`` holds the sum of the window so far."""


@hookspec
def on_before_optimizer_step(trainer: Trainer, module: Module, optimizer: Optimizer) -> None:
    """The gradients of the step are complete; change them, or the learning rate, now.

    If ``configure_optimizer`` returned a dict, the hook fires for each optimizer that steps next.
    """


@hookspec
def on_before_zero_grad(
    trainer: Trainer, module: Module, optimizer: Optimizer | Optimizers
) -> None:
    """The optimizer has updated the parameters; the gradients are zeroed next."""


@hookspec
def on_train_batch_end(
    trainer: Trainer, module: Module, output: StepOutput, batch: Any, batch_idx: int
) -> None:
    """The optimizer has made step ``trainer.step``; ``output`` is the `StepOutput`."""


@hookspec
def on_train_epoch_end(trainer: Trainer, module: Module) -> None:
    """The epoch and its validation are over; its means are in ``trainer.metrics``."""


# ------------------------------------------------------------------------ validation (and testing)


@hookspec
def on_validation_start(trainer: Trainer, module: Module, stage: str) -> None:
    """An evaluation is about to start; ``stage`` is "val" or "test"."""


@hookspec
def on_validation_batch_end(
    trainer: Trainer,
    module: Module,
    output: StepOutput,
    batch: Any,
    batch_idx: int,
    data_name: str,
    stage: str,
) -> None:
    """One batch was evaluated; ``output`` is the `StepOutput`, prediction included.

    ``data_name`` names its data, if there are several sets by name; otherwise it is "".
    """


@hookspec
def on_validation_end(
    trainer: Trainer, module: Module, stage: str, metrics: dict[str, float]
) -> None:
    """An evaluation is over; ``metrics`` has its means, e.g. {"val_loss": 0.1, "val_acc": 0.97}."""


# ------------------------------------------------------------------------- testing, and predicting


@hookspec
def on_test_start(trainer: Trainer, module: Module) -> None:
    """A test is about to start; `on_validation_start` was called with ``stage="test"``."""


@hookspec
def on_test_batch_end(
    trainer: Trainer,
    module: Module,
    output: StepOutput,
    batch: Any,
    batch_idx: int,
    data_name: str,
) -> None:
    """One batch was tested; ``output`` is the `StepOutput`, prediction included."""


@hookspec
def on_test_end(trainer: Trainer, module: Module, metrics: dict[str, float]) -> None:
    """A test is over; ``metrics`` has its means, e.g. {"test_loss": 0.1, "test_acc": 0.97}."""


@hookspec
def on_predict_start(trainer: Trainer, module: Module) -> None:
    """A prediction is about to start."""


@hookspec
def on_predict_batch_end(
    trainer: Trainer, module: Module, output: Any, batch: Any, batch_idx: int
) -> None:
    """One batch was predicted; ``output`` is the result of ``predict_step``, as NumPy arrays."""


@hookspec
def on_predict_end(trainer: Trainer, module: Module, predictions: Any) -> None:
    """A prediction is over; ``predictions`` joins the outputs of all batches."""


# --------------------------------------------------------------------------- records, checkpoints


@hookspec
def on_log(trainer: Trainer, record: dict[str, float]) -> None:
    """A record was logged: a flat dict with "step", "epoch", "time" (s) and named values."""


@hookspec
def on_save_checkpoint(trainer: Trainer, module: Module, checkpoint: Checkpoint) -> None:
    """A `Checkpoint` is about to be written; add to its ``extra`` (JSON-able) or ``arrays``."""


@hookspec
def on_load_checkpoint(trainer: Trainer, module: Module, checkpoint: Checkpoint) -> None:
    """A `Checkpoint` was read; restore state from its ``extra`` and ``arrays``."""


# --------------------------------------------------------------------------- the end of a training


@hookspec
def on_exception(trainer: Trainer, module: Module, exception: Exception) -> None:
    """The training raised ``exception``; `on_fit_end` follows, then it is raised again."""


@hookspec
def on_fit_end(trainer: Trainer, module: Module) -> None:
    """Training is over (see ``trainer.status``); every callback's ``on_fit_end`` is called."""
