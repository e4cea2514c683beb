"""Wrong gradient: one gradient of one module that differs from forward, as evidence."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from firstlight.tools.diagnose.kind import Evidence
from firstlight.tools.diagnose.probes.module.gradients import FIT_RTOL, Gradient
from firstlight.tools.diagnose.probes.module.repair import Repair
from firstlight.tools.diagnose.probes.module.rerun import Rerun


@dataclass
class WrongGradient(Evidence):
    """A gradient of a module that does not agree with differences of its forward.

    The kinds that are about it compete. Their sentences complete "... returns a wrong dx: ".

    Attributes
    ----------
    rerun : Rerun or None
        Of the module, in which forward and backward can be repeated; None if backward raises.
    wrong : Gradient
    remake : callable
        ``remake(fresh=True)`` puts the same module on a new rerun.
    repair : Repair or None
        The change of the source that makes it right, if one was found.
    """

    rerun: Rerun | None
    wrong: Gradient
    remake: Callable[..., Rerun]
    repair: Repair | None = None
    competing = True

    @property
    def line(self) -> dict[str, Any]:
        """The line of the repair and its cure, as options of a finding; empty without one."""
        return {"at": self.repair.at, "cure": self.repair.cure} if self.repair else {}

    @property
    def factor(self) -> float | None:
        """By how much it has to be multiplied to be right; None if no number makes it right."""
        right_shape = np.shape(self.wrong.analytic) == np.shape(self.wrong.values)
        return self.wrong.factor if right_shape and self.wrong.probes else None

    def is_off_by_samples(self) -> bool:
        """Return whether it is the number of samples too large or too small, in all entries."""
        if self.rerun is None or not self.factor:
            return False
        samples = len(self.rerun.y) if np.ndim(self.rerun.y) else len(self.rerun.inputs[0])
        return bool(np.isclose(abs(np.log(abs(self.factor))), np.log(samples), rtol=FIT_RTOL))
