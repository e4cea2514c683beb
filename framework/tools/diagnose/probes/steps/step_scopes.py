"""The names in a script's functions during a step, and the lines that run after its loss."""

import sys
from collections.abc import Set
from pathlib import Path
from typing import Any

from firstlight.tools.diagnose.probes.script.events import Event
from firstlight.tools.diagnose.probes.script.instrument import Site
from firstlight.tools.diagnose.probes.steps.replay import Replay, Window


class Scopes(Replay):
    """A replay that keeps the local names of each function, and which lines the loss precedes.

    Parameters
    ----------
    path : Path
    window : Window
    moves : mapping
    losses : set of key
        Of the numbers that may be the loss.

    Attributes
    ----------
    names : dict of str to dict
    """

    def __init__(self, path: Path, window: Window, moves: Any, losses: Set[Any]):
        super().__init__(path, window, moves, brief=True)
        self.names: dict[str, dict[str, Any]] = {}
        self._before: set[int] = set()
        self._after: set[int] = set()
        known = [self.reference[key] for key in losses]
        lasts = {(e.at.line, e.name): e for e in known if e.index <= window.end}
        first = min(lasts.values(), key=lambda event: event.index, default=None)
        self._loss: Any = first and first.key

    @property
    def late(self) -> set[int]:
        """The lines that assign something in the step only after its loss."""
        return self._after - self._before

    def add(self, event: Event) -> None:
        """Append an event, and note whether it is the loss, complete for the first time."""
        super().add(event)
        if event.key == self._loss:
            self._before |= self._after
            self._after = set()

    def assigned(self, site: Site, name: str, value: Any) -> Any:
        """Keep the line."""
        if self.begun:
            self._after.add(site.line)
        return value

    def _scalar(self, name, value):
        frame = sys._getframe(2)  # of the script, as both who call this are called by it
        self.names.setdefault(frame.f_code.co_name, {}).update(frame.f_locals)
        super()._scalar(name, value)
