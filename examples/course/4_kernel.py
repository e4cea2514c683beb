"""Step 4: two kernels in CUDA C++, checked on the CPU, and three mistakes."""

# %%
import numpy as np

from firstlight.support.backend import load_cupy, resolve_device
from firstlight.tools.kernel_checker import Kernel, KernelFault

# %% [markdown]
# ## Two kernels
#
# A thread computes one number of ReLU. A column of a sum has eight threads, which add up in shared
# memory.

# %%
RELU = r"""
extern "C" __global__ void bias_relu(const float* a, const float* b, float* h, int n, int columns) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) h[i] = fmaxf(a[i] + b[i % columns], 0.0f);
}
"""
SUM = r"""
extern "C" __global__ void column_sum(const float* x, float* s, int rows, int columns) {
    __shared__ float part[8][32];
    int j = blockIdx.x * 32 + threadIdx.x;
    float sum = 0;
    if (j < columns)
        for (int i = threadIdx.y; i < rows; i += 8) sum += x[i * columns + j];
    part[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y == 0 && j < columns) {
        for (int k = 1; k < 8; k++) sum += part[k][threadIdx.x];
        s[j] = sum;
    }
}
"""


def bias_relu(kernel, a, b):
    """Return max(a + b, 0) of a (N, H) and b (H,)."""
    h = np.empty_like(a)
    kernel((-(-a.size // 256),), (256,), (a, b, h, np.int32(a.size), np.int32(len(b))))
    return h


def column_sum(kernel, x):
    """Return the sum (D,) over the rows of x (N, D)."""
    s = np.empty_like(x[0])
    rows, columns = x.shape
    kernel((-(-columns // 32),), (32, 8), (x, s, np.int32(rows), np.int32(columns)))
    return s


# %% [markdown]
# ## Run them: on the CPU in the checker, and on a GPU if there is one

# %%
rng = np.random.default_rng(0)
a, b = rng.normal(size=(50, 70)).astype("float32"), rng.normal(size=70).astype("float32")
made, put = {"checker": Kernel}, {"checker": np.asarray}
if resolve_device("auto") != "cpu":
    cupy = load_cupy()
    made["GPU"], put["GPU"] = cupy.RawKernel, cupy.asarray
for place in made:
    h = bias_relu(made[place](RELU, "bias_relu"), put[place](a), put[place](b))
    s = column_sum(made[place](SUM, "column_sum"), h)
    difference = np.abs(s - put[place](np.maximum(a + b, 0).sum(axis=0))).max()
    print(f"{place}: largest difference from NumPy {float(difference):.1e}")

# %% [markdown]
# ## Three mistakes
#
# A bound that is missing, a barrier that is missing, and a return before the barrier.

# %%
MISTAKES = (
    (bias_relu, (a, b), RELU.replace("if (i < n) ", "")),
    (column_sum, (a,), SUM.replace("__syncthreads();", "")),
    (column_sum, (a,), SUM.replace("float sum = 0;", "float sum = 0; if (j >= columns) return;")),
)
for run, arrays, source in MISTAKES:
    try:
        run(Kernel(source, run.__name__), *arrays)
    except KernelFault as fault:
        print(fault.findings[0])
