"""Step 4: what bounds the time of each layer: launches, memory or arithmetic."""

# %%
import time
from pathlib import Path

import numpy as np

from firstlight import figures
from firstlight.support.backend import load_cupy, resolve_device
from firstlight.tools.profile import product_speed

# %% [markdown]
# ## The lines of the step, layer by layer
#
# Each layer has a function, its launches, the float32 numbers that it reads and writes, and its
# floating-point operations.


# %%
def layers(xp, B, D, H, C):
    """Return the layers of `step` with D, H and C units, for a batch of B."""
    x, W1, W2, h, z = (xp.full(s, 1, "f") for s in ((B, D), (H, D), (C, H), (B, H), (B, C)))
    pairs = [(p + 0, 0.1 * p) for p in (W1, W2, h[0], z[0])]  # parameters, gradients
    BD, BH, BC, w1, w2, w = B * D, B * H, B * C, D * H, H * C, D * H + H * C

    def loss():
        shifted = z - z.max(axis=1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return (np.exp(log_p) - z) / B, -(z * log_p).sum() / B

    return {
        "linear 1": (lambda: x @ W1.T + h[0], 2, BD + w1 + 3 * BH, 2 * B * w1),
        "ReLU": (lambda: np.maximum(h, 0), 1, 2 * BH, BH),
        "linear 2": (lambda: h @ W2.T + z[0], 2, BH + w2 + 3 * BC, 2 * B * w2),
        "softmax, loss": (loss, 13, 19 * BC, 10 * BC),
        "back 2": (lambda: (z.T @ h, z.sum(0), z @ W2), 3, 2 * BH + 3 * BC + 2 * w2, 4 * B * w2),
        "back ReLU": (lambda: h * (h > 0), 2, 3.5 * BH, 2 * BH),
        "back 1": (lambda: (h.T @ x, h.sum(0)), 2, 2 * BH + BD + w1, 2 * B * w1),
        "update": (lambda: [np.subtract(p, 0.1 * d, p) for p, d in pairs], 8, 5 * w, 2 * w),
    }


def micros(function, calls=1, wait=lambda: None):
    """Return the microseconds of a call, in the fastest of 7 rounds."""
    times = []
    for _ in range(7):
        wait()
        start = time.perf_counter()
        for _ in range(calls):
            function()
        wait()
        times.append(1e6 * (time.perf_counter() - start) / calls)
    return min(times)


# %% [markdown]
# ## Three limits
#
# A launch, a number read or written, and an operation take at least so many microseconds. Those of
# the CPU are measured; those of the GPU are from the data sheet of an H200 (SXM).

# %%
one, two = np.ones(1, "float32"), np.ones((2, 2**23), "float32")
number = micros(lambda: np.copyto(two[0], two[1])) / two.size
limits = {"CPU": (micros(lambda: one + one, 1000), number, 1e6 / product_speed())}
limits["H200"] = (10, 4 / 4.8e6, 1 / 67e6)  # 4.8 TB/s, 67 TFLOP/s; launch: CuPy's (see the chapter)
places = {"CPU": (np, lambda: None)}
if resolve_device("auto") != "cpu":
    places["H200"] = (load_cupy(), load_cupy().cuda.get_current_stream().synchronize)

# %% [markdown]
# ## Predicted and measured

# %%
bounds, measured = {}, {}
for name, limit in limits.items():
    print(f"{name}: {limit[0]:.1f} µs, {4e-3 / limit[1]:.0f} GB/s, {1e-3 / limit[2]:.0f} GFLOP/s")
    for size in (128, 4096):
        panel, (xp, wait) = f"{name}, B = H = {size}", places.get(name, (np, None))
        table = layers(xp, size, 64, size, 10)
        functions, *counts = zip(*table.values(), strict=True)
        times = np.array(counts) * np.reshape(limit, (3, 1))
        bounds[panel] = dict(zip(("launches", "memory", "arithmetic"), times, strict=True))
        print(f"{panel}: {times.max(axis=0).sum():.0f} µs predicted")
        if wait:
            measured[panel] = [micros(f, max(1, 2**22 // size**2), wait) for f in functions]
            print(f"{panel}: {sum(measured[panel]):.0f} µs measured")
Path("course").mkdir(exist_ok=True)
figures.save(figures.layer_times(list(table), bounds, measured), "course/roofline.png")
