"""One short visit to a machine with a GPU: every question in one run, each part with its own limit.

    python benchmarks/gpu_visit.py --out visit      # `make gpu-visit`; about nine minutes
    python benchmarks/gpu_visit.py --page visit     # later and anywhere: its results into the docs

A part writes its log into the folder; ``visit.json`` has the versions and what each part said. A
part that takes too long is ended and the next one begins; what the time is too short for is left
out, and said. With ``--page``, each row of docs/gpu.md that waits for a part gets the part's
result, and docs/benchmarks.md the tables of figures.
"""

import argparse
import contextlib
import datetime
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "docs" / "gpu.md", ROOT / "docs" / "benchmarks.md"
PYTEST = f"{sys.executable} -m pytest -q --tb=short -p no:cacheprovider -o filterwarnings=default"
FACTS = """
import json, platform, numpy, cupy, firstlight
device = cupy.cuda.runtime.getDeviceProperties(0)
print(json.dumps({
    "gpu": device["name"].decode(), "driver": cupy.cuda.runtime.driverGetVersion(),
    "cuda": cupy.cuda.runtime.runtimeGetVersion(), "python": platform.python_version(),
    "numpy": numpy.__version__, "cupy": cupy.__version__, "firstlight": firstlight.__version__}))
"""
LEAST = 15  # seconds that a part is begun with
SUITE = " ".join((ROOT / "tests" / "gpu" / "suite.txt").read_text().split())
SHAKESPEARE = (
    "-m firstlight fit --model gpt --model.size baby --model.dropout 0.2 --data tiny_shakespeare "
    "--data.block_size 256 --data.batch_size 64 --trainer.max_steps 4000 --trainer.precision bf16 "
    "--lr_schedule.schedule warmup_cosine --lr_schedule.warmup_steps 100 "
    "--trainer.val_every '500 steps' --trainer.device cuda"
)


def parts(folder):
    """Return ``(name, time limit in seconds, word, command)`` of each part.

    The last line of the output with that word is the part's result.
    """
    python = sys.executable
    figures = f"--json {folder}/gpu.json --page {folder}/benchmarks.md"
    return [
        ("facts", 30, "{", f"{python} -c {shlex.quote(FACTS)}"),
        ("layers", 150, " in ", f"{PYTEST} -m gpu tests/gpu -n 8"),
        ("trainer", 120, " in ", f"FIRSTLIGHT_TEST_DEVICE=cuda {PYTEST} -n 8 {SUITE}"),
        ("ceilings", 60, "launched", f"{python} benchmarks/gpu_ceilings.py"),
        ("speed", 150, "| gpt", f"{python} benchmarks/gpu.py --rounds 5 --steps 30 {figures}"),
        (
            "mnist",
            60,
            "test accuracy",
            f"{python} -m firstlight fit --config examples/mnist_fast.yaml --trainer.device cuda",
        ),
        ("shakespeare", 120, "best val_loss", f"{python} {SHAKESPEARE}"),
        (
            "sanitizer",
            60,
            "ERROR SUMMARY",
            f"compute-sanitizer --error-exitcode 9 {PYTEST} -m gpu tests/gpu -k captured",
        ),
    ]


def visit(folder, seconds):
    """Run the parts until the time is over; ``visit.json`` is written after each."""
    shutil.copy(PAGES[1], folder / "benchmarks.md")
    end, found = time.monotonic() + seconds, {}
    results = {"date": datetime.date.today().isoformat(), "facts": {}, "parts": found}
    for name, limit, word, command in parts(folder):
        start = time.monotonic()
        left = min(limit, end - start)
        if left < LEAST:
            state, last = "left out, no time", ""
        else:
            state, last = run(name, word, command, left, folder)
        took = time.monotonic() - start
        found[name] = {"state": state, "seconds": took, "last": last}
        print(f"{name:12s}{state}, {took:.0f} s: {last}", flush=True)
        if name == "facts" and state == "passed":
            results["facts"] = json.loads(last)
        (folder / "visit.json").write_text(json.dumps(results, indent=1) + "\n")
        if name == "facts" and state.startswith("failed"):
            sys.exit(f"gpu_visit: no GPU that CuPy can use; {folder / 'facts.log'} says why")


def run(name, word, command, seconds, folder):
    """Run a part; returns how it ended, and its result."""
    log = folder / f"{name}.log"
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with log.open("w") as file:
        process = subprocess.Popen(
            ["bash", "-c", command], cwd=ROOT, env=environment, stdout=file,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            code = process.wait(seconds)
            state = "passed" if code == 0 else f"failed, exit {code}"
        except subprocess.TimeoutExpired:
            state = f"ended after {seconds:.0f} s"
        finally:  # also at Ctrl-C: the part is a process group of its own
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    lines = [line.strip(" =") for line in log.read_text().splitlines() if line.strip(" =")]
    results = [line for line in lines if word in line]
    return state, (results or lines or [""])[-1]


def with_results(page, told):
    """Return a page of which each "`part`: not yet" has become the part's result."""
    device = told["facts"].get("gpu", "a GPU")

    def result(match):
        part = told["parts"].get(match[1])
        if part is None or part["state"] != "passed":
            return match[0]
        result = part["last"].strip("| ").replace(" | ", ", ")  # a row of a table is no column
        return f"`{match[1]}`: {device}, {told['date']}: {result}"

    return re.sub(r"`(\w+)`: not yet", result, page)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    do = parser.add_mutually_exclusive_group(required=True)
    do.add_argument("--out", type=Path, help="folder for logs and results")
    do.add_argument(
        "--page", type=Path, metavar="FOLDER", help="write a visit's results into docs/"
    )
    parser.add_argument("--seconds", type=float, default=570)
    told = parser.parse_args(argv)
    if told.page:
        results = json.loads((told.page / "visit.json").read_text())
        PAGES[0].write_text(with_results(PAGES[0].read_text(), results))
        shutil.copy(told.page / "benchmarks.md", PAGES[1])
        return
    told.out.mkdir(parents=True, exist_ok=True)
    visit(told.out.resolve(), told.seconds)


if __name__ == "__main__":
    main()
