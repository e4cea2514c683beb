"""Mistakes of a first kernel: the checker names the place, and a cure that fits."""

import shutil

import numpy as np
import pytest

from firstlight.tools.kernel_checker import Kernel, KernelCompileError, KernelFault

pytestmark = pytest.mark.skipif(not shutil.which("g++"), reason="needs g++")

SHUFFLE = """
    float v = x[threadIdx.x];
    for (int by = 16; by > 0; by /= 2) v += __shfl_down_sync(0xffff, v, by);
    if (threadIdx.x == 0) y[0] = v;"""
FLOAT4 = """
    float4 v = *reinterpret_cast<const float4*>(x + 1 + 4 * threadIdx.x);
    y[threadIdx.x] = v.x + v.y + v.z + v.w;"""
ATOMIC = """
    if (threadIdx.x == 0) atomicAdd(y, 1.0f);
    if (threadIdx.x == 1) y[1] = y[0];"""
FAULTS = {
    "a mask without the lane": (
        SHUFFLE,
        "thread 16 .*line 3.*mask does not name the thread",
    ),
    "division by zero": ("y[threadIdx.x] = threadIdx.x % n;", "division by zero.*divisor"),
    "a misaligned float4": (FLOAT4, r"line 2\): reads 16 bytes at once from x\[1\]"),
    "a sum without an atomic": ("y[0] += x[threadIdx.x];", r"reads y\[0\].*atomicAdd where"),
    "a plain read beside atomics": (ATOMIC, "An atomic orders no plain access"),
    "an int too small": (
        "y[threadIdx.x] = int(threadIdx.x) * (n + 70000) * 70000;",
        "a product that its integer type cannot hold.*64 bits",
    ),
    "an unsigned index below 0": (
        "unsigned i = threadIdx.x; y[i] = x[i] - x[i - 1];",
        r"reads x\[4294967295\].*unsigned type",
    ),
    "a tile's end": (
        "__shared__ float t[4][8]; t[threadIdx.x / 8][threadIdx.x % 8 + 1] = 0;",
        r"thread 7 .*index 8 of an array 'float \[8\]'",
    ),
    "a null pointer": ("if (n == 0) ((float*)0)[threadIdx.x] = 1;", "0x0.*null pointer"),
}


def kernel(body, declared='extern "C" __global__ void', name="first"):
    return Kernel(f"{declared} first(const float* x, float* y, int n) {{{body}}}", name)


def arrays():
    return np.ones(160, np.float32), np.zeros(64, np.float32), np.int32(0)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_has_a_cure_that_fits(name):
    body, says = FAULTS[name]
    with pytest.raises(KernelFault, match=says):
        kernel(body)((1,), (32,), arrays())


@pytest.mark.parametrize(
    ("declared", "name", "says"),
    [
        ("__global__ void", "first", 'no extern "C"'),
        ('extern "C" void', "first", "no __global__"),
        ('extern "C" __global__ float', "first", "returns void"),
        ('extern "C" __global__ void', "frist", "no kernel has this name; the source has: first"),
        ('__device__ int done = 0;\nextern "C" __global__ void', "first", "line 1: a __device__"),
    ],
)
def test_a_kernel_that_cupy_would_not_find(declared, name, says):
    with pytest.raises(KernelCompileError, match=says):
        kernel("y[0] = 1;", declared, name)


def test_a_variable_without_a_value():
    with pytest.raises(KernelCompileError, match=r"line 2: 'sum' is used uninitialized"):
        kernel("float sum;\nfor (int i = 0; i < 4; i++) sum += x[i];\ny[threadIdx.x] = sum;")


def test_static_shared_memory_has_a_limit():
    with pytest.raises(ValueError, match="at most 49,152 bytes of shared memory, got 65,536"):
        kernel("__shared__ float t[128][128]; t[n][n] = 1; y[0] = t[n + 1][n];")(
            (1,), (1,), arrays()
        )


def test_arguments_are_named():
    with pytest.raises(TypeError, match=r"expected 3 arguments \(x, y, n\), got 2"):
        kernel("")((1,), (1,), arrays()[:2])
    with pytest.raises(TypeError, match="argument 3, n: expected int32, .*, got int64"):
        kernel("")((1,), (1,), (*arrays()[:2], np.int64(1)))


def test_half_numbers_and_static_shared_memory():
    source = """
#include <cuda_fp16.h>
__device__ __constant__ float factor = 2;
extern "C" __global__ void twice(const __half* x, __half* y) {
    static __shared__ __half t[32];
    t[threadIdx.x] = __hadd(x[threadIdx.x], x[threadIdx.x]);
    __syncthreads();
    y[threadIdx.x] = __hmul(t[31 - threadIdx.x], __float2half(factor));
}"""
    x, y = np.arange(32, dtype=np.float16), np.empty(32, np.float16)
    Kernel(source, "twice")((1,), (32,), (x, y))
    np.testing.assert_array_equal(y, 4 * x[::-1])


def test_lines_are_found_after_another_process_has_built_the_library_again():
    past = kernel("y[threadIdx.x + 64] = 2 * x[1];")
    path = past.compiled.path
    shutil.copy(path, path.with_suffix(".copy"))
    path.with_suffix(".copy").replace(path)
    with pytest.raises(KernelFault, match="kernel.cu line 1"):
        past((1,), (1,), arrays())
