"""CuPy, the NVIDIA driver and CUDA's libraries. Runs in a child process, which frees the GPU."""

import ctypes
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from firstlight.tools.doctor.finding import Finding, Place, fault, gigabytes, ok, warning
from firstlight.tools.doctor.folders import can_create
from firstlight.tools.doctor.packages import installed

# Codes of cuInit that have a cure.
NO_DEVICE, STUB, MISMATCH = 100, 34, 803
LIBRARIES = r"lib(cudart|cublas|cublasLt|nvrtc|nvJitLink|cusparse)\.so"


def examine(place: Place) -> Iterator[Finding]:
    """Examine CuPy and what it needs."""
    wheels = {
        name: found[0].version
        for name, found in installed().items()
        if re.fullmatch(r"cupy(-cuda\d+x|-rocm.*)?", name)
    }
    library, driver = _driver()
    has_driver = library is not None or bool(place.read("proc/driver/nvidia/version"))
    if len(wheels) > 1:
        wanted = f"cuda{driver // 1000}" if driver else "cuda12"
        yield fault(
            "CuPy",
            "cupy-twice",
            "several are installed: " + ", ".join(f"{n} {v}" for n, v in sorted(wheels.items())),
            "all of them write to the folder cupy, so that files of each are mixed",
            f"pip uninstall -y {' '.join(sorted(wheels))}; pip install 'firstlight[{wanted}]'",
        )
        return
    if not wheels:
        if not has_driver:
            yield ok("GPU", "no NVIDIA driver and no CuPy: trainings use the CPU")
        else:
            yield warning(
                "CuPy",
                "cupy-missing",
                "there is an NVIDIA driver, but CuPy is not installed",
                "trainings use the CPU",
                f"pip install 'firstlight[cuda{13 if driver and driver >= 13000 else 12}]'",
            )
        return
    ((name, version),) = wheels.items()
    yield from _settings()
    if not has_driver:
        yield warning(
            "GPU",
            "driver-missing",
            f"{name} {version} is installed, but there is no NVIDIA driver",
            'trainings use the CPU; device="cuda" is refused',
            "use a machine with a GPU (on a cluster: within a job that asks for one), or "
            f"pip uninstall {name}",
        )
        return
    needed = int(found[1]) if (found := re.search(r"cuda(\d+)x", name)) else None
    if driver and needed and driver < 1000 * needed:
        yield fault(
            "GPU",
            "driver-old",
            f"{name} needs CUDA {needed}, but the driver supports CUDA {_cuda(driver)} at most",
            "CuPy cannot start any kernel",
            f"pip uninstall -y {name}; pip install 'firstlight[cuda{driver // 1000}]'; or a "
            "newer driver",
        )
        return
    problem = _start(library)
    if problem is not None:
        yield problem
        return
    yield from _use(name, version, driver)


def _cuda(number):
    return f"{number // 1000}.{number % 1000 // 10}"


def _driver():
    """Return the driver's library and the newest CUDA that it supports; None for no driver."""
    try:
        name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
        library = ctypes.CDLL(name)
        number = ctypes.c_int()
        if library.cuDriverGetVersion(ctypes.byref(number)) == 0:
            return library, number.value
        return library, None
    except (OSError, AttributeError):
        return None, None


def _start(library):
    """Return why the driver finds no GPU; a context, which takes memory, is not made."""
    if library is None:
        return fault(
            "GPU",
            "driver-library",
            "the driver's library libcuda.so.1 is not found",
            'device="cuda" is refused',
            "in a container: start it with --gpus all (Docker) or --nv (Apptainer)",
        )
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    code = library.cuInit(0)
    hidden = visible is not None and visible.strip() in ("", "-1", "NoDevFiles")
    if hidden:
        return warning(
            "GPU",
            "gpu-hidden",
            f"CUDA_VISIBLE_DEVICES={visible!r} hides all GPUs",
            "trainings use the CPU",
            "unset CUDA_VISIBLE_DEVICES; under Slurm ask for a GPU: --gpus-per-node 1",
        )
    cures = {
        NO_DEVICE: ("it finds no GPU", "on a cluster, ask for one: --gpus-per-node 1"),
        STUB: (
            "libcuda.so.1 is a stub for compilers",
            "remove the folder .../stubs from LD_LIBRARY_PATH",
        ),
        MISMATCH: (
            "the driver in the kernel and its library have different versions",
            "restart the machine: the driver was updated",
        ),
    }
    if code == 0:
        return None
    told, cure = cures.get(code, (f"cuInit returns {code}", "run nvidia-smi; restart the machine"))
    return fault("GPU", "driver-fails", told, 'device="cuda" is refused', cure)


def _settings():
    """Yield findings about variables that lead CuPy to other libraries, and about its cache."""
    root = os.environ.get("CUDA_PATH")
    if root and not Path(root).is_dir():
        yield fault(
            "CUDA",
            "cuda-path",
            f"CUDA_PATH={root} is no folder",
            "CuPy looks for CUDA's headers there and cannot compile kernels",
            "unset CUDA_PATH: pip's packages have the headers",
        )
    for folder in filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)):
        names = sorted(p.name for p in Path(folder).glob("lib*.so*") if re.match(LIBRARIES, p.name))
        if names:
            yield warning(
                "CUDA",
                "cuda-library-path",
                f"LD_LIBRARY_PATH leads to {folder} with {', '.join(names[:3])}",
                "these libraries may be loaded in place of those that fit CuPy",
                "unload the module (module unload cuda), or remove the folder from LD_LIBRARY_PATH",
            )
    cache = Path(os.environ.get("CUPY_CACHE_DIR") or Path.home() / ".cupy" / "kernel_cache")
    problem = can_create(cache)
    if problem:
        yield warning(
            "CuPy",
            "cupy-cache",
            f"compiled kernels cannot be kept: {problem}",
            "each training compiles them again, which takes up to a minute",
            "export CUPY_CACHE_DIR=FOLDER, one that you may write",
        )


def _use(name, version, driver):
    from firstlight.support.backend import free_memory, gpu_count, resolve_device

    try:
        device = resolve_device("cuda")
    except RuntimeError as error:
        yield fault(
            "CuPy",
            "cupy-broken",
            f"{name} {version}: {error}",
            'device="cuda" is refused',
            f"pip install --force-reinstall '{name}[ctk]'; nvidia-smi shows who uses the GPU",
        )
        return
    from firstlight.support.backend import describe_gpu

    gpu, free = describe_gpu(device), free_memory(device)
    told = (
        f"{gpu_count()} x {gpu['name']}, {gigabytes(free)} of {gpu['memory_gb']} GB free; "
        f"{name} {version}, driver for CUDA {_cuda(driver or gpu['driver'])}"
    )
    if free < 0.1e9 * gpu["memory_gb"]:
        yield warning(
            "GPU",
            "gpu-full",
            told,
            "other programs use the GPU; a training would end with OutOfMemoryError",
            "nvidia-smi shows them; CUDA_VISIBLE_DEVICES=N chooses another GPU",
        )
    else:
        yield ok("GPU", told)
