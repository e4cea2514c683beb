"""CUDA graphs: the launches of a pass are captured once, and repeated by a single launch.

While a stream captures, no kernel runs. Work that needs the host, such as a look at a value or a
copy from it, ends the capture with an exception. The reason names the module and the line.
"""

from __future__ import annotations

import linecache
import sys
import traceback
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firstlight.checkpoints.snapshot import generators
from firstlight.module import Module
from firstlight.support import rng
from firstlight.support.backend import load_cupy
from firstlight.support.batches import leaves


@dataclass
class Graph:
    """Captured work on a batch, with the memory that it uses."""

    graph: Any
    batch: Any
    output: Any
    pool: Any

    def __call__(self, batch: Any) -> Any:
        """Do the work on another batch of the same shapes."""
        for fixed, part in zip(leaves(self.batch), leaves(batch), strict=True):
            fixed[...] = part
        self.graph.launch(load_cupy().cuda.get_current_stream())
        return self.output

    def __post_init__(self) -> None:
        # Holds the pool, so that it is alive when the arrays go, in whichever order they do.
        weakref.finalize(self, give_back, self.pool).atexit = False

    def __del__(self) -> None:
        if not sys.is_finalizing():
            self.graph = self.batch = self.output = None
            give_back()


_left: list[Any] = []  # pools of graphs that are gone, whose arrays were in use


def give_back(*pools: Any) -> None:
    """Free the memory of graphs that are gone, as CuPy's pools do not do by themselves.

    A pool with arrays in use is kept until the next call.
    """
    _left.extend(pools)
    for pool in list(_left):
        pool.free_all_blocks()
        if not pool.total_bytes() and pool in _left:  # a garbage collection may call this, too
            _left.remove(pool)


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
    give_back()
    stream, pool = cupy.cuda.get_current_stream(), cupy.cuda.MemoryPool(_fresh_memory)
    cupy.get_default_memory_pool().free_all_blocks()  # the graph has its own pool
    result, reason = None, "interrupted"
    own = [(g, g.bit_generator.state) for _, g in generators(module)]
    place = rng.dropout_place()
    rng.capturing(True)
    stream.begin_capture()
    try:
        cupy.cuda.set_pinned_memory_allocator(_no_pinned_memory)
        with cupy.cuda.using_allocator(pool.malloc):
            result = work()
        reason = None
    except Exception as error:  # raised by a copy, a product, or a user's code
        reason = f"{type(error).__name__}: {error}{place_of(error)}"
    finally:  # on Ctrl-C too: a GPU that still captures refuses copies
        rng.capturing(False)
        drawn = rng.dropout_place() != place
        rng.go_to(place)
        cupy.cuda.set_pinned_memory_allocator(cupy.get_default_pinned_memory_pool().malloc)
        graph, problem = _ended(stream)
        reason = reason or problem
    if drawn and not module.training:
        reason = reason or "random numbers are drawn in evaluation; a graph would repeat them"
    if any(str(g.bit_generator.state) != str(state) for g, state in own):
        reason = reason or "a module draws from a generator of its own, on the host"
        for generator, state in own:
            generator.bit_generator.state = state
    if reason is not None:
        result = None
        give_back(pool)
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


def place_of(error: BaseException) -> str:
    """Return the innermost module in which an exception was raised, and its line, as text."""
    frames = reversed(list(traceback.walk_tb(error.__traceback__)))
    for frame, number in frames:
        module, name = frame.f_locals.get("self"), frame.f_code.co_filename
        if isinstance(module, Module):
            where = f"{type(module).__name__}.{frame.f_code.co_name}"
            line = linecache.getline(name, number).strip()
            return f" (in {where}, {Path(name).name} line {number}: {line})"
    return ""
