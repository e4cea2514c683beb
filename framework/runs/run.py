"""Run: write the folder of one training.

::

    runs/latest          names the newest run
    runs/<name>/<id>/
      config.json        settings; those from the command line can be run again
      source/            of a script: its own files, and the record to create its model again
      environment.json   machine, packages, code version, command, seed; secrets masked
      diff.patch         uncommitted changes of the code
      job.sbatch         the batch script of ``firstlight slurm``
      metrics.jsonl      one record a line, written as soon as it is logged
      metrics.csv        the records as a table, written at the end
      summary.json       status, final and best metrics, timings
      log.txt            what the training printed, see `firstlight.runs.watch`
      system.jsonl       use of processor, memory and GPU, see `firstlight.runs.system`
      owner.N.json       the process that writes to the folder, see `firstlight.runs.owner`
      plots/             curves.png, curves.svg and other figures
      marks.json         tags and a note
      checkpoints/       last.safetensors, best.safetensors
      preprocessing.json classes, columns and scale of the data, see `firstlight.data.preprocessing`
      tokenizer.json     the tokenizer of a language model
      samples.txt        texts of the callback text_samples
      events.out...      TensorBoard's events

A run needs no server or database; it can be copied, compared and deleted like any folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import warnings
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firstlight.runs import owner, sources
from firstlight.runs.environment import describe_environment, uncommitted_changes
from firstlight.runs.find import make_folder, point_latest
from firstlight.runs.job import BATCH_SCRIPT, SCRIPT
from firstlight.runs.masking import masked, masked_text
from firstlight.runs.owner import Owner
from firstlight.runs.records import best_values, write_table
from firstlight.runs.run_files import read_dict
from firstlight.runs.watch import Watch
from firstlight.support.files import (
    PathLike,
    forgiving,
    from_here,
    refuse_link,
    strict,
    write_atomically,
    write_json,
)

if TYPE_CHECKING:
    from firstlight.trainer import Trainer

TOKENIZER = "tokenizer.json"  # files in a run's folder
PATCH = "diff.patch"


class Run:
    """The folder of one run, created and written.

    Parameters
    ----------
    runs_dir : path-like
        Folder of all runs; created if missing.
    name : str
        Runs of one name share a folder.
    config : dict
        Written to ``config.json``.
    device : str
        Written to ``environment.json``.
    folder : path-like, optional
        The folder of a run to resume; a new one by default.
    records : list of dict
        Records up to the checkpoint; later records in ``folder`` are dropped.
    source : dict of str to str
        The files of ``source/``, see `firstlight.runs.sources`.

    Attributes
    ----------
    path : pathlib.Path
    id : str
        Start time (UTC), number and a random suffix.
    summary : dict
        Content of ``summary.json``.
    owner : Owner
        The claim that keeps other processes from writing to the folder.

    Raises
    ------
    OSError
        The folder cannot be written; the message says what to do.
    RunInUse
        Another process owns the folder.
    """

    def __init__(
        self,
        runs_dir: PathLike,
        name: str,
        config: dict[str, Any],
        device: str = "cpu",
        *,
        folder: PathLike | None = None,
        records: Sequence[dict[str, float]] = (),
        source: Mapping[str, str] | None = None,
    ) -> None:
        self.name: str = name
        runs_dir = Path(runs_dir).expanduser()
        for parent, inner, _ in os.walk(folder) if folder else ():
            for one in inner:
                refuse_link(Path(parent, one))
        try:
            path = Path(folder) if folder else make_folder(runs_dir, name)
            self.path: Path = path.absolute()  # a script may change its working directory
            self.owner: Owner = owner.owned.get(self.path) or owner.claim(self.path)
        except OSError as error:
            raise _unwritable(runs_dir, error) from error
        self.id: str = self.path.name
        self._metrics, self._complained = None, False
        self._watch: Watch | None = None
        self.summary: dict[str, Any] = {
            "name": name,
            "id": self.id,
            "status": "running",
            "owner": self.owner.token,
            "started": _now(),
            "pid": os.getpid(),
            "hostname": platform.node(),
            "metrics": {},
        }
        self._settings = masked(config), describe_environment(device), uncommitted_changes()
        self._source = source or {}
        try:
            if folder:
                self._note_resume(records)
            self._write_all(records)
            if self.path.resolve().is_relative_to(runs_dir.resolve()):
                point_latest(runs_dir, self.path)
        except BaseException as error:
            self.owner.release()
            if isinstance(error, OSError):
                raise _unwritable(runs_dir, error) from error
            raise

    def _note_resume(self, records):
        """Keep the run's first start time, and record the resume."""
        before, started = read_dict(self.path / "summary.json"), self.summary["started"]
        step = records[-1]["step"] if records else 0
        now = {"time": started, "after_record_of_step": step}
        self.summary["resumed"] = [*before.get("resumed", []), now]
        self.summary["started"] = before.get("started", started)

    def _write_all(self, records):
        """Write the initial files of a training, and its records so far."""
        config, environment, changes = self._settings
        lines = "".join(json.dumps(strict(record)) + "\n" for record in records)
        write_atomically(self.path / "metrics.jsonl", lines)
        if self._metrics is not None:
            self._metrics.close()
        self._metrics = (self.path / "metrics.jsonl").open("a", encoding="utf-8")
        write_json(self.path / "config.json", config)
        write_json(self.path / "environment.json", environment)
        with contextlib.suppress(KeyError, OSError):
            script = Path(os.environ[BATCH_SCRIPT]).read_bytes()
            write_atomically(self.path / SCRIPT, script)
        (self.path / PATCH).unlink(missing_ok=True)  # of the code before a resume
        if changes:
            write_atomically(self.path / PATCH, changes)
        if self._source:
            sources.write(self.path, self._source)
        self.write_summary()

    def check(self, trainer: Trainer, *, now: bool = False) -> None:
        """Stop a training whose run was taken over; restore a deleted folder.

        Parameters
        ----------
        trainer : Trainer
        now : bool
            Check the folder on the disk, instead of relying on the last heartbeat.

        Raises
        ------
        RunTakenOver
        """
        self.owner.verify() if now else self.owner.check()
        if not self.owner.gone:
            return
        if (self.path / "config.json").is_file():
            what = (
                f"another process took the run {self.path} over and has ended without training; "
                "this training continues"
            )
        else:
            what = (
                f"the folder of the run, {self.path}, was deleted while it trains; it is made "
                "again with all records, but checkpoints and figures written before are gone"
            )
        warnings.warn(what, stacklevel=2)
        self.owner.gone = False  # warn once; if restoring fails, the next heartbeat detects it
        try:
            self.owner.restore()
            self._write_all(trainer.history.records)
            self.keep_preprocessing(trainer)
            if self._watch is not None:
                self._watch.reopen()
        except OSError as error:
            warnings.warn(f"{self.path} cannot be made again ({error})", stacklevel=2)

    def keep_preprocessing(self, trainer: Trainer) -> None:
        """Write the tokenizer, and classes, columns and scale, to prepare other data with."""
        if trainer.data.tokenizer is not None:
            trainer.data.tokenizer.save(self.path / TOKENIZER)
        if trainer.data.preprocessing is not None:
            trainer.data.preprocessing.save(self.path)

    @property
    def shown(self) -> Path:
        """The path for messages, relative to the working directory if it is below."""
        return from_here(self.path)

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / "checkpoints"

    def record(self, record: dict[str, float]) -> None:
        """Append a record to ``metrics.jsonl`` and flush it, so that it survives a ``kill -9``.

        If that fails (disk full), warn once and continue.
        """
        try:
            self._metrics.write(json.dumps(strict(record)) + "\n")
            self._metrics.flush()
        except OSError as error:
            if not self._complained:
                self._complained = True
                warnings.warn(
                    f"{self.path / 'metrics.jsonl'} cannot be written ({error}); the training "
                    "continues, but records are lost",
                    stacklevel=2,
                )

    @contextlib.contextmanager
    def watching(self, trainer: Trainer) -> Iterator[None]:
        """Write ``log.txt`` and ``system.jsonl`` until `finish`, `leave` or the context's end."""
        resumed = self.summary.get("resumed", [])[-1:]
        line = "resumed {time}, after step {after_record_of_step}"
        how = [line.format_map(one) for one in resumed]
        self._watch = Watch(self.path, trainer.device, trainer.progress.clock, *how)
        try:
            yield
        finally:
            self._watch.stop()

    def leave(self) -> None:
        """Stop writing, as another process has taken over the run."""
        if self._watch is not None:
            self._watch.stop()
        with contextlib.suppress(OSError):
            self._metrics.close()
        self.owner.release()

    def finish(self, trainer: Trainer, failure: BaseException | None = None) -> None:
        """Write ``summary.json`` and ``metrics.csv`` at the end of a training.

        The run finishes with its last stage; see `firstlight.training.stages`.

        Parameters
        ----------
        trainer : Trainer
            Provides status, counts and history.
        failure : BaseException, optional
            Exception that ended the training.
        """
        try:
            self.check(trainer, now=True)
        except BaseException:
            self.leave()
            raise
        if self._watch is not None and (used := self._watch.stop(failure)):
            self.summary["resources"] = used
        with contextlib.suppress(OSError):  # `record` has warned
            self._metrics.close()
        history = trainer.history
        self.summary |= {
            "status": trainer.status,
            "ended": _now(),
            "duration_s": round(trainer.elapsed, 3),
            "epochs": trainer.epoch - (not trainer.progress.epoch_done),  # completed ones
            "steps": trainer.step,
            "stopped": trainer.stop_reason or trainer.interrupt.signal,
            "best": best_values(history),
        }
        self.summary["metrics"] |= trainer.metrics
        if failure is not None:
            self.summary["error"] = masked_text(f"{type(failure).__name__}: {failure}")
            notes = getattr(failure, "__notes__", [])
            self.summary["error_notes"] = [masked_text(str(note)) for note in notes]
        if goes_on := trainer.status == "finished" and trainer.next_stage is not None:
            self.summary |= {"status": "running", "stage": trainer.next_stage}
        try:
            with forgiving(self.path / "metrics.csv"):
                write_table(self.path)
            self.write_summary()  # last: a finished run has all its files
        except OSError as error:
            warnings.warn(
                f"the end of the run cannot be written to {self.path} ({error}); its summary.json "
                f"does not say that it is {trainer.status}",
                stacklevel=2,
            )
        finally:
            if not goes_on:
                self.owner.release()

    def write_summary(self) -> None:
        """Write ``summary.json``."""
        write_json(self.path / "summary.json", self.summary)


def _now():
    return datetime.now().astimezone().isoformat(timespec="seconds")


def _unwritable(runs_dir, error):
    return OSError(
        f"the runs folder {str(runs_dir)!r} cannot be written ({error}); choose another "
        "with runs_dir=... (--runs-dir), or pass runs_dir=None to keep no run"
    )
