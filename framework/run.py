"""Run: the folder that keeps all there is to know of one training.

::

    runs/latest          names the newest run
    runs/<name>/<id>/
      config.json        settings; those of the command line can be run again
      environment.json   machine, packages, code version, command, seed; secrets masked
      diff.patch         what was not committed: the code is the commit's with this
      metrics.jsonl      one record a line, written as it is logged: the truth
      metrics.csv        the same as a table, written at the end
      summary.json       status, final and best metrics, timings
      plots/             curves.png, curves.svg, and what else is drawn
      marks.json         tags and a note, where somebody gave them
      checkpoints/       last.safetensors, best.safetensors
      tokenizer.json     of text: what turns tokens back into it
      samples.txt        what the model wrote meanwhile, by the callback text_samples
      events.out...      what TensorBoard reads

No server, no database: a run can be copied, compared and deleted like any folder.
"""

import contextlib
import csv
import json
import os
import platform
import secrets
import threading
import warnings
from datetime import datetime
from pathlib import Path

from firstlight.environment import describe_environment, uncommitted_changes
from firstlight.files import is_temporary, strict, write_atomically, write_json
from firstlight.masking import masked
from firstlight.records import best_values, read_records

HEARTBEAT = 5.0  # seconds between two signs of life
SECOND = len("2026-01-31_23-59-59")  # what a run's id begins with
LATEST = "latest"  # the file in a runs folder that names its newest run
TOKENIZER = "tokenizer.json"  # the file in a run's folder that turns its model's tokens into text
PATCH = "diff.patch"  # the file in a run's folder with what was not committed
active = set()  # folders of the runs that this process is filling


class Run:
    """One run's folder, made and filled.

    Parameters
    ----------
    runs_dir : path-like
        Holds all runs; made if missing.
    name : str
        What is being run; runs of one name stand together.
    config : dict
        Written to ``config.json``.
    device : str
        Goes into ``environment.json``.
    folder : path-like, optional
        The folder of a run to go on with; a new one by default.
    records : list of dict
        What was logged before; later records of ``folder`` are dropped.

    Attributes
    ----------
    path : pathlib.Path
    id : str
        Start time and a random suffix.
    summary : dict
        As in ``summary.json``.

    Raises
    ------
    OSError
        The folder cannot be written; the message says what to do.
    """

    def __init__(self, runs_dir, name, config, device="cpu", *, folder=None, records=()):
        self.name = name
        runs_dir = Path(runs_dir).expanduser()
        try:
            path = Path(folder) if folder else self._make_folder(runs_dir / name)
            self.path = path.absolute()  # a script may change its working directory
            lines = "".join(json.dumps(strict(record)) + "\n" for record in records)
            write_atomically(self.path / "metrics.jsonl", lines)
            self._metrics = (self.path / "metrics.jsonl").open("a", encoding="utf-8")
        except OSError as error:
            raise OSError(
                f"the runs folder {str(runs_dir)!r} cannot be written ({error}); choose another "
                "with runs_dir=... (--runs-dir), or pass runs_dir=None to keep no run"
            ) from error
        self.id, self._complained = self.path.name, False
        self.summary = {
            "name": name,
            "id": self.id,
            "status": "running",
            "started": datetime.now().astimezone().isoformat(timespec="seconds"),
            "pid": os.getpid(),
            "hostname": platform.node(),
            "metrics": {},
        }
        if folder:
            self._go_on(records)
        write_json(self.path / "config.json", masked(config))
        write_json(self.path / "environment.json", describe_environment(device))
        if changes := uncommitted_changes():
            write_atomically(self.path / PATCH, changes)
        else:
            (self.path / PATCH).unlink(missing_ok=True)  # of the code before a resume
        self._write_summary()
        active.add(self.path.resolve())
        self._ended = threading.Event()
        threading.Thread(target=self._beat, name="firstlight-heartbeat", daemon=True).start()
        if self.path.resolve().is_relative_to(runs_dir.resolve()):
            self._point_latest(runs_dir)

    def _go_on(self, records):
        """Keep when a run was first started, note that it was resumed, and tidy up."""
        for leftover in (*self.path.glob(".*"), *self.checkpoints.glob("**/.*")):
            if leftover.is_file() and is_temporary(leftover):
                leftover.unlink()  # a killed process had begun to write it
        try:
            before = json.loads((self.path / "summary.json").read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError):
            before = {}
        step = records[-1]["step"] if records else 0
        now = {"time": self.summary["started"], "after_record_of_step": step}
        self.summary["resumed"] = [*before.get("resumed", []), now]
        self.summary["started"] = before.get("started", self.summary["started"])

    def _beat(self):
        """Give signs of life: ``summary.json`` gets a new time until the run has ended."""
        while not self._ended.wait(HEARTBEAT):
            with contextlib.suppress(OSError):
                os.utime(self.path / "summary.json")

    @property
    def shown(self):
        """The path as messages show it: from here, if it is below."""
        here = Path.cwd()
        return self.path.relative_to(here) if self.path.is_relative_to(here) else self.path

    @property
    def checkpoints(self):
        """Folder for checkpoints."""
        return self.path / "checkpoints"

    def record(self, record):
        """Append a record to ``metrics.jsonl``, past the reach of a killed process.

        Where that fails (disk full), a warning says so once and the training goes on.
        """
        try:
            self._metrics.write(json.dumps(strict(record)) + "\n")
            self._metrics.flush()
        except OSError as error:
            if not self._complained:
                self._complained = True
                warnings.warn(
                    f"{self.path / 'metrics.jsonl'} cannot be written ({error}); the training goes "
                    "on, but records are lost",
                    stacklevel=2,
                )

    def finish(self, trainer, failure=None):
        """Write ``summary.json`` and ``metrics.csv`` of a training that is over.

        Parameters
        ----------
        trainer : Trainer
            Its status, counts and history are summed up.
        failure : BaseException, optional
            What ended the training.
        """
        self._ended.set()
        active.discard(self.path.resolve())
        with contextlib.suppress(OSError):  # it was told when the record was written
            self._metrics.close()
        history = trainer.history
        self.summary |= {
            "status": trainer.status,
            "ended": datetime.now().astimezone().isoformat(timespec="seconds"),
            "duration_s": round(trainer.elapsed, 3),
            "epochs": trainer.epoch - (not trainer.epoch_done),  # whole ones
            "steps": trainer.step,
            "stopped": trainer.stop_reason or trainer.interrupt.signal,
            "best": best_values(history),
        }
        self.summary["metrics"] |= trainer.metrics
        if failure is not None:
            self.summary["error"] = f"{type(failure).__name__}: {failure}"
            self.summary["error_notes"] = getattr(failure, "__notes__", [])
        try:
            self._write_summary()
            self._write_csv()
        except OSError as error:
            warnings.warn(
                f"the end of the run cannot be written to {self.path} ({error}); its summary.json "
                f"does not say that it is {trainer.status}",
                stacklevel=2,
            )

    def add_metrics(self, metrics):
        """Add final metrics, e.g. of a test after the training, to ``summary.json``."""
        self.summary["metrics"] |= metrics
        self._write_summary()

    def _write_summary(self):
        write_json(self.path / "summary.json", self.summary)

    def _write_csv(self):
        records = read_records(self.path)
        names = list(dict.fromkeys(name for record in records for name in record))
        lines = _Lines()
        writer = csv.DictWriter(lines, names)
        writer.writeheader()
        writer.writerows(records)
        write_atomically(self.path / "metrics.csv", "".join(lines))

    @staticmethod
    def _make_folder(parent):
        """Make a folder that no other process can have made: mkdir fails where one exists."""
        while True:
            stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
            path = parent / f"{stamp}_{secrets.token_hex(2)}"
            try:
                path.mkdir(parents=True)
                return path
            except FileExistsError:
                if not parent.is_dir():
                    raise

    def _point_latest(self, runs_dir):
        """Let ``runs/latest`` tell which run is the newest.

        A file, not a link to the folder: TensorBoard would follow a link and show the run twice.
        """
        write_atomically(runs_dir / LATEST, f"{self.name}/{self.id}\n")


class _Lines(list):
    """A list that csv can write to."""

    write = list.append


def start_order(run):
    """Return a key that sorts runs' folders by when they were started.

    Ids begin with the second; of runs that were started within one, the later wrote its settings
    later.
    """
    return run.name[:SECOND], (run / "config.json").stat().st_mtime_ns


def latest_run(runs_dir):
    """Return the folder of the newest run, or None where there is none."""
    try:
        path = Path(runs_dir) / (Path(runs_dir) / LATEST).read_text(encoding="utf-8").strip()
    except OSError:
        return None
    return path if path.is_dir() else None
