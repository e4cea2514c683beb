"""Passes: forward, loss and backward of a batch; on a GPU recorded once, and replayed as a graph.

A network's pass is some fifty launches on a GPU, and to small ones the host's part in each takes
longer than the GPU's. A CUDA graph launches them all at once. What is captured must be the same
work each time: the batch is copied into arrays that stay where they are, the means are summed up
on the device, and dropout depends on the number of the step, which lies there too. The optimizer's
step, one kernel, gets learning rate and step by value and follows outside, after the callbacks.

A batch's shape, and every number that a module keeps as an attribute, belong to a graph: when one
of them changes, another graph is captured, and after `MOST` no more. Whatever cannot be captured
runs launch by launch, and the log says why.
"""

import logging

from firstlight.checkpoints.snapshot import generators
from firstlight.distributed.sharding import weight_of
from firstlight.fast.cuda.loss_scale import scaled
from firstlight.module import Module
from firstlight.support import rng
from firstlight.support.backend import load_cupy
from firstlight.support.batches import sample_count
from firstlight.training import checks

MOST = 16  # graphs
PLAIN = (bool, int, float, str, type(None))

log = logging.getLogger("firstlight")


def make_passes(trainer):
    """Return what a training's passes go through: captured on a GPU, unless told otherwise."""
    if trainer.device == "cpu":
        return Passes(trainer)
    return CapturedPasses(trainer)


class Passes:
    """Forward, loss and backward of a batch; the gradients and the means are added up.

    Parameters
    ----------
    trainer : Trainer
    """

    def __init__(self, trainer):
        self.trainer, self.module = trainer, trainer.module

    def __call__(self, batch, ends_window):
        """Return the batch's `StepOutput`; ``ends_window`` tells that the optimizer steps next."""
        trainer, module = self.trainer, self.module
        output = module.training_step(batch)
        checks.training_output(module, output)
        dy = scaled(trainer.optimizer, output.dy)
        trainer.accumulation.backward(module, trainer.optimizer, dy, output, batch, ends_window)
        self._unscale(ends_window)
        trainer.means.add(output, weight_of(batch))
        return output

    def _unscale(self, ends_window):
        if ends_window and self.trainer.optimizer.loss_scale is not None:
            self.trainer.optimizer.loss_scale.unscale()


class CapturedPasses(Passes):
    """The same on a GPU: the first pass of each kind is made launch by launch, then captured.

    What a pass returns is overwritten by the next one.

    Attributes
    ----------
    graphs : dict
        The captured passes by their kind.
    reason : str or None
        Why nothing (more) is captured.
    """

    def __init__(self, trainer):
        super().__init__(trainer)
        self.graphs, self._seen = {}, set()
        self.reason = _objection(trainer)
        self._modules = list(self.module.modules())
        if self.reason is not None and trainer.capture:
            log.warning("passes are not captured: %s", self.reason)

    def __call__(self, batch, ends_window):
        """Return the batch's `StepOutput`."""
        rng.begin_pass()
        trainer, samples = self.trainer, sample_count(batch)
        alone = trainer.accumulation.is_alone(ends_window)
        kind = None if self.reason is not None else self._kind(batch, alone)
        if kind in self._seen and kind not in self.graphs:
            self._capture(kind, batch, alone)
        if kind not in self.graphs or self.reason is not None:
            self._note(kind)
            return super().__call__(batch, ends_window)
        output = self.graphs[kind](batch)
        trainer.means.count(output, samples)
        trainer.accumulation.count(trainer.optimizer, output, samples, ends_window)
        self._unscale(ends_window)
        return output

    def make(self, batch, alone):
        """Go forward and backward; a batch that is not ``alone`` counts by its denominator."""
        trainer, samples = self.trainer, sample_count(batch)
        output = self.module.training_step(batch)
        dy = scaled(trainer.optimizer, output.dy)
        self.module.backward(dy if alone else trainer.accumulation.weighted(dy, output, samples))
        trainer.means.add_values(output, samples)
        return output

    def _note(self, kind):
        if kind is not None and self.reason is None:
            self._seen.add(kind)
            if len(self._seen) > MOST:
                self._give_up(f"more than {MOST} kinds: shapes or attributes keep changing")

    def _kind(self, batch, alone):
        """Return all that a graph of this pass would hold fast; None if it is no tuple."""
        if not isinstance(batch, tuple):
            return None
        shapes = tuple((part.shape, part.dtype.char) for part in batch)
        return shapes, alone, self.facts()

    def facts(self):
        """Return the numbers that modules keep as attributes, which a graph holds fast."""
        return tuple(
            value
            for module in self._modules
            for value in vars(module).values()
            if isinstance(value, PLAIN)
        )

    def _capture(self, kind, batch, alone):
        fixed = tuple(part.copy() for part in batch)
        found = captured(lambda: self.make(fixed, alone), self.module)
        graph, output, pool, reason = found
        if reason is not None:
            self._give_up(reason)
            return
        self.graphs[kind] = Graph(graph, fixed, output, pool)

    def _give_up(self, reason):
        self.reason = reason
        log.warning("passes are no longer captured: %s", reason)


class Graph:
    """One captured pass, with all the memory that it works in."""

    def __init__(self, graph, batch, output, pool):
        self.graph, self.batch, self.output, self.pool = graph, batch, output, pool

    def __call__(self, batch):
        """Run the pass on another batch of the same shapes."""
        for fixed, part in zip(self.batch, batch, strict=True):
            fixed[...] = part
        self.graph.launch(load_cupy().cuda.get_current_stream())
        return self.output


def captured(work, module):
    """Capture what ``work()`` launches instead of doing it.

    Returns
    -------
    graph : cupy.cuda.Graph or None
    result
        What ``work`` returned.
    pool : cupy.cuda.MemoryPool
        Whose memory the graph works in.
    reason : str or None
        Why there is no graph.
    """
    cupy = load_cupy()
    stream, pool = cupy.cuda.get_current_stream(), cupy.cuda.MemoryPool(_fresh_memory)
    cupy.get_default_memory_pool().free_all_blocks()  # a graph has memory of its own
    result, reason = None, "broken off"
    own = [(g, g.bit_generator.state) for _, g in generators(module)]
    rng.capturing(True)
    stream.begin_capture()
    try:
        cupy.cuda.set_pinned_memory_allocator(_no_pinned_memory)
        with cupy.cuda.using_allocator(pool.malloc):
            result = work()
        reason = None
    except Exception as error:  # whatever refuses: a copy, a product, a user's code
        reason = f"{type(error).__name__}: {error}"
    finally:  # on Ctrl-C too: nothing could be copied from a GPU that still captures
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
                part._stack.clear()  # what was saved for a backward that did not happen
    return graph, result, pool, reason


def _fresh_memory(size):
    """Return memory for the pool of a graph; that there is none must end the capture.

    A pool that is told so by CuPy's own error frees what the graph works in, and tries again.
    """
    cuda = load_cupy().cuda
    try:
        return cuda.MemoryPointer(cuda.Memory(size), 0)
    except cuda.runtime.CUDARuntimeError as error:
        raise MemoryError(f"{size:,} bytes for a graph: {error}") from error


def _no_pinned_memory(size):
    """Refuse what a copy from the host goes through, before CuPy records an event behind it.

    CuPy would ask ever after whether that event is over, in vain, and free no pinned memory.
    """
    raise RuntimeError("asarray: the current stream is capturing, and a copy would be frozen in it")


def _ended(stream):
    """End a capture; returns the graph, or what the end of a broken one says."""
    try:
        return stream.end_capture(), None
    except Exception as error:  # CuPy has many kinds
        return None, f"{type(error).__name__}: {error}"


def _objection(trainer):
    """Return why a training's passes cannot be captured, or None."""
    kind = type(trainer.module)
    if not trainer.capture:
        return "capture=False"
    if trainer.communicator.size > 1:
        return "several ranks share each batch, and exchange gradients within a pass"
    if kind.capturable is None and kind.training_step is not Module.training_step:
        return (
            f"{kind.__name__} overrides training_step; if that does the same work each time, "
            "write: capturable = True"
        )
    if kind.capturable is False:
        return f"{kind.__name__}.capturable is False"
    return None
