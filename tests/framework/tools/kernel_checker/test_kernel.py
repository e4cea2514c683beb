"""Faults of small kernels, and what the checker says about them."""

import shutil

import numpy as np
import pytest

from firstlight.tools.kernel_checker import Kernel, KernelCompileError, KernelFault, compiling

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
SOURCE = """
#define I (blockIdx.x * blockDim.x + threadIdx.x)
extern "C" __global__ void bounded(const float* x, float* y, int n) { if (I < n) y[I] = 2 * x[I]; }
extern "C" __global__ void past(const float* x, float* y, int n) { y[I] = x[I]; }
__global__ void before(const float* x, float* y, int n) { if (I < n) y[I] = x[(int)I - 1]; }
__global__ void quads(const float* x, float* y, int n) { *(float4*)y = *(const float4*)(x + 1); }
extern "C" __global__ void one_place(const float* x, float* y, int n) { y[0] = x[I % n]; }
extern "C" __global__ void added(const float* x, float* y, int n) { if (I < n) atomicAdd(y, x[I]); }
__global__ void early(const float* x, float* y, int n) { if (I > 9) return; __syncthreads(); }
extern "C" __global__ void turned(const float* x, float* y, int n) {
    __shared__ float parts[256];
    parts[threadIdx.x] = x[threadIdx.x];
    y[threadIdx.x] = parts[255 - threadIdx.x];
}
extern "C" __global__ void dynamic(const float* x, float* y, int n) {
    extern __shared__ float parts[];
    parts[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = parts[255 - threadIdx.x];
}
template <class T> __global__ void sums(const T* x, T* y, int n) {
    T sum = I < n ? x[I] : T(0);
    for (int d = 16; d > 0; d /= 2) sum += __shfl_down_sync(0xffffffffu, sum, d);
    unsigned votes = __ballot_sync(0xffffffffu, sum > 0);
    if (threadIdx.x % 32 == 0 && votes) atomicAdd(y, sum);
}
"""


def run(name, blocks=4, **options):
    x, y = np.arange(1000, dtype="float32"), np.zeros(1000, "float32")
    Kernel(SOURCE, name)((blocks,), (256,), (x, y, np.int32(1000)), **options)
    return x, y


@pytest.mark.parametrize(
    ("name", "blocks", "says"),
    [
        ("past", 4, r"past, block 3, thread 232 \(kernel.cu line 4\): reads x\[1000\], 1 past its"),
        ("before", 4, r"reads x\[-1\], 1 before its first number"),
        ("quads", 1, "16 bytes at once from x.1., which is no multiple"),
        ("one_place", 1, "thread 1 .*writes y.0., which thread 0 wrote in line 7"),
        ("one_place", 4, "no barrier"),
        ("early", 1, r"waits at __syncthreads\(\), but thread 10 has returned"),
        ("turned", 1, "shared parts.255., which no thread has written"),
        ("dynamic", 1, "more than shared_mem= says"),
    ],
)
def test_a_fault_is_told(name, blocks, says):
    with pytest.raises(KernelFault, match=says):
        run(name, blocks)


def test_sound_kernels_compute():
    x, y = run("bounded")
    np.testing.assert_array_equal(y, 2 * x)
    assert run("added")[1][0] == pytest.approx(x.sum())
    assert run("sums<float>")[1][0] == pytest.approx(x.sum())
    x, y = run("dynamic", 1, shared_mem=1024)
    np.testing.assert_array_equal(y[:256], x[255::-1])


def test_arguments_must_fit():
    kernel, x = Kernel(SOURCE, "bounded"), np.ones(8, "float32")
    for args, says in (
        ((x, x, 8), "expected np.int32"),
        ((x, x.astype("float64"), np.int32(8)), "expected float32"),
        ((x, x[::2], np.int32(8)), None),
        ((x, x), "expected 3 arguments"),
    ):
        with pytest.raises((TypeError, ValueError), match=says):
            kernel((1,), (8,), args)
    with pytest.raises(ValueError, match=r"at most|1 to 1,024 threads"):
        kernel((1,), (2048,), (x, x, np.int32(8)))


def test_an_error_of_the_compiler_is_told_with_its_line():
    with pytest.raises(KernelCompileError, match=r"kernel.cu line 3: .*\n.*2 \* z\[I\]"):
        Kernel(SOURCE.replace("2 * x", "2 * z"), "bounded")


def test_a_missing_compiler_is_told(monkeypatch):
    monkeypatch.setattr(compiling, "compiler", lambda: None)
    with pytest.raises(RuntimeError, match="needs the compiler g"):
        Kernel(SOURCE + "// not compiled yet, \n", "bounded")
