"""What a GPU can do where a training needs it: copies, launches, and products by precision.

    python benchmarks/gpu_ceilings.py

Medians of CUDA events, in µs. The products are those of the networks in ``benchmarks/works``.
"""

import statistics

import numpy as np

from firstlight.fast.cuda import gemm
from firstlight.support.backend import load_cupy, to_device, using

SHAPES = {  # m, k, n
    "mlp": (128, 784, 512),
    "cnn, patches": (36_864, 288, 64),
    "cnn, dw of patches": (64, 36_864, 288),
    "gpt, up": (16_384, 384, 1536),
    "gpt, down": (16_384, 1536, 384),
    "large": (8192, 8192, 8192),
}
PRECISIONS = ("32", "tf32", "bf16", "16")
SMALL = 200  # launches of a graph


def timed(cupy, call, repeats=30):
    """Return the median of a call's times on the GPU, in µs."""
    for _ in range(3):
        call()
    times = []
    for _ in range(repeats):
        start, end = cupy.cuda.Event(), cupy.cuda.Event()
        start.record()
        call()
        end.record()
        end.synchronize()
        times.append(1e3 * cupy.cuda.get_elapsed_time(start, end))
    return statistics.median(times)


def copies(cupy):
    x = cupy.ones(1 << 28, "float32")
    y = cupy.empty_like(x)
    us = timed(cupy, lambda: cupy.copyto(y, x))
    print(f"copy of {x.nbytes / 1e9:.1f} GB: {2 * x.nbytes / us / 1e6:.2f} TB/s read and written")


def launches(cupy):
    small = cupy.ones(1024, "float32")
    alone = timed(cupy, lambda: cupy.add(small, 1, out=small))
    stream = cupy.cuda.get_current_stream()
    stream.begin_capture()
    for _ in range(SMALL):
        cupy.add(small, 1, out=small)
    graph = stream.end_capture()
    each = timed(cupy, lambda: graph.launch(stream)) / SMALL
    print(
        f"a small kernel: {alone:.1f} µs launched alone, {each:.2f} µs as one of {SMALL} of a graph"
    )


def products(cupy, device):
    rng = np.random.default_rng(0)
    print(f"{'product: µs, TFLOP/s':24s}" + "".join(f"{mode:>18s}" for mode in PRECISIONS))
    for name, (m, k, n) in SHAPES.items():
        a, b = (to_device(rng.standard_normal(s, "float32"), device) for s in ((m, k), (k, n)))
        line = f"{name:24s}"
        for mode in PRECISIONS:
            with gemm.precision(mode):
                us = timed(cupy, lambda a=a, b=b: gemm.matmul(a, b), 10)
            line += f"{us:10.1f}{2 * m * k * n / us / 1e6:8.1f}"
        print(line, flush=True)


def main(device="cuda:0"):
    with using(device):
        cupy = load_cupy()
        copies(cupy)
        launches(cupy)
        products(cupy, device)


if __name__ == "__main__":
    main()
