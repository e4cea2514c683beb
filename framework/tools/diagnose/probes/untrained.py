"""What could not be judged of a script, as evidence: a part of it, or that it trains nothing."""

from dataclasses import dataclass

from firstlight.module import Module
from firstlight.tools.diagnose.kind import Evidence
from firstlight.tools.diagnose.probes.events import Trace, Update


@dataclass
class Unclear(Evidence):
    """A part of a training that could not be judged; the detail says why.

    Attributes
    ----------
    subject, detail : str
        Of the line of the table.
    """

    subject: str
    detail: str
    group = "training"
    where = "training loop"
    verdict = "unjudged"


@dataclass
class Untrained(Evidence):
    """A script in which no training was found.

    Attributes
    ----------
    trace : Trace
    """

    trace: Trace
    group = "script"
    subject = "its training"
    where = "script"

    @property
    def repeated(self) -> Update | None:
        """A change of numbers that a loop repeats."""
        changes = self.trace.of(Update)
        return next((one for one in changes if one.loops and one.loops[0].number), None)

    @property
    def plain_classes(self) -> list[str]:
        """The script's classes that have a backward, and are no modules."""
        return [
            name
            for name, value in self.trace.names.items()
            if isinstance(value, type) and hasattr(value, "backward")
            if not issubclass(value, Module)
        ]
