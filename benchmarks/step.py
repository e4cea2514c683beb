"""What a training step costs: ours against PyTorch and Lightning, and against bare matrix products.

    python benchmarks/step.py --work mlp --batch 32

Each peer is a process of its own that lives through the whole measurement (`peers.py`), so that
imports, threads and memory do not mix. They take turns, A B C A B C ..., each making the same
number of steps while all others sleep. Peers:

===================  ==============================================================================
gemms                the step's matrix products alone, into arrays made beforehand
adam                 one compiled pass of Adam's update over parameters, gradients and moments
ours                 a loop by hand without numba: training_step, backward, step, zero_grad
trainer              `firstlight.Trainer` without numba, with its default callbacks and a run folder
trainer-bare         the same without callbacks and without a run
ours-fast, ...       these three with what numba compiles, as they are installed
torch                PyTorch eager, a loop by hand, the optimizer as it is by default
torch-fused          the same with ``fused=True``
torch-channels-last  the same with channels on the last axis, for works with images
torch-compile        torch-fused with network and loss compiled (inductor, default mode)
lightning            `lightning.Trainer` as it is; training_step logs its loss, as ours does unasked
lightning-barebones  the same with ``barebones=True``, which logs nothing
jax                  one jitted function a step, with Optax's optimizer
===================  ==============================================================================

The *floor* of a step is ``gemms`` and ``adam`` together. What is compiled at the first step is not
counted; the column "first s" has the seconds of the first three steps.

A *work* is a file ``works/NAME.py`` with:

- ``BATCH``, the default batch size, and ``OPTIMIZER``, e.g. ``("Adam", {"lr": 1e-3})``
- ``ours(batch)``: our Module, whose ``configure_optimizer`` gives that optimizer
- ``torch(batch)``: ``(nn.Module, loss function)``; the loss is ``function(module(x), y)``
- ``batches(batch, count)``: a list of ``(x, y)``, NumPy arrays as our module takes them, x centred:
  units that are dead from early on have Adam's moments fade into denormals, at 3 times the cost
- ``to_torch(x, y)``: the same as PyTorch's module takes them
- ``jax(batch)``: parameters for JAX and ``loss(parameters, key, x, y)``
- ``IMAGES``: whether x are images that go through convolutions
- ``gemms(batch)``: the matrix products of a step, ``(m, k, n)`` each, or ``(many, m, k, n)``
- ``SIZES``, optional: ``{name: {argument: value}}``; ``--size NAME`` passes these to all of the
  functions above (not ``to_torch``) by keyword; a size's ``"batch"`` is its default batch size

Times are medians over the rounds. A ratio is the median of the ratios of each round, so that it
does not change when the machine slows down for a while. Columns: ``cores`` is processor time over
time, ``peak MB`` the most memory resident, ``loss`` that of the first batch when all is done.
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from peers import PEERS, load_work
from step_table import best, drift, floor, remarks, rows, table

HERE = Path(__file__).resolve().parent
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
PAUSE = 0.1  # seconds between turns, for the last one's threads to fall asleep
TURN = 1  # seconds a turn takes: after a pause, the first step finds all threads on one core


class Worker:
    """A peer's process."""

    def __init__(self, peer, told, folder, threads):
        self.peer, self.seconds, self.cores, self.result = peer, [], [], {}
        self.first = 0.0  # seconds of the first turn, in which all is made that is made once
        self.cpu = 0.0  # processor time so far, between turns too: threads spin before they sleep
        self.log = Path(folder) / f"{peer}.log"
        told = {**told, "peer": peer, "folder": str(Path(folder) / peer)}
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(HERE / "peers.py"), json.dumps(told)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                bufsize=1,
                env={
                    **os.environ,
                    **dict.fromkeys(THREADS, str(threads)),
                    # as the firstlight command sets it
                    "OPENBLAS_THREAD_TIMEOUT": "20",
                    "FIRSTLIGHT_COMPILED": "1" if peer.endswith("-fast") else "0",
                    "TORCHINDUCTOR_CACHE_DIR": str(Path(folder) / "inductor"),
                },
            )
        self.missing = self.answer().get("missing")

    def answer(self):
        """Return the worker's next answer; if it has died, say what it said last and stop."""
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.peer} has died:\n{self.log.read_text()[-3000:]}")
        return json.loads(line)

    def turn(self, steps, keep=True):
        """Have it make so many steps now; returns seconds a step."""
        time.sleep(PAUSE)
        print(steps, file=self.process.stdin)
        answer = self.answer()
        if keep:
            self.seconds.append(answer["seconds"] / steps)
            self.cores.append(answer["cpu"] / answer["seconds"])
        self.cpu = answer["cpu_in_all"]
        return answer["seconds"] / steps

    def stop(self):
        """End the process; fills in what it has to say at the end."""
        print("stop", file=self.process.stdin)
        self.result = self.answer()
        self.process.stdin.close()
        self.process.wait()


def measure(names, told, folder, threads, rounds, steps):
    """Return ``(workers that took part, steps a turn, share of the CPU that others used)``."""
    workers = []
    for name in names:
        worker = Worker(name, told, folder, threads)
        if worker.missing:
            print(f"{name}: left out, {worker.missing}")
        else:
            workers.append(worker)
    for worker in workers:
        worker.first = 3 * worker.turn(3, keep=False)
    first = [worker.turn(3, keep=False) for worker in workers]
    steps = steps or max(1, round(TURN / statistics.median(first)))
    for worker in workers:
        worker.turn(steps, keep=False)
    busy, mine, start = busy_seconds(), sum(w.cpu for w in workers), time.perf_counter()
    for _ in range(rounds):
        for worker in workers:
            worker.turn(steps)
    busy, mine = busy_seconds() - busy, sum(w.cpu for w in workers) - mine
    elapsed = time.perf_counter() - start
    for worker in workers:
        worker.stop()
    sizes = {w.peer: w.result["parameters"] for w in workers if w.result["parameters"]}
    if len(set(sizes.values())) > 1:
        sys.exit(f"the peers do not train the same network; parameters: {sizes}")
    return workers, steps, max(0.0, busy - mine) / (elapsed * os.cpu_count())


def busy_seconds():
    """Return the time that all processors were not idle, since the machine started."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return 0.0
    user, nice, system, _, _, *interrupts = map(int, stat.read_text().split()[1:9])
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


def cpu_name():
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    works = sorted(path.stem for path in (HERE / "works").glob("*.py"))
    add("--work", choices=works, default="mlp")
    add("--size", help="one of the work's SIZES")
    add("--batch", type=int, help="samples in a batch")
    add("--peers", default=",".join(PEERS), help="e.g. ours,torch")
    add("--rounds", type=int, default=21)
    add("--steps", type=int, help=f"in a turn (default: as many as take {TURN} s)")
    add("--threads", type=int, default=os.cpu_count(), help="for every peer (default: all cores)")
    add("--json", metavar="FILE", help="write all figures there too")
    told = parser.parse_args()
    told.peers = told.peers.split(",")
    for name in told.peers:
        if name not in PEERS:
            parser.error(f"--peers: expected some of {', '.join(PEERS)}, got {name}")
    if min(told.rounds, told.threads, told.batch or 1, told.steps or 1) < 1:
        parser.error("--rounds, --threads, --batch and --steps: expected 1 or more")
    return parser, told


def main():
    parser, told = parse()
    path = HERE / "works" / f"{told.work}.py"
    work = load_work(path)
    sizes = getattr(work, "SIZES", {})
    if told.size is not None and told.size not in sizes:
        parser.error(f"--size: {told.work} has the sizes {', '.join(sizes) or 'none'}")
    name = told.size or next(iter(sizes), None)
    size = dict(sizes.get(name, {}))
    usual = size.pop("batch", work.BATCH)
    batch = told.batch or usual
    with tempfile.TemporaryDirectory() as folder:
        job = {"work": str(path), "batch": batch, "size": size}
        measured = measure(told.peers, job, folder, told.threads, told.rounds, told.steps)
    workers, steps, others = measured
    versions = {}
    for worker in workers:
        versions |= worker.result["versions"]
    facts = {
        "work": told.work, "size": name, "batch": batch, "threads": told.threads,
        "rounds": told.rounds, "steps": steps, "cpu": cpu_name(), "cores": os.cpu_count(),
        "date": datetime.date.today().isoformat(), "versions": versions, "others_cpu": others,
    }  # fmt: skip
    figures = rows(workers)
    of_size = f" ({name})" if name else ""
    print(f"\n{told.work}{of_size}, batch {batch}, {told.threads} threads, {facts['date']}")
    print(f"{facts['cpu']}, {facts['cores']} cores")
    print(", ".join(f"{library} {version}" for library, version in versions.items()))
    print(f"{told.rounds} rounds of {steps} steps; others used {others:.1%} of the processors\n")
    print(table(figures))
    print(f"\n{remarks(figures)}")
    if others > 0.05:
        print("\nOther processes were busy: measure again when nothing runs beside.")
    for worker in workers if others <= 0.05 else ():
        if (change := drift(worker.seconds)) > 1.15:
            print(f"\n{worker.peer}: the second half took {change:.2f} times as long as the first.")
            print("Dead units, or data learned by heart? Moments that fade away become denormal.")
    if told.json:
        of_libraries = {library: row["peer"] for library, row in best(figures).items()}
        found = {**facts, "floor": floor(figures), "best": of_libraries, "peers": figures}
        Path(told.json).write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
