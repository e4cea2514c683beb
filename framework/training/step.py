"""Forward, loss and backward of a batch, launch by launch or as a CUDA graph.

A network's forward and backward make about fifty launches on a GPU. In small networks a launch
costs the host more time than the GPU needs for the kernel. A CUDA graph launches all kernels at
once. A graph repeats the same work each time: the batch is copied into fixed arrays, the means are
summed on the device, and dropout depends on the number of the step, which is also on the device.
The optimizer's step is one kernel that takes learning rate and step by value. It runs outside the
graph, after the callbacks.

A graph is valid for one batch shape and for fixed values of the numbers that modules keep as
attributes. If one of them changes, another graph is captured, up to `MOST` graphs. A step that
cannot be captured runs launch by launch, and the log names the reason.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from firstlight.checkpoints.snapshot import generators
from firstlight.distributed.sharding import weight_of
from firstlight.module import Module
from firstlight.optim.loss_scale import scaled
from firstlight.support import rng
from firstlight.support.backend import load_cupy
from firstlight.support.batches import sample_count
from firstlight.support.logged_values import LoggedValues
from firstlight.training import checks

if TYPE_CHECKING:
    from types import SimpleNamespace

    from firstlight.optim import Optimizer
    from firstlight.support.array import Array
    from firstlight.support.step_output import StepOutput
    from firstlight.training.accumulation import Accumulation
    from firstlight.training.hook_manager import HookManager
    from firstlight.training.means import TrainingMeans

MOST = 16  # graphs
PLAIN = (bool, int, float, str, type(None))

log: logging.Logger = logging.getLogger("firstlight")


@dataclass
class EagerStep:
    """Forward, loss and backward of a batch; gradients and means are accumulated.

    ``hook`` has the hooks; see `firstlight.training.hook_manager.HookManager.bind`.
    """

    module: Module
    optimizer: Optimizer
    accumulation: Accumulation
    means: TrainingMeans
    hook: SimpleNamespace

    def __call__(self, batch: Any, ends_window: bool) -> StepOutput:
        """Return the batch's `StepOutput`; if it ``ends_window``, the optimizer steps next."""
        module, optimizer, hook = self.module, self.optimizer, self.hook
        logged = LoggedValues()
        with logged:
            output = module.training_step(batch)
        checks.training_output(module, output)
        hook.on_before_backward(loss=output.loss)
        dy = scaled(optimizer, output.dy)
        with logged:
            self.accumulation.backward(module, optimizer, dy, output, batch, ends_window)
        logged.add_to(output, module)
        self._unscale(ends_window)
        hook.on_after_backward()
        self.means.add(output, weight_of(batch))
        return output

    def _unscale(self, ends_window):
        if ends_window and self.optimizer.loss_scale is not None:
            self.optimizer.loss_scale.unscale(self.optimizer.flat.grad)


@dataclass
class CapturedStep(EagerStep):
    """Step on a GPU: the first batch of each kind runs launch by launch, later ones as a graph.

    The next step overwrites the returned output.

    Attributes
    ----------
    graphs : dict of tuple to Graph
        The captured steps by their cache key.
    reason : str or None
        Reason why no (further) graph is captured.
    """

    reason: str | None
    graphs: dict[tuple[Any, ...], Graph] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._seen, self._modules = set(), list(self.module.modules())

    def __call__(self, batch: Any, ends_window: bool) -> StepOutput:
        """Return the batch's `StepOutput`; if it ``ends_window``, the optimizer steps next."""
        rng.begin_pass()
        alone = self.accumulation.is_alone(ends_window)
        key = None if self.reason is not None else self._key(batch, alone)
        if key in self._seen and key not in self.graphs:
            self._capture(key, batch, alone)
        if key not in self.graphs or self.reason is not None:
            self._note(key)
            return super().__call__(batch, ends_window)
        output, samples = self.graphs[key](batch), sample_count(batch)
        self.means.count(output, samples)
        self.accumulation.count(self.optimizer, output, samples, ends_window)
        self._unscale(ends_window)
        return output

    def _work(self, batch, alone):
        """Run forward and backward; a batch that is not ``alone`` counts by its denominator."""
        samples = sample_count(batch)
        logged = LoggedValues()
        with logged:
            output = self.module.training_step(batch)
            dy = scaled(self.optimizer, output.dy)
            self.module.backward(dy if alone else self.accumulation.weighted(dy, output, samples))
        logged.add_to(output, self.module)
        self.means.add_values(output, samples)
        return output

    def _note(self, key):
        if key is not None and self.reason is None:
            self._seen.add(key)
            if len(self._seen) > MOST:
                self._give_up(f"more than {MOST} kinds: shapes or attributes keep changing")

    def _key(self, batch, alone):
        """Return the captured graph's cache key: shapes, dtypes and every constant baked in.

        None if the batch is not a tuple.
        """
        if not isinstance(batch, tuple):
            return None
        shapes = tuple((part.shape, part.dtype.char) for part in batch)
        constants = tuple(
            value
            for module in self._modules
            for value in vars(module).values()
            if isinstance(value, PLAIN)
        )
        return shapes, alone, constants

    def _capture(self, key, batch, alone):
        fixed = tuple(part.copy() for part in batch)
        graph, output, pool, reason = captured(lambda: self._work(fixed, alone), self.module)
        if reason is not None:
            self._give_up(reason)
            return
        self.graphs[key] = Graph(graph, fixed, output, pool)

    def _give_up(self, reason):
        self.reason = reason
        log.warning("steps are no longer captured: %s", reason)


@dataclass
class Graph:
    """One captured step, with the memory that it uses."""

    graph: Any
    batch: tuple[Array, ...]
    output: StepOutput
    pool: Any

    def __call__(self, batch: tuple[Array, ...]) -> StepOutput:
        """Run the step on another batch of the same shapes."""
        for fixed, part in zip(self.batch, batch, strict=True):
            fixed[...] = part
        self.graph.launch(load_cupy().cuda.get_current_stream())
        return self.output


def captured(work: Callable[[], Any], module: Module) -> tuple[Any, Any, Any, str | None]:
    """Capture the launches of ``work()`` as a graph, without running them.

    Returns
    -------
    graph : cupy.cuda.Graph or None
    result
        Result of ``work``.
    pool : cupy.cuda.MemoryPool
        Memory of the graph.
    reason : str or None
        Reason why there is no graph.
    """
    cupy = load_cupy()
    stream, pool = cupy.cuda.get_current_stream(), cupy.cuda.MemoryPool(_fresh_memory)
    cupy.get_default_memory_pool().free_all_blocks()  # the graph has its own pool
    result, reason = None, "interrupted"
    own = [(g, g.bit_generator.state) for _, g in generators(module)]
    rng.capturing(True)
    stream.begin_capture()
    try:
        cupy.cuda.set_pinned_memory_allocator(_no_pinned_memory)
        with cupy.cuda.using_allocator(pool.malloc):
            result = work()
        reason = None
    except Exception as error:  # raised by a copy, a product, or a user's code
        reason = f"{type(error).__name__}: {error}"
    finally:  # on Ctrl-C too: a GPU that still captures refuses copies
        rng.capturing(False)
        rng.begin_call()
        cupy.cuda.set_pinned_memory_allocator(cupy.get_default_pinned_memory_pool().malloc)
        graph, problem = _ended(stream)
        reason = reason or problem
    if any(str(g.bit_generator.state) != str(state) for g, state in own):
        reason = reason or "a module draws from a generator of its own, on the host"
        for generator, state in own:
            generator.bit_generator.state = state
    if reason is not None:
        for part in module.modules():
            if part._stack:
                part._stack.clear()  # its backward did not run
    return graph, result, pool, reason


def _fresh_memory(size):
    """Return memory for the pool of a graph, or raise a MemoryError that ends the capture.

    On CuPy's own error the pool would free the graph's memory and try again.
    """
    cuda = load_cupy().cuda
    try:
        return cuda.MemoryPointer(cuda.Memory(size), 0)
    except cuda.runtime.CUDARuntimeError as error:
        raise MemoryError(f"{size:,} bytes for a graph: {error}") from error


def _no_pinned_memory(size):
    """Refuse pinned memory, and with it copies from the host, during a capture.

    CuPy would record an event after the copy. During a capture that event never completes, and
    CuPy would free no pinned memory afterwards.
    """
    raise RuntimeError("asarray: the current stream is capturing, and a copy would be frozen in it")


def _ended(stream):
    """End a capture; return ``(graph, None)``, or ``(None, reason)`` if it failed."""
    try:
        return stream.end_capture(), None
    except Exception as error:  # CuPy has many kinds
        return None, f"{type(error).__name__}: {error}"


def make_step(
    module: Module,
    optimizer: Optimizer,
    accumulation: Accumulation,
    means: TrainingMeans,
    hooks: HookManager,
    *,
    device: str,
    capture: bool,
    ranks: int,
) -> EagerStep:
    """Return the step of a training: on a GPU a captured one, unless an objection is found."""
    collaborators = module, optimizer, accumulation, means, hooks.calls
    if device == "cpu":
        return EagerStep(*collaborators)
    reason = _objection(type(module), hooks, capture, ranks)
    if reason is not None and capture:
        log.warning("steps are not captured: %s", reason)
    return CapturedStep(*collaborators, reason)


def _objection(kind, hooks, capture, ranks):
    """Return the reason why the steps of a training cannot be captured, or None."""
    if not capture:
        return "capture=False"
    if ranks > 1:
        return "several ranks share each batch, and exchange gradients within a step"
    for name in ("on_before_backward", "on_after_backward"):
        if implementers := hooks.implementers(name):
            return f"{implementers[0]} has {name}, which cannot run inside a graph"
    if kind.capturable is None and kind.training_step is not Module.training_step:
        return (
            f"{kind.__name__} overrides training_step; if that does the same work each time, "
            "write: capturable = True"
        )
    if kind.capturable is False:
        return f"{kind.__name__}.capturable is False"
    return None
