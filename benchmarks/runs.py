"""How long ``firstlight runs list`` takes on many runs.

Makes 1,000 run folders of 10,000 records each, as trainings leave them (half with a validation
every 100 records), a few of them crashed and one running, and times the command as a user starts
it: the whole process, three times, files cached by the system.

    python benchmarks/runs.py [RUNS RECORDS]     (1000 10000 by default: 1.5 GB, for a moment)
"""

import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CRASHED = 50  # one run in so many
COMMANDS = {
    "list": ["list"],
    "list --where": ["list", "--where", "val_acc > 0.5 and model.lr < 0.1", "--sort", "-val_acc"],
    "list --json": ["list", "--json"],
}


def records(count):
    lines = []
    for step in range(1, count + 1):
        loss = math.exp(-step / count)
        record = {"step": step, "epoch": 1 + step // 100, "time": step / 100}
        record |= {"train_loss_step": loss, "train_acc_step": 1 - loss, "lr": 1e-3 * loss}
        if step % 100 == 0:
            record |= {"train_loss": loss, "val_loss": loss + 0.01, "val_acc": 1 - loss}
        lines.append(json.dumps(record) + "\n")
    return "".join(lines)


def make(folder, runs, count):
    content, last = records(count), math.exp(-1)
    for number in range(runs):
        path = folder / f"name-{number % 20}" / f"2026-01-01_00-00-00_{number:04x}"
        path.mkdir(parents=True)
        config = {"model": {"name": "mlp", "hidden": [512, 256], "lr": 1e-3 * (1 + number)}}
        config |= {"data": {"name": "mnist", "batch_size": 64}, "seed": number}
        config |= {"callbacks": {"lr_schedule": dict.fromkeys("abcdefghijklmnop")}}
        (path / "config.json").write_text(json.dumps(config, indent=2))
        (path / "metrics.jsonl").write_text(content)
        summary = {"status": "finished", "metrics": {"val_loss": last, "val_acc": 1 - last}}
        summary |= {"best": {"val_loss": {"value": last, "step": count, "epoch": 100}}}
        summary |= {"epochs": 100, "steps": count, "duration_s": count / 100}
        if number % CRASHED == 0:
            summary = {
                "status": "running",
                "pid": 2**22,
                "hostname": platform.node(),
                "metrics": {},
            }
        (path / "summary.json").write_text(json.dumps(summary, indent=2))


def seconds(words, folder):
    command = [sys.executable, "-m", "firstlight", "runs", *words, "--runs_dir", str(folder)]
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return time.perf_counter() - started, len(done.stdout.splitlines())


def main():
    runs, count = (int(word) for word in (sys.argv[1:] + ["1000", "10000"][len(sys.argv) - 1 :]))
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), runs, count)
        size = sum(f.stat().st_size for f in Path(folder).rglob("*") if f.is_file()) / 1e9
        print(
            f"{runs:,} runs of {count:,} records, {size:.2f} GB, one in {CRASHED} crashed; "
            f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
        )
        for name, words in COMMANDS.items():
            times, lines = zip(*(seconds(words, folder) for _ in range(3)), strict=True)
            told = ", ".join(f"{value:.2f}" for value in times)
            print(f"{name:<14} {told} s   ({lines[0]:,} lines)")


if __name__ == "__main__":
    main()
