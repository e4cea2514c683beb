"""First NaN of a script's training: the line that computes it."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from firstlight.tools.diagnose.kind import Evidence, Place
from firstlight.tools.diagnose.probes.events import Scalar, Trace, Update
from firstlight.tools.diagnose.probes.instrument import Site
from firstlight.tools.diagnose.probes.recorder import Recorder
from firstlight.tools.diagnose.probes.sandbox import StopScript
from firstlight.tools.diagnose.probes.step_check import LOSS_NAMES
from firstlight.tools.diagnose.probes.trace import trace
from firstlight.tools.diagnose.probes.values import is_float_value


@dataclass
class FirstNaN(Evidence):
    """A training whose loss or weights are NaN from its first steps on.

    Attributes
    ----------
    name : str
        What is the first to be NaN.
    at : Place
        The line of the first operation that made NaN of other numbers for it.
    """

    name: str
    at: Place | None = None
    group = "training"
    subject = "numbers of the script"
    where = "training loop"


class _NaNRecorder(Recorder):
    """A recorder of a run that ends at the first statement that assigns NaN."""

    found: tuple[str, int] | None = None
    latest: int = 0  # line of the latest invalid operation

    def skips(self, site: Site) -> bool:
        """Let NumPy report operations that make NaN."""
        np.seterr(invalid="call")
        np.seterrcall(self._invalid)
        return False

    def assigned(self, site: Site, name: str, value: Any) -> Any:
        """End the script if it assigns NaN."""
        if self.latest and is_float_value(value) and np.isnan(value).any():
            self.found = name, self.latest
            raise StopScript("the first NaN")
        return value

    def _invalid(self, *_):
        frame = sys._getframe(1)
        while frame is not None and frame.f_code.co_filename != self._file:
            frame = frame.f_back
        self.latest = frame.f_lineno if frame is not None else self.latest


def first_nan(path: Path, arguments: Sequence[str], known: Trace) -> FirstNaN | None:
    """Return the evidence of a script whose trace has a loss or weights that are NaN."""
    if not _has_nan(known):
        return None
    recorder = _NaNRecorder(path)
    trace(path, arguments, recorder)
    if recorder.found is None:
        return None
    name, line = recorder.found
    return FirstNaN(name, Place.of(str(path), line))


def _has_nan(known):
    for event in known.of(Update):
        if event.trains and np.isnan(event.after).any():
            return True
    losses = [e for e in known.of(Scalar) if any(part in e.name.lower() for part in LOSS_NAMES)]
    return any(np.isnan(e.value) for e in losses if e.loops)
