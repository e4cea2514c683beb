"""Convolutions: forward and backward of twelve shapes, against PyTorch's faster layout.

Ours, PyTorch channels-first and PyTorch channels-last take turns in one process, with as many
threads each. A ratio is PyTorch's time, of its faster layout, over ours: above 1 we are faster.

    python benchmarks/convolution.py --json convolution.json
"""

import argparse
import json
import os
import statistics
import time

THREADS = str(os.cpu_count())
TURN, SETTLING = 0.2, 0.1  # seconds: after a pause, the system first has all threads on one core
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, THREADS)  # before NumPy is imported

import numpy as np  # noqa: E402
import torch  # noqa: E402

from firstlight import nn  # noqa: E402

# batch, height = width, channels in and out, kernel, stride, padding, groups
SHAPES = [
    (64, 28, 1, 32, 3, 1, 0, 1),
    (64, 28, 1, 6, 5, 1, 2, 1),
    (64, 14, 6, 16, 5, 1, 0, 1),
    (64, 32, 3, 32, 3, 1, 1, 1),
    (64, 32, 16, 16, 3, 1, 1, 1),
    (64, 32, 16, 32, 3, 2, 1, 1),
    (64, 26, 32, 64, 3, 1, 0, 1),
    (64, 28, 32, 32, 5, 1, 2, 1),
    (32, 14, 128, 128, 3, 1, 1, 1),
    (32, 7, 256, 256, 3, 1, 1, 1),
    (64, 14, 256, 64, 1, 1, 0, 1),
    (64, 28, 64, 64, 3, 1, 1, 64),
]


class Ours:
    """Our layer, its input and a dy."""

    def __init__(self, x, shape):
        _, _, channels, out, kernel, stride, padding, groups = shape
        first = channels <= 3  # the images themselves: nobody needs their gradient
        self.layer = nn.Conv2d(
            channels, out, kernel, stride, padding, groups=groups, needs_dx=not first
        )
        self.x, self.y = x, self.layer(x)
        self.dy = np.random.default_rng(1).standard_normal(self.y.shape, "float32")

    def forward(self):
        self.layer.train()  # forgets the last forward
        return self.layer(self.x)

    def backward(self):
        self.layer.backward(self.dy)


class Torch:
    """PyTorch's, in one of its two layouts."""

    def __init__(self, x, shape, layout):
        _, _, channels, out, kernel, stride, padding, groups = shape
        self.layer = torch.nn.Conv2d(channels, out, kernel, stride, padding, groups=groups)
        self.layer.to(memory_format=layout)
        self.x = torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(memory_format=layout)
        self.x.requires_grad_(channels > 3)
        self.y = self.layer(self.x)
        self.dy = torch.randn_like(self.y)

    def forward(self):
        self.y = self.layer(self.x)

    def backward(self):
        self.y.backward(self.dy)


def measure(shape, rounds, clock, typical):
    """Return the typical forward and backward times of each peer by a clock, in ms."""
    batch, size, channels, *_ = shape
    x = np.random.default_rng(0).standard_normal((batch, size, size, channels), "float32")
    peers = {
        "ours": Ours(x, shape),
        "torch": Torch(x, shape, torch.contiguous_format),
        "torch channels-last": Torch(x, shape, torch.channels_last),
    }
    times = {name: ([], []) for name in peers}
    for turn in range(rounds + 1):
        for name, peer in peers.items():
            time.sleep(0.002)  # for the last one's threads to fall asleep
            forwards, backwards, began = [], [], time.perf_counter()
            while (start := time.perf_counter()) < began + TURN or not forwards:
                first = clock()
                peer.forward()
                middle = clock()
                peer.backward()
                if start > began + SETTLING:
                    forwards.append(middle - first)
                    backwards.append(clock() - middle)
            if turn:
                times[name][0].append(typical(forwards))
                times[name][1].append(typical(backwards))
    return {name: tuple(1e3 * typical(values) for values in both) for name, both in times.items()}


def figures(shape, rounds, *how):
    """Return a row of the table."""
    batch, size, channels, out, kernel, stride, padding, groups = shape
    found = measure(shape, rounds, *how)
    ours, *theirs = found.values()
    best = [min(times[k] for times in theirs) for k in (0, 1)]
    total = min(sum(times) for times in theirs)
    return {
        "shape": f"{channels}→{out} {kernel}×{kernel}"
        + (f" /{stride}" if stride > 1 else "")
        + (" depthwise" if groups > 1 else ""),
        "images": f"{batch}×{size}×{size}",
        "forward_ms": ours[0],
        "backward_ms": ours[1],
        "torch_forward_ms": best[0],
        "torch_backward_ms": best[1],
        "forward": best[0] / ours[0],
        "backward": best[1] / ours[1],
        "both": total / sum(ours),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", metavar="FILE", help="write all figures there too")
    busy = "lowest processor time instead of median time, for a busy machine (OMP_NUM_THREADS=1)"
    parser.add_argument("--processor-time", action="store_true", help=busy)
    told = parser.parse_args()
    how = (
        (time.process_time, min) if told.processor_time else (time.perf_counter, statistics.median)
    )
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    heads = "convolution images forward backward | torch: forward backward | ratio: fwd bwd both"
    print(heads + f"   (ms; {torch.get_num_threads()} threads, torch {torch.__version__})")
    rows = []
    for shape in SHAPES:
        row = figures(shape, told.rounds, *how)
        rows.append(row)
        print(
            f"{row['shape']:<20}{row['images']:<10}{row['forward_ms']:8.2f}"
            f"{row['backward_ms']:8.2f}{row['torch_forward_ms']:9.2f}"
            f"{row['torch_backward_ms']:8.2f}{row['forward']:8.2f}{row['backward']:6.2f}"
            f"{row['both']:6.2f}",
            flush=True,
        )
    for part in ("forward", "backward", "both"):
        ratios = [row[part] for row in rows]
        print(f"{part}: median {statistics.median(ratios):.2f}, lowest {min(ratios):.2f}")
    if told.json:
        with open(told.json, "w") as file:
            json.dump(rows, file, indent=2, ensure_ascii=False)


if __name__ == "__main__":
    main()
