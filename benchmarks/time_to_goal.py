"""From nothing to a goal: the wall clock from the start of a process on.

    FIRSTLIGHT_DATA=folder python benchmarks/time_to_goal.py --work digits --json goal.json

Each run is a new process that imports its library, reads its data, trains, and stops after the
first validation that reaches the goal. The peers take turns, A B C A B C ..., round r with seed r.
Each trains with plain settings, and with the recipe of a file in examples/, which ends by itself.
PyTorch reads arrays that are ready; firstlight reads the files of its data sets.

===========  ===========================================  ======================================
work         goal                                         plain settings
===========  ===========================================  ======================================
digits       98 % of 359 images                           MLP 64-128-10, Adam, batch 32
mnist        99 % of the 10,000 test images               CNN of PyTorch's example, batch 128
shakespeare  1.90 nats a character, all validation text   ``examples/shakespeare.yaml``
===========  ===========================================  ======================================

===========  ======================================================================================
firstlight   `firstlight.Trainer` with default callbacks and a run folder, compiled before, as
             if PyTorch were not installed
torch        a hand-written loop over tensors: shuffled indices, no DataLoader, fused Adam
lightning    `lightning.Trainer` as it is, with a DataLoader over a TensorDataset
===========  ======================================================================================
"""

import argparse
import datetime
import importlib.util
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from goals import WORKS, write_arrays

PEERS = ("firstlight", "torch", "lightning")
SETTINGS = ("plain", "recipe")
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def run(peer, work, settings, seed, threads, arrays):
    """Start a peer's process; returns its seconds and its values of the metric."""
    environment = {**os.environ, **dict.fromkeys(THREADS, str(threads))}
    script = str(Path(__file__).resolve().with_name("goal_peers.py"))
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, script, peer, work, settings, str(seed), arrays],
            capture_output=True, text=True, cwd=folder, env=environment,
        )  # fmt: skip
        seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{peer}, {settings}, has failed:\n{done.stderr[-3000:]}")
    return seconds, json.loads(done.stdout.splitlines()[-1])


def measure(work, peers, settings, rounds, threads):
    """Return ``{(peer, settings): [(seconds, values), one for each seed]}``."""
    found = {pair: [] for pair in itertools.product(peers, settings)}
    with tempfile.TemporaryDirectory() as arrays:
        write_arrays(WORKS[work], arrays)
        if "firstlight" in peers:
            run("firstlight", work, "recipe", 0, threads, arrays)  # fills numba's cache
        for seed in range(rounds):
            for (peer, kind), runs in found.items():
                runs.append(run(peer, work, kind, seed, threads, arrays))
                seconds, values = runs[-1]
                print(
                    f"seed {seed}  {peer:11s}{kind:7s}{seconds:7.1f} s  "
                    f"{len(values):3d} validations, the last {values[-1]:.4f}",
                    flush=True,
                )
    return found


def table(work, found):
    """Return Markdown rows, with the ratio to firstlight's time by the same settings."""
    lines = [
        "| settings | peer | seconds: median (min – max) | to ours | reached | last value, mean |",
        "|---|---|---|---|---|---|",
    ]
    for settings, peer in sorted((kind, peer) for peer, kind in found):
        runs = found[peer, settings]
        seconds, values = zip(*runs, strict=True)
        last = [value[-1] for value in values]
        median = statistics.median(seconds)
        base = statistics.median(taken for taken, _ in found.get(("firstlight", settings), runs))
        lines.append(
            f"| {settings} | {peer} | {median:.1f} ({min(seconds):.1f} – {max(seconds):.1f}) | "
            f"{median / base:.2f} | {sum(map(work.reached, last))} of {len(runs)} | "
            f"{statistics.mean(last):.4f} |"
        )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", choices=WORKS, required=True)
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--settings", default=",".join(SETTINGS), help="plain, recipe or both")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--json", metavar="FILE", help="write all figures there too")
    told = parser.parse_args()
    peers, settings = told.peers.split(","), told.settings.split(",")
    for name, given, known in (("peers", peers, PEERS), ("settings", settings, SETTINGS)):
        if unknown := [word for word in given if word not in known]:
            parser.error(f"--{name}: expected some of {', '.join(known)}, got {unknown[0]}")
    here = [peer for peer in peers if importlib.util.find_spec(peer)]
    for peer in set(peers) - set(here):
        print(f"{peer}: left out, it is not installed")
    found = measure(told.work, here, settings, told.rounds, told.threads)
    print(table(WORKS[told.work], found))
    if told.json:
        facts = {
            "date": datetime.date.today().isoformat(), "work": told.work,
            "goal": WORKS[told.work].goal, "threads": told.threads,
            "runs": {f"{peer}, {settings}": runs for (peer, settings), runs in found.items()},
        }  # fmt: skip
        Path(told.json).write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    main()
