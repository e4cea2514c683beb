"""Devices: where arrays live, NumPy's memory or a GPU's.

Layers never name a backend. NumPy's functions hand CuPy arrays over to CuPy (``np.exp(x)`` of
a CuPy array is a CuPy array), so the same line of a layer runs on both.
"""

import re

import numpy as np

FLOATS = ("float16", "float32", "float64")


def resolve_device(device):
    """Turn ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"auto"`` into a device that works.

    ``"auto"`` takes the GPU where one is usable (not merely importable), else the CPU.

    Raises
    ------
    ValueError
        The name is none of these.
    RuntimeError
        A GPU was asked for and none is usable.
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
    """Say what stands in the way of using GPU ``index``, or None."""
    try:
        import cupy
    except ImportError:
        return "CuPy is not installed (pip install 'firstlight[cuda12]' or [cuda13])"
    try:
        if not cupy.is_available():
            return "CuPy sees no GPU or no driver"
        with cupy.cuda.Device(index):
            cupy.zeros(1).sum().get()
    except Exception as error:  # CuPy raises many kinds here; each means "not usable"
        return f"{type(error).__name__}: {error}"
    return None


def gpu_count():
    """Return how many GPUs this process sees."""
    import cupy

    return cupy.cuda.runtime.getDeviceCount()


def use_device(device):
    """Make a GPU, "cuda:N", the one that this thread works on from now on."""
    import cupy

    cupy.cuda.Device(int(device.partition(":")[2])).use()


def describe_gpu(device):
    """Return ``{"name", "memory_gb", "driver", "cuda"}`` of a device, None of the CPU."""
    if device == "cpu":
        return None
    import cupy

    runtime = cupy.cuda.runtime
    found = runtime.getDeviceProperties(int(device.partition(":")[2]))
    return {
        "name": found["name"].decode(),
        "memory_gb": round(found["totalGlobalMem"] / 1e9, 1),
        "driver": runtime.driverGetVersion(),
        "cuda": runtime.runtimeGetVersion(),
    }


def to_device(array, device):
    """Return the array on a device (as `resolve_device` names it), copied only if needed."""
    if device == "cpu":
        return to_host(array)
    import cupy

    with cupy.cuda.Device(int(device.partition(":")[2])):
        return cupy.asarray(array)


def to_host(array):
    """Return the array in the CPU's memory, as a NumPy array."""
    return array.get() if hasattr(array, "get") else np.asarray(array)


def float_dtype(dtype):
    """Return ``dtype`` as a NumPy floating dtype, or raise a TypeError that lists the choices."""
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = None
    if found is None or found.name not in FLOATS:
        raise TypeError(f"dtype: expected one of {', '.join(FLOATS)}, got {dtype!r}")
    return found
