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
      owner.N.json       while it is filled: by which process, see `firstlight.runs.owner`
      plots/             curves.png, curves.svg, and what else is drawn
      marks.json         tags and a note, where somebody gave them
      checkpoints/       last.safetensors, best.safetensors
      preprocessing.json classes, columns and scale of the data, see `firstlight.data.preprocessing`
      tokenizer.json     of text: what turns tokens back into it
      samples.txt        what the model wrote meanwhile, by the callback text_samples
      events.out...      what TensorBoard reads

No server, no database: a run can be copied, compared and deleted like any folder.
"""

import contextlib
import json
import os
import platform
import warnings
from datetime import datetime
from pathlib import Path

from firstlight.runs import owner
from firstlight.runs.environment import describe_environment, uncommitted_changes
from firstlight.runs.masking import masked
from firstlight.runs.records import best_values, write_table
from firstlight.runs.records import read_records as read_records
from firstlight.runs.run_ids import latest_run as latest_run
from firstlight.runs.run_ids import make_folder, point_latest
from firstlight.support.files import (
    forgiving,
    from_here,
    refuse_link,
    strict,
    write_atomically,
    write_json,
)

TOKENIZER = "tokenizer.json"  # the file in a run's folder that turns its model's tokens into text
PATCH = "diff.patch"  # the file in a run's folder with what was not committed


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
        Start time (UTC), number and a random suffix.
    summary : dict
        As in ``summary.json``.
    owner : Owner
        What keeps other processes from filling the folder meanwhile.

    Raises
    ------
    OSError
        The folder cannot be written; the message says what to do.
    RunInUse
        Another process fills it.
    """

    def __init__(self, runs_dir, name, config, device="cpu", *, folder=None, records=()):
        self.name = name
        runs_dir = Path(runs_dir).expanduser()
        for parent, inner, _ in os.walk(folder) if folder else ():
            for one in inner:
                refuse_link(Path(parent, one))
        try:
            path = Path(folder) if folder else make_folder(runs_dir, name)
            self.path = path.absolute()  # a script may change its working directory
            self.owner = owner.owned.get(self.path) or owner.claim(self.path)
        except OSError as error:
            raise _unwritable(runs_dir, error) from error
        self.id, self._complained = self.path.name, False
        self._metrics = None
        self.summary = {
            "name": name,
            "id": self.id,
            "status": "running",
            "owner": self.owner.token,
            "started": datetime.now().astimezone().isoformat(timespec="seconds"),
            "pid": os.getpid(),
            "hostname": platform.node(),
            "metrics": {},
        }
        self._settings = masked(config), describe_environment(device), uncommitted_changes()
        try:
            if folder:
                self._go_on(records)
            self._write_all(records)
            if self.path.resolve().is_relative_to(runs_dir.resolve()):
                point_latest(runs_dir, self.path)
        except BaseException as error:
            self.owner.release()
            if isinstance(error, OSError):
                raise _unwritable(runs_dir, error) from error
            raise

    def _go_on(self, records):
        """Keep when a run was first started, and note that it was resumed."""
        try:
            before = json.loads((self.path / "summary.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            before = {}
        before = before if isinstance(before, dict) else {}
        step = records[-1]["step"] if records else 0
        now = {"time": self.summary["started"], "after_record_of_step": step}
        self.summary["resumed"] = [*before.get("resumed", []), now]
        self.summary["started"] = before.get("started", self.summary["started"])

    def _write_all(self, records):
        """Write all files that a training begins with, and those records."""
        config, environment, changes = self._settings
        lines = "".join(json.dumps(strict(record)) + "\n" for record in records)
        write_atomically(self.path / "metrics.jsonl", lines)
        if self._metrics is not None:
            self._metrics.close()
        self._metrics = (self.path / "metrics.jsonl").open("a", encoding="utf-8")
        write_json(self.path / "config.json", config)
        write_json(self.path / "environment.json", environment)
        if changes:
            write_atomically(self.path / PATCH, changes)
        else:
            (self.path / PATCH).unlink(missing_ok=True)  # of the code before a resume
        self.write_summary()

    def check(self, trainer, *, now=False):
        """Stop a training whose run another process has taken over; mend a deleted folder.

        Parameters
        ----------
        trainer : Trainer
        now : bool
            Look at the folder, instead of relying on the heartbeat, which does so all the time.

        Raises
        ------
        RunTakenOver
        """
        if now:
            self.owner.verify()
        else:
            self.owner.check()
        if not self.owner.gone:
            return
        if (self.path / "config.json").is_file():
            what = (
                f"another process took the run {self.path} over and has ended without training; "
                "this training goes on"
            )
        else:
            what = (
                f"the folder of the run, {self.path}, was deleted while it trains; it is made "
                "again with all records, but checkpoints and figures written before are gone"
            )
        warnings.warn(what, stacklevel=2)
        self.owner.gone = False  # told once; where it fails, the next heartbeat finds out
        try:
            self.owner.restore()
            self._write_all(trainer.history.records)
            self.keep_preprocessing(trainer)
        except OSError as error:
            warnings.warn(f"{self.path} cannot be made again ({error})", stacklevel=2)

    def keep_preprocessing(self, trainer):
        """Write what other data need to be prepared alike: tokens, classes, columns, scale."""
        if trainer.tokenizer is not None:
            trainer.tokenizer.save(self.path / TOKENIZER)
        if trainer.preprocessing is not None:
            trainer.preprocessing.save(self.path)

    @property
    def shown(self):
        """The path as messages show it: from here, if it is below."""
        return from_here(self.path)

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

    def leave(self):
        """Write nothing more, as the run is another process'."""
        with contextlib.suppress(OSError):
            self._metrics.close()
        self.owner.release()

    def finish(self, trainer, failure=None):
        """Write ``summary.json`` and ``metrics.csv`` of a training that is over.

        The run is finished when its stages are; see `firstlight.training.stages`.

        Parameters
        ----------
        trainer : Trainer
            Its status, counts and history are summed up.
        failure : BaseException, optional
            What ended the training.
        """
        try:
            self.check(trainer, now=True)
        except BaseException:
            self.leave()
            raise
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
        if goes_on := trainer.status == "finished" and trainer.next_stage is not None:
            self.summary |= {"status": "running", "stage": trainer.next_stage}
        try:
            with forgiving(self.path / "metrics.csv"):
                write_table(self.path)
            self.write_summary()  # last: a run that is called finished has all its files
        except OSError as error:
            warnings.warn(
                f"the end of the run cannot be written to {self.path} ({error}); its summary.json "
                f"does not say that it is {trainer.status}",
                stacklevel=2,
            )
        finally:
            if not goes_on:
                self.owner.release()

    def write_summary(self):
        """Write ``summary.json``."""
        write_json(self.path / "summary.json", self.summary)


def _unwritable(runs_dir, error):
    return OSError(
        f"the runs folder {str(runs_dir)!r} cannot be written ({error}); choose another "
        "with runs_dir=... (--runs-dir), or pass runs_dir=None to keep no run"
    )
