"""Devices: arrays in the memory of the CPU (NumPy) or of a GPU (CuPy).

Layers never name a backend. NumPy's functions dispatch CuPy arrays to CuPy (``np.exp(x)`` of a
CuPy array is a CuPy array), so the same code runs on both.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from firstlight.support.array import Array
from firstlight.support.half import single

FLOATS = ("float16", "float32", "float64")


def resolve_device(device: str) -> str:
    """Resolve ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"auto"`` to a usable device.

    ``"auto"`` selects a GPU if one is usable (not merely importable), else the CPU.

    Raises
    ------
    ValueError
        Another name.
    RuntimeError
        A GPU is requested and none is usable.
    """
    found = re.fullmatch(r"cpu|auto|cuda(?::(\d+))?", str(device))
    if not found:
        raise ValueError(f'device: expected "cpu", "cuda", "cuda:N" or "auto", got {device!r}')
    if device == "cpu":
        return "cpu"
    index = int(found[1] or 0)
    problem = _gpu_problem(index)
    if problem is None:
        return f"cuda:{index}"
    if device == "auto":
        return "cpu"
    raise RuntimeError(f'device {device!r} is not usable: {problem}; use device="cpu" or "auto"')


def _gpu_problem(index):
    """Return the reason why GPU ``index`` is not usable, or None."""
    try:
        cupy = load_cupy()
    except ImportError:
        return "CuPy is not installed (pip install 'firstlight[cuda12]' or [cuda13])"
    try:
        if not cupy.is_available():
            return "CuPy sees no GPU or no driver"
        count = cupy.cuda.runtime.getDeviceCount()
        if index >= count:
            return f"there are {count} GPUs, numbered from 0"
        with cupy.cuda.Device(index):
            cupy.zeros(1).sum().get()
    except Exception as error:  # CuPy raises many kinds here; each means "not usable"
        return f"{type(error).__name__}: {error}"
    return None


def gpu_count() -> int:
    """Return the number of GPUs visible to this process."""
    return load_cupy().cuda.runtime.getDeviceCount()


def use_device(device: str) -> None:
    """Make a GPU, "cuda:N", the current device of this thread."""
    load_cupy().cuda.Device(_index(device)).use()


def describe_gpu(device: str) -> dict[str, Any] | None:
    """Return ``{"name", "memory_gb", "driver", "cuda"}`` of a GPU, or None for the CPU."""
    if device == "cpu":
        return None
    runtime = load_cupy().cuda.runtime
    found = runtime.getDeviceProperties(_index(device))
    return {
        "name": found["name"].decode(),
        "memory_gb": round(found["totalGlobalMem"] / 1e9, 1),
        "driver": runtime.driverGetVersion(),
        "cuda": runtime.runtimeGetVersion(),
    }


def pci_bus_id(device: str) -> str:
    """Return the address of a GPU on the PCI bus, by which other tools name it."""
    return load_cupy().cuda.Device(_index(device)).pci_bus_id


def load_cupy() -> Any:
    """Return the module cupy; only this function imports it."""
    import cupy

    return cupy


@contextmanager
def using(device: str) -> Iterator[None]:
    """Make a GPU and a separate stream current, on which a CUDA graph can be captured.

    For "cpu" nothing changes. Work on the stream starts after all work launched before, such as
    copies of a moved module, and is complete when the context ends.
    """
    if device == "cpu":
        yield
        return
    cupy = load_cupy()
    with ExitStack() as stack:
        stack.enter_context(cupy.cuda.Device(_index(device)))
        if device not in _streams:
            _streams[device] = cupy.cuda.Stream(non_blocking=True)
        before = cupy.cuda.Event(disable_timing=True)
        before.record(cupy.cuda.get_current_stream())
        stream = stack.enter_context(_streams[device])
        stream.wait_event(before)  # a non-blocking stream does not wait for others by itself
        try:
            yield
        finally:
            stream.synchronize()


_streams = {}


def device_name(device: str) -> str:
    """Return the name of a device, such as "NVIDIA H200"; "cpu" for the CPU."""
    if device == "cpu":
        return "cpu"
    return load_cupy().cuda.runtime.getDeviceProperties(_index(device))["name"].decode()


def free_memory(device: str) -> int:
    """Return the free memory of a GPU in bytes."""
    return load_cupy().cuda.Device(_index(device)).mem_info[0]


def to_device(array: Any, device: str) -> Array:
    """Return the array on a device (a result of `resolve_device`), copied only if needed.

    CuPy copies through its own pinned memory, and the host does not wait for it.
    """
    if device == "cpu":
        return to_host(array)
    cupy = load_cupy()
    with cupy.cuda.Device(_index(device)):
        return cupy.asarray(array)


def _index(device):
    return int(device.partition(":")[2])


def to_host(array: Any) -> Array:
    """Return the array as a NumPy array, an activation in half precision as float32."""
    return single(array).get() if hasattr(array, "get") else np.asarray(array)


def float_dtype(dtype: Any) -> np.dtype[Any]:
    """Return ``dtype`` as a NumPy floating dtype, or raise a TypeError that lists the choices."""
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = None
    if found is None or found.name not in FLOATS:
        raise TypeError(f"dtype: expected one of {', '.join(FLOATS)}, got {dtype!r}")
    return found
