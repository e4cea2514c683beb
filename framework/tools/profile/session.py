"""Session: measures some steps of a running training, and leaves no trace in it."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from firstlight.support.wrapping import Wrapping, wrappable_modules
from firstlight.tools.profile.clocks import clock_of
from firstlight.tools.profile.flops import step_flops
from firstlight.tools.profile.profile import Profile, profile_of
from firstlight.tools.profile.recorder import OWN, MemoryRecorder, Recorder, Span, span_seconds
from firstlight.training.dry_runs import dry_run
from firstlight.training.hook_failures import display_name

if TYPE_CHECKING:
    from firstlight.module import Module
    from firstlight.trainer import Trainer

PHASES = ("forward", "backward")
EAGER = "steps are profiled launch by launch"  # in place of a CUDA graph
GPU_NOTE = (
    "times are those of CUDA events on the stream; the steps ran launch by launch, and as a "
    "CUDA graph they are faster"
)
MEMORY_NOTE = (
    "held: what forward leaves in memory, less the outputs that a container frees; peak: the most "
    "at once; both without scratch arrays that are used again"
)
RANKS_NOTE = "operations are not counted where several ranks share a step"


class Session:
    """Measure steps of a training: warm-up, then bare and profiled ones in turn, then the memory.

    Layers are wrapped in profiled steps only, while forward and backward run. The training's bytes
    stay the same.

    Parameters
    ----------
    trainer : Trainer
        Within ``on_fit_start``.
    warm_up, steps : int
        Steps before the measurement, and profiled ones.
    done : callable
        Is called after the last step.

    Attributes
    ----------
    steps : list of (float, list of Span)
        Seconds and spans of each profiled step.
    length : int
        All steps of a complete measurement.
    """

    def __init__(
        self,
        trainer: Trainer,
        *,
        warm_up: int,
        steps: int,
        done: Callable[[], None],
    ) -> None:
        self.steps: list[tuple[float, list[Span]]] = []
        self._bare: list[float] = []
        self._memory: list[Span] = []
        self._flops: Counter[str] = Counter()
        self._trainer, self._module, self._done = trainer, trainer.module, done
        self._modules = wrappable_modules(self._module)
        self._on_gpu = trainer.device != "cpu"
        self._clock = clock_of(trainer.device)
        self._recording = span_seconds(self._clock)
        self._plan = ["flops"] if trainer.communicator.size == 1 else []
        self._plan += ["warm-up"] * warm_up + ["bare", "profiled"] * steps + ["memory"]
        self.length: int = len(self._plan)
        self._kind, self._recorder, self._began, self._spoiled = "", None, -1, False
        self._timing = Recorder(self._clock)
        self._wrapped, self._started_tracing = None, False
        self._training, self._of_step = Wrapping(), Wrapping()
        self._training.replace(trainer.loop, "batches", self._marking)
        if getattr(trainer.loop.step, "reason", EAGER) is None:  # a GPU's steps are captured
            self._training.replace(trainer.loop.step.captures, "reason", lambda reason: EAGER)

    def spoil(self) -> None:
        """Do not count the current step: something else, such as a validation, runs within it."""
        self._spoiled = True

    def detach(self) -> None:
        """Drop the current step, and remove everything from the training."""
        self._drop()
        self._training.restore()

    def profile(self, product_flops: float) -> Profile | None:
        """Return the profile of the steps so far; None before the first.

        ``product_flops`` is the speed to compare with; see `product_speed`.
        """
        if not self.steps or not self._bare:
            return None
        names = {name: type(part).__name__ for name, part in self._modules}
        notes = [GPU_NOTE] if self._on_gpu else [MEMORY_NOTE] if self._memory else []
        if self._trainer.communicator.size > 1:
            notes.append(RANKS_NOTE)
        return profile_of(
            self.steps,
            self._bare,
            self._memory,
            self._flops,
            names,
            self._recording,
            product_flops=product_flops,
            device=self._trainer.device,
            notes=notes,
        )

    # --- the boundaries of steps ---------------------------------------------------------------

    def _marking(self, batches: Callable[[], Iterator[Any]]) -> Callable[[], Iterator[Any]]:
        """Wrap the loop's iterator of batches: a step begins where its first batch is loaded."""

        def marked() -> Iterator[Any]:
            iterator = batches()
            try:
                while True:
                    self._boundary()
                    load = next if self._recorder is None else self._wrapped.load
                    batch = load(iterator, None)
                    if batch is None:
                        self._drop()
                        return
                    yield batch
            finally:
                iterator.close()

        return marked

    def _boundary(self):
        """End the current step if the optimizer has stepped, and begin the next one."""
        if self._kind and self._trainer.step == self._began:
            return  # within an accumulation window
        if self._kind:
            self._finish_step()
        if not self._plan:
            self.detach()
            self._done()
            return
        self._kind, self._began = self._plan[0], self._trainer.step
        if self._kind == "flops":
            self._of_step.replace(self._trainer.loop, "step", self._counting_flops)
        elif self._kind == "profiled":
            self._recorder = self._timing
        elif self._kind == "memory":
            if not self._on_gpu and not tracemalloc.is_tracing():
                tracemalloc.start()
                self._started_tracing = True
            self._recorder = MemoryRecorder(self._clock, self._on_gpu)
        if self._recorder is not None:
            self._wrap_loop()
            self._recorder.start()
        else:
            self._start = self._clock.mark()

    def _finish_step(self):
        kind, spoiled = self._kind, self._spoiled
        if self._recorder is not None:
            step = self._recorder.finish()
        else:
            step = self._clock.seconds([self._start, self._clock.mark()])[1], []
        self._drop()
        if spoiled:
            return
        self._plan.pop(0)
        if kind == "bare":
            self._bare.append(step[0])
        elif kind == "profiled":
            self.steps.append(step)
        elif kind == "memory":
            self._memory = step[1]

    def _drop(self):
        """Forget the current step, and unwrap what was wrapped for it."""
        self._of_step.restore()
        if self._started_tracing:
            tracemalloc.stop()
            self._started_tracing = False
        self._kind, self._recorder, self._spoiled = "", None, False

    # --- what is wrapped in a step ----------------------------------------------------------------

    def _wrap_loop(self):
        if self._wrapped is None or self._wrapped.recorder is not self._recorder:
            self._wrapped = Wrapped(self._recorder, self._trainer, self._modules)
        for owner, name, method in self._wrapped.of_loop:
            self._of_step.replace(owner, name, lambda _, method=method: method)

    def _counting_flops(self, step: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap the loop's step so that the layers' operations are counted before it."""
        trainer, names = self._trainer, {id(part): name for name, part in self._modules}

        def counted(batch: Any, ends_window: bool) -> Any:
            with dry_run(self._module, trainer.optimizer, trainer.train_loader):
                self._flops = step_flops(self._module, batch, names)
            return step(batch, ends_window)

        return counted


class Wrapped:
    """The wrapped methods of a training; they are made once, as that takes longer than a call.

    Parameters
    ----------
    recorder : Recorder
    trainer : Trainer
    modules : list of (str, Module)

    Attributes
    ----------
    load : callable
        The function ``next``.
    of_loop : list of (object, str, callable)
        Methods of the loop and the optimizer, and the hooks of callbacks.
    """

    def __init__(self, recorder: Recorder, trainer: Trainer, modules: list[tuple[str, Module]]):
        timed, optimizers = recorder.timed, trainer.optimizer.by_name().values()
        self.recorder: Recorder = recorder
        self.load: Callable[..., Any] = timed("", "data", next)
        self.of_loop: list[tuple[Any, str, Callable[..., Any]]] = [
            (trainer.loop, "step", self._with_layers(trainer.loop.step)),
            *((one, "step", timed("", "optimizer", one.step)) for one in optimizers),
            *((one, "zero_grad", timed("", "zero_grad", one.zero_grad)) for one in optimizers),
        ]
        for hook in trainer.hooks.names:
            for impl in trainer.hooks.impls(hook):
                name = display_name(impl.plugin.callback)
                self.of_loop.append((impl, "function", timed(name, "callback", impl.function)))
        self._layers = [
            (part, phase, timed(name, phase, getattr(part, phase)))
            for name, part in modules
            for phase in PHASES
        ]

    def _with_layers(self, step: Callable[..., Any]) -> Callable[..., Any]:
        """Return the loop's step; layers are wrapped while it runs, not in hooks after it."""
        wrapping, timed = Wrapping(), self.recorder.timed

        def wrap() -> None:
            for part, phase, method in self._layers:
                wrapping.replace(part, phase, lambda _, method=method: method)

        wrap, unwrap = timed("", OWN, wrap), timed("", OWN, wrapping.restore)

        def run(batch: Any, ends_window: bool) -> Any:
            wrap()
            try:
                return step(batch, ends_window)
            finally:
                unwrap()

        return run
