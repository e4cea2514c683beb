"""What a run keeps beside its records while it trains: the console output and the machine's use."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from firstlight.runs.console import copied_to
from firstlight.runs.system import SystemMonitor, resources
from firstlight.runs.transcript import Transcript

LOG = "log.txt"


class Watch:
    """Write ``log.txt`` and ``system.jsonl`` from here until `stop`.

    Parameters
    ----------
    folder : pathlib.Path
        The run's folder.
    device : str
        Device of the training.
    clock : callable
        Returns the seconds since the training started.
    resumed : str
        A line for ``log.txt`` where it goes on after a resume; "" for a new run.
    """

    def __init__(
        self, folder: Path, device: str, clock: Callable[[], float], resumed: str = ""
    ) -> None:
        self._folder = folder
        self._transcript = Transcript(folder / LOG)
        self._add = self._transcript.stream()
        if resumed and not self._transcript.empty:
            self._add(f"--- {resumed} ---\n")
        self._open = ExitStack()
        self._open.callback(self._transcript.close)
        self._open.enter_context(copied_to(self._transcript.stream))
        self._open.callback(SystemMonitor(folder, device, clock).stop)

    def reopen(self) -> None:
        """Create ``log.txt`` again in a folder that was deleted."""
        self._transcript.open()

    def stop(self, failure: BaseException | None = None) -> dict[str, float]:
        """End both files, and return what the run has used; the second call does nothing.

        Parameters
        ----------
        failure : BaseException, optional
            The exception that ended the training; its traceback is written to ``log.txt``.

        Returns
        -------
        dict of str to float
            See `firstlight.runs.system.resources`.
        """
        if failure is not None:
            self._add("".join(traceback.format_exception(failure)))
        self._open.close()
        return resources(self._folder)
