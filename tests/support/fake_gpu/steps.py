"""Count the launches and bytes of training steps: ``make gpu-steps``.

The works are those of ``benchmarks/gpu.py``, and an LSTM that reads characters. Nothing is
computed; the time is a model, not a measurement: that of a roofline with an H200's figures.
"""

import gc
import sys
from collections import Counter, defaultdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from fake_gpu import install, memory, recording

SLOWEST = 8  # kernels to show
COPY, CACHE = 4.3e12, 8e12  # bytes/s: of the memory, and of what fits in the L2 cache
CACHE_SIZE = 30e6  # bytes
LEAST, LEAST_PRODUCT = 2e-6, 4e-6  # s
PRODUCTS = {"": 55e12, "tf32": 400e12, "bf16": 700e12, "half": 600e12}  # flop/s
REACHED = 0.8  # of them


def seconds(launch: recording.Launch) -> float:
    """Return the time that a launch should take."""
    moving = launch.bytes / (CACHE if launch.bytes < CACHE_SIZE else COPY)
    if launch.flop:
        return max(LEAST_PRODUCT, launch.flop / PRODUCTS[launch.rounding] / REACHED, moving)
    return max(LEAST, moving + 1e-6)


def character_lstm(batch: int):
    """Return an LSTM of 256 units that predicts the next of 65 characters."""
    from firstlight import Module, nn, optim

    class CharacterLSTM(Module):
        def __init__(self):
            self.body = nn.Sequential(nn.Embedding(65, 128), nn.LSTM(128, 256), nn.Linear(256, 65))
            self.loss = nn.CrossEntropyLoss()

        def forward(self, x):
            return self.body(x)

        def backward(self, dy):
            return self.body.backward(dy)

        def configure_optimizer(self):
            return optim.Adam(self.parameters())

    return CharacterLSTM()


def characters(batch: int, count: int) -> list[tuple]:
    """Return batches of 100 characters and of those that follow them."""
    return [tuple(np.random.default_rng(0).integers(0, 65, (2, batch, 100)))] * count


LSTM = "lstm", 64, {}, "32"


def count(work: tuple, monkeypatch) -> tuple[list[recording.Launch], int]:
    """Return the launches of one step of a work of ``benchmarks/gpu.py``, or of `LSTM`.

    The number is that of the bytes that its training takes.
    """
    import cupy
    import gpu
    from peers import load_work

    from firstlight.training import means

    monkeypatch.setattr(means.TrainingMeans, "of_epoch", lambda self: {})  # there are no numbers
    name, batch, arguments, precision = work
    gc.collect()
    cupy.get_default_memory_pool().free_all_blocks()
    before = memory.used[0]
    memory.most_used[0] = before
    module = SimpleNamespace(ours=character_lstm, batches=characters)
    if name != LSTM[0]:
        module = load_work(gpu.HERE / "works" / f"{name}.py")
    data = module.batches(batch, 2, **arguments)
    turn = gpu.ours(module, batch, arguments, precision, "cuda:0", data, captured=False)
    turn(1)
    recording.LAUNCHES.clear()
    turn(1)
    return list(recording.LAUNCHES), memory.most_used[0] - before


def main() -> None:
    """Print a table of steps, and for each of them what takes most of its time."""
    sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))
    recording.settings["dry"] = True
    install()
    with pytest.MonkeyPatch.context() as monkeypatch:
        import gpu

        steps = {work[0] + " " + work[3]: count(work, monkeypatch) for work in (*gpu.WORKS, LSTM)}
    print(
        "| step | launches | bytes | memory | products | time, by a model |\n"
        "| --- | --- | --- | --- | --- | --- |"
    )
    for name, (launches, most) in steps.items():
        moved, flop = sum(one.bytes for one in launches), sum(one.flop for one in launches)
        time = 1e6 * sum(map(seconds, launches))
        sums = f"{moved / 1e6:,.1f} MB | {most / 1e6:,.1f} MB | {flop / 1e9:,.1f} GFLOP"
        print(f"| {name} | {len(launches)} | {sums} | {time:,.0f} µs |")
    for name, (launches, _) in steps.items():
        times, counts = defaultdict(float), Counter(one.name for one in launches)
        for one in launches:
            times[one.name] += 1e6 * seconds(one)
        print(f"\n{name}")
        for kernel, time in sorted(times.items(), key=lambda pair: -pair[1])[:SLOWEST]:
            print(f"  {kernel:44} {counts[kernel]:4} times {time:8,.0f} µs")


if __name__ == "__main__":
    main()
