"""How training scales over ranks: measured on this machine, and extrapolated by an α-β model.

    python benchmarks/scaling.py --plot docs/scaling.png

Measured, for mlp, cnn and gpt (``works/``), one BLAS thread a rank, medians of the slowest rank:

- the step of one process, without and with ``strategy="mpi"`` (what it costs to be able to scale)
- steps of 1, 2 and 4 ranks under `Trainer`, each rank with the whole batch of its own, so that
  the global batch grows with the ranks (weak scaling), and the sum of the gradient by itself
- the same global batch on 2 ranks of one thread, and in one process with two threads

More ranks than cores take turns: such figures are marked, and say nothing about the network.

Extrapolated: a step on P ranks takes T = T₁ + T_sum, with the step of one rank T₁ and, for n bytes
of gradient, Rabenseifner's all-reduce, recursive halving and doubling::

    T_sum = 2 ⌈log₂ P⌉ α + 2 (P - 1)/P · n/β + (P - 1)/P · n/γ

with the latency of a message α, a rank's share of the network's bandwidth β, and γ the bytes a rank
adds up a second. Nothing is overlapped with backward. The efficiency is T₁ / T.

References: Thakur, Rabenseifner and Gropp, "Optimization of Collective Communication Operations in
MPICH", 2005, section 4.5; Hockney, "The communication challenge for MPP", 1994, for α and β.
"""

import argparse
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORKS = {"mlp": {}, "cnn": {}, "gpt": "baby"}
RANKS = (1, 2, 4)
NETWORKS = {  # α in seconds, β and γ in bytes a second
    "10 GbE": (30e-6, 1.1e9, 5e9),
    "200 Gb/s": (2e-6, 22e9, 5e9),
}
GPU_NETWORKS = {  # sums run in the GPU's memory
    "10 GbE": (30e-6, 1.1e9, 1e12),
    "200 Gb/s": (5e-6, 22e9, 1e12),
    "NVLink": (3e-6, 350e9, 1e12),
}
GPU_STEP = {"mlp": 0.05e-3, "cnn": 0.12e-3, "gpt": 7e-3}  # estimates for one H200, not measured
OPEN_MPI = {  # more ranks than cores are meant so; so is a container's root
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
}
TICKS = (1, 4, 16, 64, 512)
NVLINK_REACHES = 8  # GPUs in one machine


def sum_time(ranks, size, network):
    """Return the seconds that Rabenseifner's all-reduce of so many bytes takes."""
    alpha, beta, gamma = network
    share = (ranks - 1) / ranks * size
    return 2 * math.ceil(math.log2(ranks)) * alpha + 2 * share / beta + share / gamma


def efficiency(step, ranks, size, network):
    """Return T₁ / T, the share of P-fold speed that P ranks have."""
    return step / (step + sum_time(ranks, size, network))


# --- one rank's measurements: a process started by mpiexec, or by itself ------------------------


def measure(name, strategy, steps, weak):
    """Print, from rank 0, a line of JSON with the times of a step and of the gradient's sum."""
    import numpy as np
    from peers import load_work

    import firstlight as fl

    work = load_work(HERE / "works" / f"{name}.py")
    size = dict(work.SIZES[WORKS[name]]) if WORKS[name] else {}
    batch = size.pop("batch", work.BATCH)
    trainer = fl.Trainer(max_steps=steps, strategy=strategy, default_callbacks=False, runs_dir=None)
    world = trainer.communicator
    whole = batch * (world.size if weak else 1)
    times = []

    class Clock(fl.Callback):
        def on_train_batch_end(self):
            times.append(time.perf_counter())

    trainer.callbacks.append(Clock())
    net = work.ours(batch, **size)
    trainer.fit(net, work.batches(whole, 2, **size) * steps)
    grad = trainer.optimizer.flat.grad
    sums = []
    for _ in range(20):
        world.barrier()
        start = time.perf_counter()
        world.allreduce_gradient_(grad)
        sums.append(time.perf_counter() - start)
    mine = statistics.median(np.diff(times)[2:]), statistics.median(sums)
    slowest = [max(values) for values in zip(*world.gather(mine), strict=True)]
    if world.rank == 0:
        found = {"step": slowest[0], "sum": slowest[1], "bytes": grad.nbytes, "ranks": world.size}
        print(json.dumps(found), flush=True)


def started(ranks, name, strategy="auto", steps=30, weak=True, threads=1):
    """Measure in fresh processes; returns the line they print as a dict."""
    command = [sys.executable, __file__, "--measure", name, strategy, str(steps), str(int(weak))]
    if ranks > 1:
        mpiexec = shutil.which("mpiexec") or str(Path(sys.executable).parent / "mpiexec")
        command = [mpiexec, "-n", str(ranks), *command]
    environment = os.environ | OPEN_MPI | {"OPENBLAS_NUM_THREADS": str(threads)}
    if ranks > os.cpu_count():
        environment["OMPI_MCA_mpi_yield_when_idle"] = "1"
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return json.loads(line)  # mpiexec may add lines of its own, with colours


# --- the whole -----------------------------------------------------------------------------------


def figures(names, steps, rounds):
    """Measure everything, the variants in turns; returns a dict by work."""
    found = {}
    for name in names:
        variants = {f"ranks {n}": (n, {}) for n in RANKS}
        variants["single"] = (1, {"strategy": "single"})
        variants["mpi on one rank"] = (1, {"strategy": "mpi"})
        variants["one batch, 2 ranks"] = (2, {"weak": False})
        variants["one batch, 2 threads"] = (1, {"threads": 2})
        taken = {variant: [] for variant in variants}
        for _ in range(rounds):
            for variant, (ranks, options) in variants.items():
                taken[variant].append(started(ranks, name, steps=steps, **options))
        found[name] = {
            variant: {key: statistics.median(run[key] for run in runs) for key in runs[0]}
            for variant, runs in taken.items()
        }
        found[name]["ratios"] = {
            "mpi on one rank / single": _ratio(taken, "mpi on one rank", "single"),
            "2 threads / 2 ranks": _ratio(taken, "one batch, 2 threads", "one batch, 2 ranks"),
        }
        show(name, found[name])
    return found


def _ratio(taken, one, other):
    pairs = zip(taken[one], taken[other], strict=True)
    return statistics.median(a["step"] / b["step"] for a, b in pairs)


def show(name, found):
    """Print one work's figures."""
    alone = found["ranks 1"]
    print(f"{name}: gradient {alone['bytes'] / 1e6:.1f} MB")
    for ranks in RANKS:
        here = found[f"ranks {ranks}"]
        share = alone["step"] / here["step"]
        more = "  more ranks than cores" if ranks > os.cpu_count() else ""
        print(
            f"  {ranks} ranks: step {1e3 * here['step']:8.2f} ms, sum {1e3 * here['sum']:7.2f} ms, "
            f"efficiency {share:.2f}{more}"
        )
    for what, ratio in found["ratios"].items():
        print(f"  {what}: {ratio:.3f}")


def plot(found, path):
    """Draw efficiencies over ranks, a column for each work: CPUs above, GPUs below."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    ranks = [2**power for power in range(10)]
    rows = (("CPU", NETWORKS), ("GPU", GPU_NETWORKS))
    figure, axes = pyplot.subplots(
        2, len(found), figsize=(3.7 * len(found), 6.6), sharex=True, sharey=True, squeeze=False
    )
    colours = {"10 GbE": "tab:red", "200 Gb/s": "tab:blue", "NVLink": "tab:green"}
    for column, (name, measured) in enumerate(found.items()):
        size = measured["ranks 1"]["bytes"]
        for row, (kind, networks) in enumerate(rows):
            panel = axes[row][column]
            step = measured["ranks 1"]["step"] if row == 0 else GPU_STEP[name]
            for network, numbers in networks.items():
                values = [100 * efficiency(step, p, size, numbers) for p in ranks]
                reach = len(ranks)
                if network == "NVLink":
                    reach = ranks.index(NVLINK_REACHES) + 1
                    panel.plot(ranks[reach - 1 :], values[reach - 1 :], ":", color=colours[network])
                panel.plot(ranks[:reach], values[:reach], color=colours[network], label=network)
            if row == 0:
                here = [p for p in RANKS if p <= os.cpu_count()]
                share = [100 * step / measured[f"ranks {p}"]["step"] for p in here]
                panel.plot(here, share, "kx", label="measured here")
            what = "measured" if row == 0 else "estimated"
            panel.set_title(
                f"{name} on {kind}s: {size / 1e6:.1f} MB, step {_short(1e3 * step)} ms ({what})",
                fontsize=8.5,
            )
            panel.set_xscale("log", base=2)
            panel.set_xticks(TICKS, map(str, TICKS))
            panel.set_ylim(0, 105)
            panel.grid(alpha=0.3)
            if row == 1:
                panel.set_xlabel("ranks")
            if column == 0:
                panel.set_ylabel("efficiency T₁ / T, %")
    networks = "; ".join(
        f"{name} {1e6 * a:.0f} µs, {b / 1e9:g} GB/s" for name, (a, b, _) in GPU_NETWORKS.items()
    )
    figure.text(
        0.5,
        0.005,
        "Each rank has a batch of its own. T = T₁ + 2⌈log₂P⌉α + 2(P-1)/P·n/β + (P-1)/P·n/γ, "
        f"nothing overlapped.\nα, β between GPUs: {networks} (dotted beyond one machine's "
        f"{NVLINK_REACHES});\nbetween CPUs: 10 GbE the same, 200 Gb/s 2 µs; γ 5 GB/s on CPUs, "
        "1 TB/s on GPUs.",
        ha="center",
        fontsize=7.5,
    )
    handles = {}
    for panel in axes.flat:
        handles |= dict(zip(*reversed(panel.get_legend_handles_labels()), strict=True))
    figure.legend(handles.values(), handles, loc="upper center", ncols=len(handles), fontsize=8)
    figure.tight_layout(rect=(0, 0.07, 1, 0.96))
    figure.savefig(path, dpi=110)
    print(f"plot: {path}")


def _short(value):
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--works", default=",".join(WORKS), help="of mlp, cnn, gpt")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures; read by --from")
    parser.add_argument("--from", dest="earlier", type=Path, help="take figures, measure nothing")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        name, strategy, steps, weak = given.measure
        measure(name, strategy, int(steps), bool(int(weak)))
        return
    names = given.works.split(",")
    if unknown := [name for name in names if name not in WORKS]:
        parser.error(f"expected some of {', '.join(WORKS)}, got {', '.join(unknown)}")
    if given.earlier:
        found = json.loads(given.earlier.read_text())
    else:
        found = figures(names, given.steps, given.rounds)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))
    if given.plot:
        with tempfile.TemporaryDirectory() as folder:
            os.environ.setdefault("MPLCONFIGDIR", folder)
            plot(found, given.plot)


if __name__ == "__main__":
    main()
