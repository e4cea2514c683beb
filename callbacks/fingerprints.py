"""Fingerprints: record hashes of the parameters, to find where two runs diverge."""

import contextlib
import json

from firstlight.callback import Callback
from firstlight.checkpoints.fingerprints import FILE, fingerprint, read_fingerprints
from firstlight.module import Module
from firstlight.support.arguments import parse_count
from firstlight.support.files import forgiving, no_link, write_atomically
from firstlight.trainer import Trainer


class Fingerprints(Callback):
    """Write a hash of each parameter and buffer into the run's ``fingerprints.jsonl``.

    ``firstlight runs diverge A B`` then finds the first step, and the parameters, in which two
    runs differ that should be equal, e.g. after a refactoring, on another machine, after a resume.
    Without a run nothing is written.

    Parameters
    ----------
    every_n_steps : int
        Steps between two fingerprints; the state before the first step always has one.

    Raises
    ------
    ValueError
        A number below 1.

    Examples
    --------
    >>> from firstlight.callbacks import Fingerprints
    >>> prints = Fingerprints(every_n_steps=1)  # to find the very step
    """

    rank_zero_only = True
    watcher = True

    def __init__(self, every_n_steps: int = 100) -> None:
        self.every_n_steps: int = parse_count("Fingerprints: every_n_steps", every_n_steps)
        self._file = None

    def on_fit_start(self, trainer: Trainer, module: Module) -> None:
        """Open the file; drop records later than the checkpoint of a resumed training."""
        if trainer.run is None:
            return
        path = trainer.run.path / FILE
        if trainer.step and path.is_file():
            kept = {s: h for s, h in read_fingerprints(path.parent).items() if s <= trainer.step}
            write_atomically(path, "".join(_line(step, hashes) for step, hashes in kept.items()))
        self._file = open(path, "a", encoding="utf-8", opener=no_link)  # noqa: SIM115
        if trainer.step == 0:
            self._record(trainer, module)

    def on_train_batch_end(self, trainer: Trainer, module: Module) -> None:
        """Record the hashes if they are due."""
        if trainer.step % self.every_n_steps == 0:
            self._record(trainer, module)

    def on_fit_end(self) -> None:
        """Close the file."""
        self._close()

    def _close(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):  # a warning about unwritten records came before
                self._file.close()
            self._file = None

    def _record(self, trainer: Trainer, module: Module) -> None:
        if self._file is None:
            return
        with forgiving(self._file.name) as problems:
            self._file.write(_line(trainer.step, fingerprint(module)))
            self._file.flush()
        if problems:
            self._close()


def _line(step: int, hashes: dict[str, str]) -> str:
    return json.dumps({"step": step, "hashes": hashes}) + "\n"
