"""Captures: the CUDA graphs of one kind of work on batches, such as training steps or evaluations.

A graph repeats the same launches on the same memory. So it is valid for one shape of batch and for
fixed values of the numbers that modules keep as attributes. The first batch of each kind runs
launch by launch, which compiles its kernels. The second is captured, and from then on one launch
runs them all.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from firstlight.distributed import sharding
from firstlight.module import Module
from firstlight.support.array import Array
from firstlight.support.backend import using
from firstlight.support.batches import copied, shapes_of
from firstlight.training.graph import Graph, captured

MOST = 16  # graphs
PLAIN = (bool, int, float, str, type(None))

log: logging.Logger = logging.getLogger("firstlight")


class Captures:
    """The captured graphs of one kind of work, by kind of batch.

    Work that cannot be captured runs launch by launch, and the log names the reason.

    Parameters
    ----------
    what : str
        The work in the plural, for the log: "steps".
    module : Module
        Does the work.
    reason : str, optional
        Reason why nothing is captured.

    Attributes
    ----------
    graphs : dict of tuple to Graph
        By their cache key.
    reason : str or None
        Reason why no (further) graph is captured.
    """

    def __init__(self, what: str, module: Module, reason: str | None = None) -> None:
        self.graphs: dict[tuple[Any, ...], Graph] = {}
        self.reason = reason
        self._what, self._module = what, module
        self._seen, self._modules = {}, dict(module.named_modules())
        if reason not in (None, NOT_WANTED):
            log.warning("%s are not captured: %s", what, reason)

    def replay(
        self, batch: Any, work: Callable[[Any], Any], settings: dict[str, Any] | None = None
    ) -> Any | None:
        """Return ``work(batch)`` by a graph, or None if it must be done launch by launch.

        The next replay overwrites the result.

        Parameters
        ----------
        batch : array, or tuple or dict of arrays
        work : callable
            Function of the batch that needs nothing of the host.
        settings : dict of str to hashable, optional
            Whatever else the work depends on; other values have graphs of their own.
        """
        if self.reason is not None:
            return None
        key = self._key(batch, settings or {})
        if key in self._seen and key not in self.graphs:
            self._capture(key, batch, work)
        if key in self.graphs:
            return self.graphs[key](batch)
        self._note(key, settings or {})
        return None

    def _key(self, batch, settings):
        """Return the cache key of a batch's graph: shapes, dtypes and every constant baked in.

        The constants include a rank's place in the whole batch, on which its dropout masks depend.
        """
        constants = tuple(value for _, value in self._constants())
        return shapes_of(batch), tuple(settings.values()), sharding.current(), constants

    def _constants(self):
        """Yield ``(name, value)`` of each number that a module keeps as an attribute."""
        for path, module in self._modules.items():
            for name, value in vars(module).items():
                if isinstance(value, PLAIN):
                    yield f"{path}.{name}".lstrip("."), value

    def _capture(self, key, batch, work):
        fixed = copied(batch)
        graph, output, pool, reason = captured(lambda: work(fixed), self._module)
        if reason is not None:
            self._give_up(reason)
            return
        self.graphs[key] = Graph(graph, fixed, output, pool)

    def _note(self, key, settings):
        if self.reason is None:
            self._seen[key] = None
            if len(self._seen) > MOST:
                change = self._change(settings, *list(self._seen)[-2:])
                self._give_up(f"more than {MOST} kinds of {self._what}: {change}")

    def _change(self, settings, before, after):
        """Return what distinguishes two keys, as text."""
        attributes = [f"attribute {name}" for name, _ in self._constants()]
        for names, place in ((attributes, -1), (settings, 1)):
            for name, old, new in zip(names, before[place], after[place], strict=False):
                if old != new:
                    return f"the {name} was {old!r}, then {new!r}"
        return "the shapes of the batches keep changing"

    def _give_up(self, reason):
        self.reason = reason
        log.warning("%s are no longer captured: %s", self._what, reason)


NOT_WANTED = "capture=False"
OURS = ("firstlight.module", "firstlight.models.")


def objection(module: Module, method: str, *, capture: bool) -> str | None:
    """Return the reason why a step of a module, such as ``training_step``, cannot be captured.

    A step of the user's own may do other work each time, unless the class says that it does not.
    """
    kind = type(module)
    if not capture:
        return NOT_WANTED
    if kind.capturable is None and not getattr(kind, method).__module__.startswith(OURS):
        return (
            f"{kind.__name__} overrides {method}; if that does the same work each time, "
            "write: capturable = True"
        )
    return f"{kind.__name__}.capturable is False" if kind.capturable is False else None


@contextmanager
def capturing(what: str, module: Module, method: str, like: Array) -> Iterator[Captures | None]:
    """Yield `Captures` for work on the device of an array, outside of a `Trainer`; None on a CPU.

    The work is complete, and the graphs are freed, when the context ends.
    """
    if not hasattr(like, "get"):
        yield None
        return
    with using(f"cuda:{like.device.id}"):
        yield Captures(what, module, objection(module, method, capture=True))
