"""Run folders as trainings leave them, made by hand."""

import json
import os
import platform
from pathlib import Path

import pytest

from firstlight.runs import RunFolder

DEAD = 2**22  # no process has this number


@pytest.fixture
def make_run():
    """Make ``runs/<label>``; returns its `RunFolder`."""

    def make(label, losses=(0.5, 0.4), *, status="finished", pid=DEAD, tests=None, **config):
        path = Path("runs") / label
        path.mkdir(parents=True)
        records = [
            {
                **{"step": 10 * e, "epoch": e, "time": float(e), "epoch_seconds": 1.0},
                **{"val_loss": loss, "val_acc": 1 - loss},
            }
            for e, loss in enumerate(losses, 1)
        ]
        config = {"model": {"name": "mlp", "lr": 0.1, "hidden": [64, 32]}, "seed": 0} | config
        (path / "config.json").write_text(json.dumps(config))
        lines = [json.dumps(record) + "\n" for record in records]
        (path / "metrics.jsonl").write_text("".join(lines))
        summary = {"status": status, "pid": pid, "hostname": platform.node(), "metrics": {}}
        if status != "running":
            best = min(records, key=lambda record: record["val_loss"])
            place = {"step": best["step"], "epoch": best["epoch"]}
            last = {name: records[-1][name] for name in ("val_loss", "val_acc")}
            summary |= {
                "metrics": last | (tests or {}),
                "best": {n: {"value": best[n], **place} for n in ("val_loss", "val_acc")},
                "epochs": len(records),
                "steps": 10 * len(records),
                "duration_s": float(len(records)),
            }
        (path / "summary.json").write_text(json.dumps(summary))
        when = 1_700_000_000 + len(list(Path("runs").glob("*/*")))
        os.utime(path / "config.json", (when, when))
        return RunFolder(path)

    return make
