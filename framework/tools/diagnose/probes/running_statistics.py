"""Running statistics: how much of its value a buffer keeps in each forward of a training."""

from dataclasses import dataclass

import numpy as np

from firstlight.tools.diagnose.kind import Evidence
from firstlight.tools.diagnose.probes.arrays import as_float64
from firstlight.tools.diagnose.probes.module_state import float64_copy
from firstlight.tools.diagnose.probes.recorded_calls import Call


@dataclass
class RunningStatistics(Evidence):
    """Buffers of one module that approach a statistic of the batch, forward by forward.

    Attributes
    ----------
    call : Call
    kept : dict of str to float
        The share of each buffer's distance to the statistic that is left after a forward.
    """

    call: Call
    kept: dict[str, float]
    group = "health"

    def __post_init__(self):
        self.where, self.type = self.call.name, type(self.call.module).__name__

    @property
    def subject(self) -> str:
        """What the line of the table is about."""
        return f"running statistics of {self.where or self.type}"

    @classmethod
    def of(cls, call: Call) -> "RunningStatistics | None":
        """Return those of a call's module; None if it has none."""
        if not any("." not in name for name, _ in call.module.named_buffers()):
            return None
        twin = float64_copy(call.module)
        buffers = {n: b for n, b in twin.named_buffers() if "." not in n}
        values = {n: [b.data.copy()] for n, b in buffers.items() if b.data.dtype.kind == "f"}
        for _ in range(3 if values else 0):
            twin(*[as_float64(x) for x in call.inputs])
            for name, found in values.items():
                found.append(np.copy(buffers[name].data))
        kept = {name: _share(*np.diff(np.stack(found), axis=0)) for name, found in values.items()}
        kept = {name: share for name, share in kept.items() if share is not None}
        return cls(call, kept) if kept else None


def _share(first, second, third):
    """Return the constant ratio of each change to the one before it, None if there is none."""
    first, second, third = (change.ravel() for change in (first, second, third))
    size = float(first @ first)
    share = float(first @ second) / size if size > 1e-16 else 0.0
    if not 1e-3 < share < 1 - 1e-6:
        return None
    off = np.abs(second - share * first).max() + np.abs(third - share * second).max()
    return share if off < 1e-3 * np.sqrt(size) else None
