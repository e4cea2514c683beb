"""Break trainings off at random, resume them, and see whether anything is lost.

Each training has settings drawn at random: gradient accumulation, validation by steps, early
stopping, EMA, the k best, checkpoints every few steps, an end within an epoch. It is hit by faults
at random events (a step, a batch validated, a file about to be written or just written) and
started again with ``resume="auto"`` until it finishes:

==============  ==================================================================================
kill            SIGKILL
terminate       SIGTERM
interrupt       SIGINT, once
interrupt twice SIGINT, and again at once
stop            SIGSTOP, and SIGCONT a moment later
two at once     SIGKILL, and then two processes that resume the same run
taken over      SIGSTOP; another process takes the run over; SIGCONT while that one trains
==============  ==================================================================================

It must end as its twin that nothing disturbed: the same files of checkpoints with the same
parameters and states of callbacks, every record and fingerprint once, no half-written file.

    python benchmarks/faults.py [FAULTS TRAININGS]     (500 200 by default; half with numba)
"""

import collections
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fault_training import (
    BROKEN_OFF,
    DONE,
    INTERRUPTED,
    NOTHING_THERE,
    REFUSED,
    TAKEN_OVER,
    Process,
    draw_settings,
    make_one_step,
)

from firstlight.checkpoints.fingerprints import read_fingerprints
from firstlight.checkpoints.format import Checkpoint
from firstlight.runs import list_runs
from firstlight.runs.records import read_records

FAULTS = {
    "kill": 40,
    "terminate": 15,
    "interrupt": 10,
    "interrupt twice": 10,
    "stop": 5,
    "two at once": 10,
    "taken over": 10,
}  # and of a hundred how many
CLOCKS = ("time", "epoch_seconds", "elapsed", "files")  # what is of the clock, or hashes of that


def strike(fault, process, settings, folder, rng, length):
    """Have a fault happen to a process, and return the one in which the training goes on or ended.

    Returns
    -------
    Process or None
        None if a new one must be started.
    """
    time.sleep(rng.random() * 0.003)
    if fault == "stop":
        process.send(signal.SIGSTOP)
        time.sleep(rng.random() * 0.1)
        process.send(signal.SIGCONT)
        return process
    if fault == "taken over":
        process.send(signal.SIGSTOP)
        (run,) = list_runs(folder / "runs")[-1:] or (None,)
        other = None
        if run is not None and run.status != "finished":
            other = Process(settings, folder, resume=run.path)
            other.await_events(rng.randint(1, length))
        process.send(signal.SIGCONT)
        process.end(DONE, TAKEN_OVER)
        if other is not None:
            other.end(DONE, NOTHING_THERE)
        return None
    numbers = {"terminate": signal.SIGTERM, "interrupt": signal.SIGINT}
    process.send(numbers.get(fault, signal.SIGINT if "twice" in fault else signal.SIGKILL))
    if fault == "interrupt twice":
        process.send(signal.SIGINT)
    process.end(DONE, INTERRUPTED, BROKEN_OFF, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT)
    if fault == "two at once":
        both = [Process(settings, folder) for _ in range(2)]
        for one in both:
            one.end(DONE, REFUSED)
    return None


def timeless(value):
    """Return a JSON value without what a clock measured."""
    if isinstance(value, dict):
        return {name: timeless(item) for name, item in value.items() if name not in CLOCKS}
    return [timeless(item) for item in value] if isinstance(value, list) else value


def outcome(run):
    """Return all that a run must have in common with its undisturbed twin, by name."""
    found = {
        "records": timeless(read_records(run.path)),
        "fingerprints": list(read_fingerprints(run.path).items()),
        "half-written files": [str(path) for path in run.path.rglob(".*")],
    }
    for path in sorted((run.path / "checkpoints").rglob("*.safetensors")):
        if path.name == "exception.safetensors":  # a state from the middle of a step
            continue
        state = vars(Checkpoint.load(path))
        arrays = [state.pop("model"), state.pop("arrays"), state["optimizer"].pop("arrays")]
        found[path.name] = [{n: a.tobytes() for n, a in part.items()} for part in arrays]
        found[f"state of {path.name}"] = timeless(state)
    last = Checkpoint.load(run.path / "checkpoints" / "last.safetensors")
    for name, (step, checksum) in last.files.items():
        there = Checkpoint.identity(run.path / "checkpoints" / name) or (-1, None)
        # The end of an epoch that was cut short may have a better best than the state before it.
        found[f"{name}, as last names it"] = there == (step, checksum) or there[0] > step
    facts = ("status", "steps", "epochs", "stopped", "best")
    return found | {name: run.summary.get(name) for name in facts}


def difference(found, wanted, where=""):
    """Return a text on the first place where two outcomes differ, or None."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        pairs = [(name, found.get(name), wanted.get(name)) for name in {**wanted, **found}]
    elif isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        pairs = zip(range(len(found)), found, wanted, strict=True)
    else:
        return None if found == wanted else f"{where}: {found!r:.300}, expected {wanted!r:.300}"
    places = (difference(one, other, f"{where} / {name}") for name, one, other in pairs)
    return next(filter(None, places), None)


def disturb(settings, faults, folder, rng, twin):
    """Train with faults until the training has finished; returns how often it was started."""
    expected, length = twin
    faults, starts = list(faults), 0
    while faults or [run.status for run in list_runs(folder / "runs")[-1:]] != ["finished"]:
        process, starts = Process(settings, folder), starts + 1
        while process is not None and faults:
            process.await_events(rng.randint(1, length))
            process = strike(faults.pop(), process, settings, folder, rng, length)
        if process is not None:
            process.end(DONE)
    for run in list_runs(folder / "runs"):
        if run.status == "finished":
            where = difference(outcome(run), expected)
            if where:
                raise AssertionError(f"differs in {where}")
    return starts


def undisturbed(settings, folder):
    """Return the outcome of a training that nothing disturbs, and how many events it has."""
    folder.mkdir()
    process = Process(settings, folder)
    length = process.await_events(10**9)
    process.end(DONE)
    (run,) = list_runs(folder / "runs")
    return outcome(run), length


def campaign(faults, trainings, seed):
    """Break so many trainings off with so many faults; returns how many ended differently."""
    make_one_step()
    rng = random.Random(seed)
    kinds = rng.choices(list(FAULTS), FAULTS.values(), k=faults)
    counts, twins, starts, failed = collections.Counter(), {}, 0, []
    with tempfile.TemporaryDirectory() as temporary:
        for index in range(trainings):
            share = kinds[index * faults // trainings : (index + 1) * faults // trainings]
            settings, folder = draw_settings(rng), Path(temporary, f"training{index}")
            key = json.dumps(settings)
            if key not in twins:
                twins[key] = undisturbed(settings, Path(temporary, f"twin{len(twins)}"))
            folder.mkdir()
            try:
                counts.update(share)
                starts += disturb(settings, share, folder, rng, twins[key])
                shutil.rmtree(folder)
            except AssertionError as error:
                failed.append(index)
                said = [path.read_text() for path in sorted(folder.glob("log*"))]
                print(f"training {index}, {key}, {share}: {error}", *said, sep="\n", flush=True)
    print(
        f"{trainings} trainings of {len(twins)} kinds, {counts.total()} faults {dict(counts)}, "
        f"{starts} starts: {len(failed)} ended otherwise than their undisturbed twin {failed}",
        flush=True,
    )
    return len(failed)


def main(faults=500, trainings=200):
    """Run half of the campaign with numba and half without, each in a process of its own."""
    failed = 0
    for compiled in (0, 1):
        print(f"FIRSTLIGHT_COMPILED={compiled}", flush=True)
        half = [str((number + compiled) // 2) for number in (faults, trainings)]
        environment = {"FIRSTLIGHT_COMPILED": str(compiled), "OPENBLAS_NUM_THREADS": "1"}
        command = [sys.executable, __file__, "campaign", *half, str(compiled)]
        failed += subprocess.run(command, env=os.environ | environment).returncode
    return failed


if __name__ == "__main__":
    if sys.argv[1:2] == ["campaign"]:
        sys.exit(min(campaign(*map(int, sys.argv[2:])), 100))
    sys.exit(main(*map(int, sys.argv[1:])))
