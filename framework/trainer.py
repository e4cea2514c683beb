"""Trainer: the loop, on one screen in `Trainer.fit`."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from firstlight import distributed
from firstlight.checkpoints import snapshot
from firstlight.checkpoints.writer import CheckpointWriter
from firstlight.distributed import launch
from firstlight.runs.history import History
from firstlight.support.arguments import batch_limit, parse_count, parse_duration, parse_interval
from firstlight.support.backend import resolve_device
from firstlight.training import agreement, checks, hook_manager, loop, setup, stages
from firstlight.training.accumulation import Accumulation
from firstlight.training.evaluation import evaluate
from firstlight.training.means import TrainingMeans
from firstlight.training.prediction import predict
from firstlight.training.summary_writer import summary_writer

if TYPE_CHECKING:
    from tensorboardX import SummaryWriter


class Trainer:
    """Train, validate, test and apply a `Module`.

    Parameters
    ----------
    max_epochs : int, optional
        Epochs to train; 20 if neither this nor one of the next two is given.
    max_steps : int, optional
        Optimizer steps to make.
    max_time : float or str, optional
        How long to train: seconds, or "HH:MM:SS".
    device : {"cpu", "cuda", "cuda:N", "auto"}
        Where to compute; "auto" is a GPU if one is usable.
    precision : {"32", "tf32", "bf16", "16"}
        Of factors in a GPU's products; all else is float32. "16" has a
        `firstlight.fast.cuda.loss_scale`.
    capture : bool
        On a GPU, run forward and backward as one CUDA graph; see `firstlight.training.step`.
    strategy : {"auto", "single", "mpi", "mpi:bfloat16", "nccl"} or Communicator
        How processes that ``mpiexec`` or ``srun`` starts share the work: `firstlight.distributed`.
    seed : int, optional
        Seeds all that is random when `fit` starts, but for existing loaders; None: as seeded.
    accumulate_grad_batches : int or dict of int to int
        Batches for each optimizer step; their gradients are averaged over the samples. A
        schedule ``{epoch: batches}`` changes it at these epochs.
    limit_train_batches : int or float, optional
        Train on only so many batches (int), or this share of them (float), an epoch.
    limit_val_batches : int or float, optional
        The same for validation.
    limit_test_batches : int or float, optional
        The same for `test`.
    limit_predict_batches : int or float, optional
        The same for `predict`.
    overfit_batches : int or float
        Train and validate on these same few batches: a correct network learns them by heart.
    fast_dev_run : bool or int
        Run 1 (or n) batches of everything and keep nothing, to see whether all works.
    val_every : int or str
        Validate every so many epochs, e.g. 1, or "500 steps".
    log_every_n_steps : int
        Steps between records of the training loss.
    callbacks : list of Callback or str
        Objects, or names of installed callbacks.
    default_callbacks : bool
        Add progress bar, checkpoints, plots and TensorBoard where none of that kind is listed.
    runs_dir : path-like or None
        Where runs are kept; None keeps none.
    name : str, optional
        What to call the run; the module's class by default.

    Attributes
    ----------
    step, epoch : int
        Optimizer steps done; the epoch under way, counted from 1.
    module, optimizer, run, history
        What is trained, with what, where it is kept, what was logged.
    metrics : dict of str to float
        The latest value of everything that was logged.
    status : str
        "idle", "running", "finished", "interrupted" or "failed".
    stop_reason : str or None
        Why `stop` was called, if it was.
    """

    def __init__(
        self,
        *,
        max_epochs: int | None = None,
        max_steps: int | None = None,
        max_time: float | str | None = None,
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
        val_every: int | str = 1,
        log_every_n_steps: int = 50,
        callbacks: list | None = None,
        default_callbacks: bool = True,
        runs_dir: str | Path | None = "runs",
        name: str | None = None,
    ):
        few = int(fast_dev_run) or overfit_batches
        self.overfit = bool(overfit_batches)
        self.limits = {
            "train": few or limit_train_batches,
            "val": few or limit_val_batches,
            "test": int(fast_dev_run) or limit_test_batches,
            "predict": int(fast_dev_run) or limit_predict_batches,
        }
        if fast_dev_run:
            max_epochs, max_steps, runs_dir, default_callbacks = 1, None, None, False
            val_every = 1
        elif max_epochs is None and max_steps is None and max_time is None:
            max_epochs = 20
        for stage, limit in self.limits.items():
            batch_limit(f"limit_{stage}_batches", limit, 1)  # a bad one is an error here
        self.max_epochs = parse_count("max_epochs", max_epochs, 0, optional=True)
        self.max_steps = parse_count("max_steps", max_steps, 0, optional=True)
        self.max_time = parse_duration("max_time", max_time)
        self.accumulation = Accumulation(accumulate_grad_batches)
        self.val_every, self.val_unit = parse_interval("val_every", val_every)
        self.log_every_n_steps = parse_count("log_every_n_steps", log_every_n_steps)
        self.communicator = distributed.communicator(strategy, device)
        self.device = launch.device_of_rank(resolve_device(device), self.communicator)
        self.precision, self.capture = checks.precision(precision, self.device), capture
        self.is_global_zero, self.seed = self.communicator.rank == 0, seed
        self.runs_dir, self.name = runs_dir, checks.run_name(name)
        self.callbacks = setup.resolve_callbacks(callbacks, default_callbacks, runs_dir)
        self.config, self.hooks = {}, hook_manager.attach(self.callbacks)
        self.module = self.optimizer = self.run = self.train_loader = self.val_loader = None
        self.tokenizer = self.classes = self.preprocessing = self.target_line = None
        self.passes = self.next_stage = self.fitted = None
        self.reset()

    def reset(self):
        """Forget all progress; `fit` does so before it starts."""
        self.status = "idle"
        self.step = self.epoch = self.batch_idx = 0
        self.batch, self.batches_done, self.epoch_done = None, 0, True
        self.requested, self.writer = {}, CheckpointWriter()
        self.skips_step, self.at_boundary, self.told_not_finite = False, True, False
        self.owes_validation, self.cut_short, self.place = False, None, None
        self.history, self.metrics, self.stop_reason = History(), {}, None
        self.means = TrainingMeans(self.communicator)
        self.started, self.agreed_elapsed = time.perf_counter(), None
        self.interrupt = agreement.interrupt(self.communicator)

    def fit(self, module, data, val_data=None, *, resume=None):
        """Train a module.

        Parameters
        ----------
        module : Module
        data, val_data : DataSplits, (x, y) tuple, data set or loader
            ``val_data`` is optional, and not needed where ``data`` holds validation data.
        resume : {"auto", "last", "best"} or path-like, optional
            Go on from a checkpoint as if nothing had happened; see `firstlight.checkpoints.resume`.

        Returns
        -------
        History
            Everything that was logged.
        """
        with setup.training(self, module, data, val_data, resume) as hook:
            while not loop.is_over(self):
                loop.begin_epoch(self, hook)
                for batch, ends_window in loop.train_batches(self):
                    output = self.passes(batch, ends_window)  # forward, loss, backward
                    if not ends_window:
                        continue
                    hook.on_before_optimizer_step(
                        trainer=self, module=module, optimizer=self.optimizer
                    )
                    if loop.is_skipped(self):
                        if self.should_stop:
                            break
                        continue
                    self.optimizer.step()
                    self.optimizer.zero_grad()
                    loop.count_step(self)
                    hook.on_train_batch_end(
                        trainer=self,
                        module=module,
                        output=output,
                        batch=batch,
                        batch_idx=self.batch_idx,
                    )
                    loop.end_step(self)
                    if self.should_stop:
                        break
                loop.end_epoch(self, hook)
        return self.history

    def validate(self, module, data, *, checkpoint=None):
        """Return the means of loss and metrics on validation data, e.g. ``{"val_loss": 0.1}``.

        Parameters
        ----------
        module, data
            As in `fit`; splits get the classes and the scale that the module was trained with.
        checkpoint : {"best", "last"} or path-like, optional
            Load these weights first; "best" and "last" are those of the latest `fit`.
        """
        with setup.evaluating(self, module, checkpoint) as load:
            return evaluate(self, load(data, "val"), "val")

    def test(self, module, data, *, checkpoint=None):
        """Return the means on test data, and add them to the module's run; see `validate`."""
        run = self.run if module is self.module else None
        with stages.stage(run, "test") as add, setup.evaluating(self, module, checkpoint) as load:
            metrics = evaluate(self, load(data, "test"), "test")
            add(metrics)
        return metrics

    def predict(self, module, data, *, checkpoint=None):
        """Return what ``predict_step`` says about all samples, as NumPy arrays; see `validate`."""
        with setup.evaluating(self, module, checkpoint) as load:
            return predict(self, load(data, "test"))

    # --- what callbacks and modules may use ---------------------------------------------------

    @property
    def should_stop(self):
        """Whether to stop now: somebody asked, or steps or time are used up."""
        return (
            self.stop_reason is not None
            or self.interrupted
            or (self.max_steps is not None and self.step >= self.max_steps)
            or (self.max_time is not None and self.elapsed >= self.max_time)
        )

    @property
    def interrupted(self):
        """Whether Ctrl-C or another signal asked to stop; see `firstlight.training.interrupt`."""
        return self.interrupt.requested

    @property
    def elapsed(self):
        """Seconds since the training started; of several ranks, as they last agreed."""
        own = time.perf_counter() - self.started
        return own if self.agreed_elapsed is None else self.agreed_elapsed

    @property
    def epoch_batches(self):
        """Training batches an epoch, within the limit."""
        return batch_limit("limit_train_batches", self.limits["train"], len(self.train_loader))

    @property
    def total_steps(self):
        """Optimizer steps that the training will make, or None if only time limits it."""
        if self.max_epochs is None:
            return self.max_steps
        by_epochs = self.accumulation.steps(self.max_epochs, self.epoch_batches)
        return by_epochs if self.max_steps is None else min(by_epochs, self.max_steps)

    def stop(self, reason):
        """Ask the training to stop after this step; the reason goes into ``summary.json``."""
        self.stop_reason = reason

    def skip_step(self):
        """Leave this optimizer step out; to be called in ``on_before_optimizer_step``."""
        self.skips_step = True

    def log(self, values):
        """Log named values (floats) at the present step: to history, run folder and loggers."""
        place = {"step": self.step, "epoch": self.epoch, "time": round(self.elapsed, 4)}
        values = checks.loggable(values, reserved=place)
        record = place | values
        self.metrics |= values
        self.history.add(record)
        if self.run is not None:
            self.run.record(record)
        self.hooks.hook.on_log(trainer=self, record=record)

    @property
    def tensorboard(self) -> "SummaryWriter":
        """TensorboardX's ``SummaryWriter`` on the run, for own figures, images, texts and audio."""
        return summary_writer(self.callbacks, self.run)

    def save_checkpoint(self, path):
        """Write everything that the next step depends on to a file; see `Checkpoint`."""
        snapshot.save(self, path)

    def request_checkpoint(self, path, *, weights_only=False):
        """Have a checkpoint written once every callback is through with this step or epoch.

        So `fit` can go on from it exactly. It is written in the background; a file that cannot
        be written is a warning, and is tried again with the next one.
        """
        self.requested[Path(path)] = weights_only

    def save_requested(self):
        """Write the requested checkpoints now; the loop does so when the time has come."""
        snapshot.write_requested(self)

    def describe(self):
        """Return a text that lists each hook with the callbacks that will run there, in order."""
        order = hook_manager.listing(hook_manager.attach(self.callbacks))
        return "\n".join(f"{hook:<26}{', '.join(names)}" for hook, names in order.items())
