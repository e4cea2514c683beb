"""What training steps and kernels cost on a GPU: captured, uncaptured, and PyTorch eager beside.

    python benchmarks/gpu.py              # what `make gpu-bench` runs
    python benchmarks/gpu.py --rounds 3 --json figures.json

All peers run in this one process on the same GPU and take turns; a figure is the median over the
rounds, and a ratio the median of the rounds' ratios. The device's name and all figures go to a
JSON file, and as tables into docs/benchmarks.md, between two markers.
"""

import argparse
import datetime
import json
import math
import statistics
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
from peers import load_work
from torch_peers import channels_last

from firstlight import Callback, DataLoader, Parameter, Trainer, nn, optim
from firstlight.fast.cuda.attention import CudaAttention
from firstlight.support.backend import device_name, load_cupy, resolve_device, to_device, using

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
MARKERS = "<!-- gpu: begin -->", "<!-- gpu: end -->"
BABY = {"layers": 6, "heads": 6, "width": 384, "block": 256}
WORKS = [  # work, batch, arguments, precision
    ("mlp", 128, {}, "32"),
    ("mlp", 128, {}, "tf32"),
    ("cnn", 64, {}, "32"),
    ("cnn", 64, {}, "tf32"),
    ("cnn", 64, {}, "bf16"),
    ("cnn", 64, {}, "16"),
    ("gpt", 64, BABY, "tf32"),
    ("gpt", 64, BABY, "bf16"),
    ("gpt", 64, BABY, "16"),
]


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=50, help="in a turn")
    parser.add_argument("--json", type=Path, default=HERE / "gpu.json")
    parser.add_argument("--page", type=Path, default=PAGE)
    told = parser.parse_args(argv)
    device = resolve_device(told.device)
    figures = {
        "device": device_name(device),
        "date": datetime.date.today().isoformat(),
        "steps": [
            step_of(*work, device=device, rounds=told.rounds, steps=told.steps) for work in WORKS
        ],
        "loop": loop(device, told.rounds),
        "kernels": kernels(device, told.rounds),
    }
    told.json.write_text(json.dumps(figures, indent=1) + "\n")
    told.page.write_text(with_tables(told.page.read_text(), figures))
    print(tables(figures))


# --- steps -----------------------------------------------------------------------------------


def step_of(name, batch, arguments, precision, *, device, rounds, steps):
    """Measure a work's training step; returns its figures."""
    work = load_work(HERE / "works" / f"{name}.py")
    data = work.batches(batch, 4, **arguments)
    peers = {
        peer: ours(work, batch, arguments, precision, device, data, captured)
        for peer, captured in (("captured", True), ("uncaptured", False))
    }
    if torch_usable():
        peers["torch"] = torch_steps(work, batch, arguments, precision, data)
    for turn in peers.values():
        turn(max(3, steps // 5))
    seconds = {peer: [] for peer in peers}
    for _ in range(rounds):
        for peer, turn in peers.items():
            seconds[peer].append(turn(steps) / steps)
    flops = sum(2 * math.prod(product) for product in work.gemms(batch, **arguments))
    found = {"work": name, "batch": batch, "precision": precision, "gemm_flop": flops}
    for peer, times in seconds.items():
        found[f"{peer}_us"] = 1e6 * statistics.median(times)
    found["tflops"] = flops / found["captured_us"] / 1e6
    if "torch" in seconds:
        ratios = [t / o for t, o in zip(seconds["torch"], seconds["captured"], strict=True)]
        found["times_torch"] = statistics.median(ratios)
    return found


def ours(work, batch, arguments, precision, device, data, captured):
    """Return ``turn(steps) -> seconds`` of our training step, as the Trainer makes it."""
    settings = {"default_callbacks": False, "runs_dir": None, "max_steps": 1}
    trainer = Trainer(device=device, precision=precision, capture=captured, **settings)
    module = work.ours(batch, **arguments)
    trainer.fit(module, data)
    from firstlight.fast.cuda.gemm import precision as at_precision

    with using(device):
        on_device = [tuple(to_device(part, device) for part in pair) for pair in data]

    def turn(steps):
        with using(device), at_precision(precision):
            stream = load_cupy().cuda.get_current_stream()
            stream.synchronize()
            start = time.perf_counter()
            for index in range(steps):
                trainer.loop.step(on_device[index % len(on_device)], True)
                trainer.optimizer.step()
                trainer.optimizer.zero_grad()
            stream.synchronize()
            return time.perf_counter() - start

    return turn


def torch_usable():
    try:
        import torch
    except ImportError:
        return False
    return torch.cuda.is_available()


def torch_steps(work, batch, arguments, precision, data):
    """Return the same of PyTorch eager; "bf16" is its autocast, "16" that with its GradScaler."""
    import torch

    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    module, loss_of = work.torch(batch, **arguments)
    module = module.cuda().train()
    name, options = work.OPTIMIZER
    optimizer = getattr(torch.optim, name)(module.parameters(), **options)
    on_device = [[part.cuda() for part in work.to_torch(*pair)] for pair in data]
    if work.IMAGES:
        module, on_device = channels_last(module, on_device)
    low = {"bf16": torch.bfloat16, "16": torch.float16}.get(precision)
    scaler = torch.amp.GradScaler("cuda", enabled=precision == "16")

    def turn(steps):
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        torch.cuda.synchronize()
        start = time.perf_counter()
        for index in range(steps):
            x, y = on_device[index % len(on_device)]
            with torch.autocast("cuda", low, enabled=low is not None):
                loss = loss_of(module(x), y)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
        torch.cuda.synchronize()
        return time.perf_counter() - start

    return turn


# --- the Trainer's whole loop --------------------------------------------------------------------


class Clock(Callback):
    """Notes when each epoch ends; its record has brought the means from the GPU by then."""

    def __init__(self):
        self.times = []

    def on_train_epoch_end(self):
        self.times.append(time.perf_counter())


def loop(device, rounds, batch=128, steps=200):
    """Measure a step of the Trainer's loop for an MLP whose samples live on the GPU."""
    work, clock = load_work(HERE / "works" / "mlp.py"), Clock()
    ((x, y),) = work.batches(batch * steps, 1)
    settings = {"default_callbacks": False, "runs_dir": None, "log_every_n_steps": 50}
    trainer = Trainer(device=device, max_epochs=rounds + 2, callbacks=[clock], **settings)
    trainer.fit(work.ours(batch), DataLoader((x, y), batch, shuffle=True))
    epochs = [after - before for before, after in pairwise(clock.times[1:])]
    return {"batch": batch, "us": 1e6 * statistics.median(epochs) / steps}


# --- kernels: bytes that must be moved, against bytes a second ---------------------------------


def kernels(device, rounds, rows=16384, width=384, length=256):
    """Measure kernels of a 6 x 384 transformer against the bytes that they must move."""
    with using(device):
        x = to_device(np.random.default_rng(0).standard_normal((rows, width), "float32"), device)
        norm, gelu = nn.LayerNorm(width).to(device=device), nn.GELU()
        heads = x.reshape(rows // length, length, -1, 64).transpose(0, 2, 1, 3)
        adamw = optim.AdamW([Parameter(x.copy())])
        scores = 4 * rows * length * heads.shape[1]
        calls = {
            "layer_norm": (lambda: _forward(norm, x), 3 * x.nbytes),
            "gelu": (lambda: _forward(gelu, x), 3 * x.nbytes),
            "adamw": (adamw.step, 7 * x.nbytes),
            "attention": (
                lambda: CudaAttention.attend(*[heads] * 3, np.empty_like(heads), causal=True),
                4 * x.nbytes + 4 * scores,
            ),
        }
        return [_kernel(name, call, size, rounds) for name, (call, size) in calls.items()]


def _forward(layer, x):
    layer(x)
    layer.saved()


def _kernel(name, call, size, rounds, repeats=20):
    stream = load_cupy().cuda.get_current_stream()
    call()
    times = []
    for _ in range(rounds):
        stream.synchronize()
        start = time.perf_counter()
        for _ in range(repeats):
            call()
        stream.synchronize()
        times.append((time.perf_counter() - start) / repeats)
    seconds = statistics.median(times)
    return {"kernel": name, "bytes": size, "us": 1e6 * seconds, "gb_per_s": size / seconds / 1e9}


# --- what is written ---------------------------------------------------------------------------


def tables(figures):
    """Return the figures as Markdown."""
    lines = [f"Measured on {figures['device']}, {figures['date']}, by `make gpu-bench`.", ""]
    lines += ["| work | batch | precision | captured | uncaptured | PyTorch eager | × | TFLOP/s |"]
    lines += ["| --- | --- | --- | --- | --- | --- | --- | --- |"]
    for row in figures["steps"]:
        torch = f"{row['torch_us']:,.0f} µs" if "torch_us" in row else "not there"
        times = f"{row['times_torch']:.2f}" if "times_torch" in row else ""
        lines.append(
            f"| {row['work']} | {row['batch']} | {row['precision']} | {row['captured_us']:,.0f} µs "
            f"| {row['uncaptured_us']:,.0f} µs | {torch} | {times} | {row['tflops']:.1f} |"
        )
    row = figures["loop"]
    lines += ["", "| the Trainer's loop | batch | a step |", "| --- | --- | --- |"]
    lines += [f"| mlp | {row['batch']} | {row['us']:,.0f} µs |"]
    lines += ["", "| kernel | bytes at least | time | GB/s |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {row['kernel']} | {row['bytes'] / 1e6:,.1f} MB | {row['us']:,.0f} µs "
        f"| {row['gb_per_s']:,.0f} |"
        for row in figures["kernels"]
    ]
    return "\n".join(lines)


def with_tables(page, figures):
    """Return a page whose part between the markers is the tables."""
    begin, end = MARKERS
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n\n{tables(figures)}\n\n{end}{after}"


if __name__ == "__main__":
    main()
