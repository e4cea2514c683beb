"""The Trainer; `Trainer.fit` holds the whole training loop."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firstlight import distributed
from firstlight.checkpoints.snapshot import read_weights
from firstlight.data.preprocessing import Preprocessing, with_preprocessing
from firstlight.data.splits import as_loader
from firstlight.distributed import launch
from firstlight.distributed.synchronization import synchronize
from firstlight.runs.run import Run
from firstlight.support import rng
from firstlight.support.arguments import parse_count
from firstlight.support.backend import resolve_device
from firstlight.support.running_trainer import running
from firstlight.training import by_hand, checks, hook_manager, recording, sanity, setup, stages
from firstlight.training.accumulation import Accumulation
from firstlight.training.evaluation import Evaluator
from firstlight.training.interrupt import Interrupt, SharedInterrupt
from firstlight.training.limits import Limits
from firstlight.training.loop import Loop
from firstlight.training.means import TrainingMeans
from firstlight.training.progress import Progress
from firstlight.training.state import TrainingState

if TYPE_CHECKING:
    from types import SimpleNamespace

    from firstlight.distributed.communicator import Communicator
    from firstlight.module import Module
    from firstlight.optim import Optimizer
    from firstlight.optim.optimizers import Optimizers
    from firstlight.runs.history import History
    from firstlight.training.hook_manager import HookManager


class Trainer(TrainingState):
    """Train, validate, test and apply a `Module`.

    Parameters
    ----------
    max_epochs : int, optional
        Epochs to train; 20 if neither this nor one of the next two is given.
    max_steps : int, optional
        Optimizer steps to make.
    max_time : float or str, optional
        Wall time of the training: seconds, "HH:MM:SS" or "10 min".
    min_epochs, min_steps : int, optional
        Until then, early stopping, other requests of callbacks and ``max_time`` wait; a signal
        and ``max_steps`` do not.
    device : {"cpu", "cuda", "cuda:N", "auto"}
        Where to compute; "auto" is a GPU if one is usable.
    precision : {"32", "tf32", "bf16", "16"}
        On a GPU. "tf32" rounds the factors of matrix products; "bf16" and "16" store activations
        and their gradients as bfloat16 and float16, too. Weights, sums and losses are float32. "16"
        uses a `firstlight.optim.loss_scale`.
    capture : bool
        On a GPU, run a step or the evaluation of a batch as one CUDA graph; see
        `firstlight.training.captures`.
    strategy : {"auto", "single", "mpi", "mpi:bfloat16", "tcp", "nccl"} or Communicator
        Communication between the processes of ``mpiexec``, ``srun`` or ``torchrun``:
        `firstlight.distributed`.
    seed : int, optional
        Seed of all random generators when `fit` starts; existing loaders keep theirs. None keeps
        the current seed.
    accumulate_grad_batches : int or dict of int to int
        Batches for each optimizer step; their gradients are averaged over the samples. A
        schedule ``{epoch: batches}`` changes it at these epochs.
    limit_train_batches : int or float, optional
        Number of training batches in each epoch (int), or share of them (float).
    limit_val_batches : int or float, optional
        The same for validation.
    limit_test_batches : int or float, optional
        The same for `test`.
    limit_predict_batches : int or float, optional
        The same for `predict`.
    overfit_batches : int or float
        Train and validate on this number or share of the training batches, as a check: a correct
        network overfits them.
    fast_dev_run : bool or int
        Run one batch (or n) of every stage without a run folder, as a test of the set-up.
    val_every : int, float or str
        Epochs between validations, e.g. 1, or a share of an epoch, 0.25, "500 steps" or "10 min".
    num_sanity_val_steps : int
        Batches of validation to try before the training, so that an error in it comes at once; -1
        for all. It changes nothing: `firstlight.training.sanity`. A resumed training needs none.
    log_every_n_steps : int
        Steps between records of the training loss.
    callbacks : list of Callback or str
        Objects, or names of installed callbacks.
    metrics : list of str or Metric, optional
        Metrics to log for validation and test, e.g. ``["f1", "auc"]``: `firstlight.metrics`.
    default_callbacks : bool
        Add progress bar, checkpoints, plots, TensorBoard and the results of test samples where
        none of that kind is listed.
    runs_dir : path-like or None
        Folder of all runs; None writes no run.
    name : str, optional
        Name of the run; the module's class by default.

    Attributes and methods for callbacks (``trainer.step``, ``trainer.log`` …) are in
    `firstlight.training.state.TrainingState`.
    """

    def __init__(
        self,
        *,
        max_epochs: int | None = None,
        max_steps: int | None = None,
        max_time: float | str | None = None,
        min_epochs: int | None = None,
        min_steps: int | None = None,
        device: str = "cpu",
        precision: str = "32",
        capture: bool = True,
        strategy: str = "auto",
        seed: int | None = None,
        accumulate_grad_batches: int | dict[int, int] = 1,
        limit_train_batches: int | float | None = None,
        limit_val_batches: int | float | None = None,
        limit_test_batches: int | float | None = None,
        limit_predict_batches: int | float | None = None,
        overfit_batches: int | float = 0,
        fast_dev_run: bool | int = False,
        val_every: int | float | str = 1,
        num_sanity_val_steps: int = 2,
        log_every_n_steps: int = 50,
        callbacks: list[Any] | None = None,
        metrics: list[str] | None = None,
        default_callbacks: bool = True,
        runs_dir: str | Path | None = "runs",
        name: str | None = None,
    ) -> None:
        few = int(fast_dev_run) or overfit_batches
        batches = {
            "train": few or limit_train_batches,
            "val": few or limit_val_batches,
            "test": int(fast_dev_run) or limit_test_batches,
            "predict": int(fast_dev_run) or limit_predict_batches,
        }
        if fast_dev_run:
            max_epochs, max_steps, runs_dir, default_callbacks = 1, None, None, False
            val_every, min_epochs, min_steps = 1, None, None
        elif max_epochs is None and max_steps is None and max_time is None:
            max_epochs = 20
        self.limits: Limits = Limits(
            *(max_epochs, max_steps, max_time, batches, val_every, bool(overfit_batches)),
            min_epochs=min_epochs,
            min_steps=min_steps,
            num_sanity_val_steps=0 if fast_dev_run or overfit_batches else num_sanity_val_steps,
        )
        self.accumulation: Accumulation = Accumulation(accumulate_grad_batches)
        self.log_every_n_steps: int = parse_count("log_every_n_steps", log_every_n_steps)
        self.communicator: Communicator = distributed.communicator(strategy, device)
        self.device: str = launch.device_of_rank(resolve_device(device), self.communicator)
        self.precision: str = checks.precision(precision, self.device)
        self.capture: bool = capture
        self.seed: int | None = seed
        self.runs_dir: str | Path | None = runs_dir
        self.name: str | None = checks.run_name(name)
        self.callbacks: list[Any] = setup.resolve_callbacks(
            callbacks, default_callbacks, runs_dir, metrics
        )
        self.config = {}
        self.next_stage: str | None = None  # a stage after `fit` in the same run: "test"
        super().__init__()
        self.progress: Progress = self._new_progress()
        self.hooks: HookManager = hook_manager.attach(self.callbacks).bind(self, None)

    def fit(
        self, module: "Module", data: Any, val_data: Any = None, *, resume: str | Path | None = None
    ) -> "History":
        """Train a module.

        Parameters
        ----------
        module : Module
        data, val_data : DataSplits, (x, y) or (x, y, w) tuple, data set or loader
            w are sample weights. ``val_data`` is not needed if ``data`` holds validation data. A
            dict of such by name, ``{"clean": ..., "noisy": ...}``, also gives ``val_loss/clean`` …
        resume : {"auto", "last", "best"} or path-like, optional
            Checkpoint to resume from, with the same bytes as without the interruption; see
            `firstlight.checkpoints.resume`.

        Returns
        -------
        History
            Everything that was logged.
        """
        with self._running(module, data, val_data, resume) as (loop, hook):
            while not loop.is_over():
                loop.begin_epoch()
                for batch, ends_window in loop.batches():
                    output = loop.step(batch, ends_window)  # forward, loss, backward
                    if not ends_window:
                        continue
                    for optimizer in self.optimizer.due():  # of a dict each, none if by hand
                        hook.on_before_optimizer_step(optimizer=optimizer)
                    if not loop.step_is_skipped():
                        self.optimizer.step()
                        hook.on_before_zero_grad(optimizer=self.optimizer)
                        self.optimizer.zero_grad()
                        loop.count_step()
                        hook.on_train_batch_end(
                            output=output, batch=batch, batch_idx=self.progress.batch_idx
                        )
                        loop.end_step()
                    if self.should_stop:
                        break
                loop.end_epoch()
        self.interrupt.end_job()
        return self.history

    def train_batch(self, module: "Module", batch: Any) -> dict[str, float]:
        """Make one optimizer step on a batch, and return its loss and metrics by name.

        For loops of your own; each module needs a Trainer of its own. The first
        call makes the optimizer; after `fit` its optimizer is used. Callbacks are not called, and
        nothing is recorded. ``batch`` is what a loader yields, usually ``(x, y)``.
        """
        with setup.on_device(self.communicator, self.device, self.precision), running(self):
            by_hand.check(self, module)
            self.module = module
            self.optimizer = self.optimizer or by_hand.optimizer(self, module)
            metrics = by_hand.step(self, module, batch)
            self.progress.step += 1
        return metrics

    def validate(
        self, module: "Module", data: Any, *, checkpoint: str | Path | None = None
    ) -> dict[str, float]:
        """Return the means of loss and metrics on validation data, e.g. ``{"val_loss": 0.1}``.

        Parameters
        ----------
        module : Module
        data : DataSplits, (x, y) tuple, data set or loader
            As in `fit`; splits get the classes and the scale that the module was trained with.
        checkpoint : {"best", "last"} or path-like, optional
            Load these weights first; "best" and "last" are those of the latest `fit`.
        """
        with self.evaluating(module, checkpoint, "validate") as (evaluator, load):
            return evaluator.evaluate(load(data, "val"), "val")

    def test(
        self, module: "Module", data: Any, *, checkpoint: str | Path | None = None
    ) -> dict[str, float]:
        """Return the means on test data, and add them to the module's run; see `validate`."""
        run = self.run if module is self.module else None
        with (
            stages.stage(run, "test") as add,
            self.evaluating(module, checkpoint, "test") as (evaluator, load),
        ):
            metrics = evaluator.evaluate(load(data, "test"), "test")
            add(metrics)
        return metrics

    def predict(self, module: "Module", data: Any, *, checkpoint: str | Path | None = None) -> Any:
        """Return the NumPy results of ``predict_step`` for all samples; see `validate`."""
        with self.evaluating(module, checkpoint, "predict") as (evaluator, load):
            return evaluator.predict(load(data, "test"))

    # --- set-up ------------------------------------------------------------------------------

    @property
    def config(self) -> dict[str, Any]:
        """Settings that `fit` adds to ``config.json``; an ``argparse.Namespace`` is taken too."""
        return self._config

    @config.setter
    def config(self, settings: Any) -> None:
        self._config = checks.settings(settings)

    @contextmanager
    def _running(
        self, module: "Module", data: Any, val_data: Any, resume: str | Path | None
    ) -> Iterator[tuple[Loop, "SimpleNamespace"]]:
        """Set up a training, yield its loop and hooks, and tear it down, even on an exception."""
        with setup.computing(self.communicator, self.device, self.precision):
            checks.module(module)
            hook_manager.refuse_on_modules(module, self.callbacks)
            self.progress, self.run, self.loop = self._new_progress(), None, None
            if self.seed is not None:
                rng.seed_everything(self.seed)
            self.data: setup.TrainingData = setup.TrainingData.of(
                data, val_data, self.device, self.limits.overfit
            )
            if self.epoch_batches == 0 and self.max_epochs is None:
                raise ValueError(
                    "limit_train_batches leaves no batch to train on, and without max_epochs the "
                    "training would never end; raise the limit, or set max_epochs"
                )
            self._use(module.to(device=self.device).train())
            module._preprocessing = self.data.preprocessing
            with running(self), self.hooks.stage(self, module, "fit"):
                self.optimizer: Optimizer | Optimizers | None = setup.make_optimizer(
                    module, self.precision
                )
                self.loop: Loop | None = Loop(self, self._evaluator())
                self._open_run(resume, data)
                self.progress.status = "running"
                with self.loop.running():
                    yield self.loop, self.hooks.calls
            self.communicator.barrier()  # rank 0 may still be writing

    def _open_run(self, resume: str | Path | None, data: Any) -> None:
        """Restore the checkpoint to resume from, and open the run's folder."""
        name, place = self.name or checks.as_run_name(type(self.module).__name__.lower()), None
        if resume is not None:
            found = self.data, self.communicator, resume, self.runs_dir, name
            place = setup.restore(self.loop.checkpointing, *found)
        compared = {
            "optimizer": repr(self.optimizer),
            "max_epochs and max_steps": (self.max_epochs, self.max_steps),
            "min_epochs and min_steps": (self.limits.min_epochs, self.limits.min_steps),
            "accumulate_grad_batches": self.accumulation.schedule,
        }
        synchronize(self.communicator, self.module, compared, self.train_loader, self.val_loader)
        if place is None:
            sanity.try_validation(self, self.loop.evaluator)
        if self.runs_dir is not None and self.is_global_zero:
            config, source = recording.of_training(self, data)
            self.run: Run | None = Run(
                self.runs_dir,
                name,
                config,
                self.device,
                source=source,
                folder=None if place is None else place.run,
                records=self.history.records,
            )
            if self.communicator.size > 1:
                self.run.summary["ranks"] = self.communicator.size
            self.run.keep_preprocessing(self)

    @contextmanager
    def evaluating(
        self, module: "Module", checkpoint: str | Path | None, stage: str
    ) -> Iterator[tuple[Evaluator, Callable[[Any, str], Any]]]:
        """Set up an evaluation, and restore the mode of every submodule afterwards.

        Yields the `Evaluator`, and a function ``load(data, split)`` that returns a loader. The
        data get the preprocessing of the module's training, or of the checkpoint's run.
        """
        kept = getattr(module, "_preprocessing", None)
        if checkpoint is not None and checkpoint not in ("best", "last"):
            kept = Preprocessing.of_run(Path(checkpoint).parent.parent)
        before = self.module, self.hooks
        try:
            with setup.computing(self.communicator, self.device, self.precision):
                checks.module(module)
                with setup.modes_kept(module):
                    self._use(module.to(device=self.device))
                    with running(self), self.hooks.stage(self, module, stage):
                        if checkpoint is not None:
                            read = (
                                read_weights(checkpoint, self.run) if self.is_global_zero else None
                            )
                            read = self.communicator.gather(read)[0]
                            module.load_state_dict(read.model)
                            self.hooks.calls.on_load_checkpoint(checkpoint=read)
                        yield (
                            self._evaluator(),
                            lambda data, split: as_loader(with_preprocessing(data, kept), split),
                        )
        finally:
            if self.status == "running":  # called by a callback, maybe with another module
                self.module, self.hooks = before

    def _use(self, module: "Module") -> None:
        """Set the module, and attach the callbacks of this rank."""
        self.module: Module | None = module
        attached = setup.callbacks_of_rank(self.callbacks, self.communicator.rank)
        self.hooks = hook_manager.attach(attached).bind(self, module)

    def _evaluator(self) -> Evaluator:
        where = self.limits, self.communicator, self.device, self.dtype
        return Evaluator(self.module, self.hooks.calls, *where, self.capture)

    def _new_progress(self) -> Progress:
        alone = self.communicator.size == 1
        interrupt = Interrupt() if alone else SharedInterrupt()
        return Progress(TrainingMeans(self.communicator), interrupt)

    def announce(self, stage: str | None) -> None:
        """Name the stage that follows `fit` and belongs to its run, such as "test"."""
        self.next_stage = stage

    def leave_run(self) -> None:
        """Stop writing into the run's folder, which another process owns now."""
        self.run.leave()
        self.run = None

    def describe(self) -> str:
        """Return a text with one line for each hook: its callbacks in call order."""
        order = hook_manager.listing(hook_manager.attach(self.callbacks))
        return "\n".join(f"{hook:<26}{', '.join(names)}" for hook, names in order.items())
