"""What a training came to, for comparing one that was disturbed with one that was not."""

import json

from firstlight.checkpoints.format import Checkpoint
from firstlight.runs.records import read_records

TIMED = ("time", "epoch_seconds")


def outcome(folder):
    """Return what the only run in a folder came to.

    Returns
    -------
    arrays : dict of str to bytes
        Model, optimizer and averages in the last checkpoint.
    records : list of dict
        Without times.
    summary : dict
    """
    (run,) = (path for path in folder.iterdir() if path.is_dir())
    last = Checkpoint.load(run / "checkpoints" / "last.safetensors")
    arrays = {name: array.tobytes() for name, array in last.model.items()}
    arrays |= {f"optimizer.{n}": a.tobytes() for n, a in last.optimizer["arrays"].items()}
    arrays |= {f"ema.{name}": array.tobytes() for name, array in last.arrays.items()}
    records = [{n: v for n, v in r.items() if n not in TIMED} for r in read_records(run)]
    return arrays, records, json.loads((run / "summary.json").read_text())
