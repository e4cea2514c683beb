"""Every kernel compiled for real GPUs, by the compiler that CuPy uses, without a GPU."""

import ctypes
import importlib.util
from pathlib import Path

import pytest
from campaigns import slow_but

from firstlight.fast.cuda import kernel

FILES = sorted(path.stem for path in kernel.FOLDER.glob("*.cu"))


def nvrtc():
    """Return the library of the wheel nvidia-cuda-nvrtc-cu12 (or -cu13), or skip."""
    for package in ("nvidia.cuda_nvrtc", "nvidia.cu13"):
        try:
            spec = importlib.util.find_spec(package)
        except ModuleNotFoundError:
            continue
        for folder in spec.submodule_search_locations if spec else ():
            for path in sorted(Path(folder).rglob("libnvrtc.so.*")):
                return ctypes.CDLL(str(path))
    pytest.skip("needs NVRTC: pip install nvidia-cuda-nvrtc-cu12")
    return None


def compiled(code, *options):
    """Return ``(status, log, size of the machine code)``."""
    library, program = nvrtc(), ctypes.c_void_p()
    library.nvrtcCreateProgram(ctypes.byref(program), code.encode(), b"k.cu", 0, None, None)
    words = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
    status = library.nvrtcCompileProgram(program, len(options), words)
    size = ctypes.c_size_t()
    library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    library.nvrtcGetProgramLog(program, log)
    machine = ctypes.c_size_t()
    if status == 0:
        library.nvrtcGetCUBINSize(program, ctypes.byref(machine))
    library.nvrtcDestroyProgram(ctypes.byref(program))
    return status, log.value.decode(), machine.value


@pytest.mark.parametrize("architecture", slow_but(["sm_80", "sm_90"], "sm_90"))
@pytest.mark.parametrize("dtype", slow_but(list(kernel.STORED), "float32"))
@pytest.mark.parametrize("name", FILES)
def test_a_kernel_compiles(name, dtype, architecture, *defines):
    options = (*kernel.options(dtype), *defines, f"--gpu-architecture={architecture}")
    status, log, size = compiled(kernel.source(name), *options)
    assert (status, log) == (0, ""), log
    assert size > 0


@pytest.mark.slow
@pytest.mark.parametrize("width", [16, 64, 128])
@pytest.mark.parametrize("architecture", ["sm_75", "sm_90"])  # which has no tf32, which has it
@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("attention")])
def test_attention_compiles_for_tensor_cores(name, architecture, width):
    test_a_kernel_compiles(name, "float32", architecture, f"-DWIDTH={width}", "-DTENSOR")


def test_an_error_would_be_seen():
    code = kernel.source("sums").replace("sum +=", "summ +=")
    status, log, _ = compiled(code, *kernel.options("float32"), "--gpu-architecture=sm_90")
    assert status != 0
    assert 'identifier "summ" is undefined' in log


@pytest.mark.parametrize("name", FILES)
def test_a_kernel_tells_its_twin_and_its_floor_and_adds_by_no_atomics(name):
    text = (kernel.FOLDER / f"{name}.cu").read_text()
    assert "Twin" in text
    assert "Floor" in text
    assert "atomic" not in text.replace("without atomics", "")
    assert len(text.splitlines()) <= 120, "short kernels"
