"""Break trainings off at random, resume them, and see whether anything is lost.

Trainings with all default callbacks are sent SIGKILL, SIGTERM and SIGINT at random moments and
started again with ``resume="auto"`` until they finish. Each must end with the very bytes of an
undisturbed one, with every record once, and without a half-written file.

    python benchmarks/faults.py [KILLS TERMINATIONS INTERRUPTS]     (100 20 20 by default)
"""

import collections
import hashlib
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import firstlight as fl
from firstlight.checkpoint import Checkpoint
from firstlight.fingerprints import read_fingerprints
from firstlight.run import read_records

EPOCHS = 60


def train(runs_dir):
    digits = fl.datasets.load("digits")
    model = fl.models.MLP(64, 10)
    checkpoint = fl.callbacks.ModelCheckpoint(every_n_steps=7, top_k=3)
    trainer = fl.Trainer(
        max_epochs=EPOCHS,
        log_every_n_steps=10,
        callbacks=["lr_schedule", fl.callbacks.Fingerprints(10), checkpoint],
        runs_dir=runs_dir,
        name="faults",
    )
    trainer.fit(model, digits, resume="auto")
    return 130 if trainer.interrupted else 0


def start(folder):
    command = [sys.executable, __file__, "train", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def outcome(folder):
    """Return a hash of the final parameters, records without times, and all else to compare."""
    # One killed before its first checkpoint starts anew, in another folder.
    run = max(path.parent for path in folder.glob("faults/*/checkpoints"))
    checkpoint = Checkpoint.load(run / "checkpoints" / "last.safetensors")
    digest = hashlib.sha256(
        b"".join(checkpoint.model[n].tobytes() for n in sorted(checkpoint.model))
    )
    timeless = [
        {k: v for k, v in record.items() if k not in ("time", "epoch_seconds")}
        for record in read_records(run)
    ]
    leftovers = [path.name for path in run.rglob(".*")]
    status = json.loads((run / "summary.json").read_text())["status"]
    return digest.hexdigest(), timeless, list(read_fingerprints(run).items()), leftovers, status


def main(kills, terminations, interrupts):
    faults = (
        [signal.SIGKILL] * kills + [signal.SIGTERM] * terminations + [signal.SIGINT] * interrupts
    )
    random.Random(0).shuffle(faults)
    with tempfile.TemporaryDirectory() as temporary:
        whole = Path(temporary, "whole")
        begin = time.perf_counter()
        start(whole).wait()
        length = time.perf_counter() - begin
        expected = outcome(whole)
        print(f"undisturbed: {length:.1f} s, {len(expected[1])} records, {expected[0][:12]}")
        counts, trainings, codes = collections.Counter(), 0, collections.Counter()
        while faults:
            folder = Path(temporary, f"training{trainings}")
            trainings += 1
            while True:
                process = start(folder)
                if faults:
                    try:
                        process.wait(random.uniform(0.4, 1.0) * length)
                    except subprocess.TimeoutExpired:
                        process.send_signal(faults[-1])
                        counts[faults.pop().name] += 1
                _, errors = process.communicate()
                codes[process.returncode] += 1
                if process.returncode not in (
                    0,
                    130,
                    -signal.SIGKILL,
                    -signal.SIGTERM,
                    -signal.SIGINT,
                ):
                    sys.exit(f"unexpected exit {process.returncode}:\n{errors.decode()}")
                if process.returncode == 0:
                    break
            for what, found, wanted in zip(
                ("parameters", "records", "fingerprints", "leftovers", "status"),
                outcome(folder),
                expected,
                strict=True,
            ):
                if found != wanted:
                    odd = [pair for pair in zip(found, wanted, strict=False) if pair[0] != pair[1]]
                    sys.exit(f"training {trainings} differs in {what}: {odd[:3]}, {found[-3:]}")
        print(f"faults: {dict(counts)}; exits: {dict(codes)}")
        print(f"{trainings} trainings, all of them byte-identical, every record once, no leftovers")


if __name__ == "__main__":
    if sys.argv[1:2] == ["train"]:
        sys.exit(train(sys.argv[2]))
    main(*(int(word) for word in sys.argv[1:] or (100, 20, 20)))
