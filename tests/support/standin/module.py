"""The module that ``import cupy`` finds while the stand-in is installed."""

import sys
import time
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace

import numpy as np

from standin import array, cublas, kernels
from standin.device import DEVICES, counts


class Device:
    """``with Device(1):`` makes another device the current one."""

    def __init__(self, index=0):
        if not 0 <= index < DEVICES:
            raise RuntimeError(f"cudaErrorInvalidDevice: invalid device ordinal {index}")
        self.id = index

    def __enter__(self):
        self.before, counts.current = counts.current, self.id
        return self

    def __exit__(self, *error):
        counts.current = self.before

    def use(self):
        """Make this device the current one for good."""
        counts.current = self.id

    @property
    def mem_info(self):
        """Free and all bytes."""
        return 2**30, 2**30


class Graph:
    """What a stream captured."""

    def __init__(self, actions, memory):
        self.actions, self.memory, self.launches = actions, memory, 0

    def launch(self, stream=None):
        self.launches += 1
        counts.launches += 1
        for action in self.actions:
            action()

    def upload(self, stream=None):
        pass

    def debug_dot_str(self):
        return f"digraph of {len(self.actions)} nodes"


class Stream:
    """A stream, which works at once."""

    def __init__(self, null=False, non_blocking=False):
        self.null, self.ptr = null, 0 if null else id(self)

    def __enter__(self):
        counts.streams.append(self)
        return self

    def __exit__(self, *error):
        counts.streams.pop()

    def synchronize(self):
        counts.wait("Stream.synchronize")

    def wait_event(self, event):
        pass

    def begin_capture(self):
        if self.null or current_stream() is not self:
            raise RuntimeError("the null stream, and one that is not current, cannot capture")
        counts.recording, counts.kept = [], []

    def end_capture(self):
        actions, counts.recording = counts.recording, None
        return Graph(actions, counts.kept)


class Event:
    """A point in a stream, where everything before it is done already."""

    def __init__(self, block=False, disable_timing=False):
        self.seconds = 0.0

    def record(self, stream=None):
        self.seconds = time.perf_counter()

    def synchronize(self):
        pass


NULL = Stream(null=True)


def current_stream():
    """Return the stream in use."""
    return counts.streams[-1] if counts.streams else NULL


@contextmanager
def _using_allocator(allocator):
    yield


def made():
    """Return the module."""
    cupy = ModuleType("cupy")
    cupy.ndarray = array.ndarray
    cupy.is_available = lambda: True
    cupy.asarray = lambda a, dtype=None: _asarray(a, dtype)
    for name in ("zeros", "empty", "arange", "full"):
        setattr(cupy, name, _creator(getattr(np, name)))
    cupy.RawModule = kernels.RawModule
    cupy.show_config = None
    cupy.get_default_memory_pool = lambda: SimpleNamespace(
        free_all_blocks=lambda: None, used_bytes=lambda: 0
    )
    cupy.get_default_pinned_memory_pool = lambda: SimpleNamespace(malloc=None)
    cupy.cuda = SimpleNamespace(
        Device=Device,
        Stream=Stream,
        Event=Event,
        get_elapsed_time=lambda start, end: 1e3 * (end.seconds - start.seconds),
        alloc_pinned_memory=lambda size: memoryview(bytearray(size)),
        MemoryPool=lambda allocator=None: SimpleNamespace(malloc=None, total_bytes=lambda: 0),
        set_pinned_memory_allocator=lambda allocator=None: None,
        using_allocator=_using_allocator,
        get_current_stream=current_stream,
        runtime=SimpleNamespace(
            getDeviceCount=lambda: DEVICES,
            getDevice=lambda: counts.current,
            getDeviceProperties=lambda index: {"name": b"stand-in", "totalGlobalMem": 2**30},
            driverGetVersion=lambda: 12090,
            runtimeGetVersion=lambda: 12090,
        ),
    )
    return cupy


def _asarray(value, dtype):
    if isinstance(value, array.ndarray):
        if value.device_id != counts.current:  # CuPy copies from one device to the other
            value = array.ndarray(value._a.copy())
        return value if dtype is None else value.astype(dtype, copy=False)
    return array.upload(np.array, value, dtype=dtype)


def _creator(function):
    def create(*args, **kwargs):
        return array.ndarray(function(*args, **kwargs))

    return create


@contextmanager
def installed(monkeypatch, compiled=True):
    """Put the stand-in in the place of CuPy; ``compiled`` runs our kernels, if there is g++."""
    from firstlight.support import backend, forms, rng

    clears = [backend.forget, rng.forget_devices, forms.forget_choices]
    if forms.has_fast():
        from firstlight.fast.cuda import gemm, kernel

        clears += [kernel.forget, gemm.forget]
        monkeypatch.setattr(gemm, "load_library", lambda: cublas.Library())
    counts.reset()
    for clear in clears:
        clear()
    monkeypatch.setitem(sys.modules, "cupy", made())
    if not compiled:
        monkeypatch.setattr(kernels, "compiler", lambda: None)
    try:
        yield counts
    finally:
        for clear in clears:
            clear()
        counts.reset()
