"""Wrong backward: all gradients of one module of which some differ from forward, as evidence."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.parameter import Parameter
from firstlight.tools.diagnose.kind import Evidence, Place
from firstlight.tools.diagnose.probes.module.changes import Change
from firstlight.tools.diagnose.probes.module.gradients import Gradient
from firstlight.tools.diagnose.probes.module.intermediates import first_wrong_line
from firstlight.tools.diagnose.probes.module.other_derivatives import OtherDerivatives
from firstlight.tools.diagnose.probes.module.rerun import Rerun
from firstlight.tools.diagnose.probes.module.watch import Watch


@dataclass
class WrongBackward(Evidence):
    """All gradients of a module, of which some do not agree with differences of forward.

    Attributes
    ----------
    rerun : Rerun
    gradients : list of Gradient
    remake : callable
        ``remake(before=f)`` puts the module on a new rerun, on which f is called first.
    explained : list of str
        The gradients that `change` explains: all, the wrong ones, or one.
    """

    rerun: Rerun
    gradients: list[Gradient]
    remake: Callable[..., Rerun]
    explained: list[str] = field(default_factory=list)
    competing = True

    @cached_property
    def wrong(self) -> list[Gradient]:
        """The gradients that are wrong."""
        return [one for one in self.gradients if one.status == "wrong"]

    @cached_property
    def derivatives(self) -> OtherDerivatives | None:
        """The instrumented module; None if its source is unknown."""
        forward, backward = Watch(), Watch()
        read = []

        def before(module: Module) -> Mapping[str, Parameter] | None:
            read.extend(watch.install(module, name) for watch, name in methods)

        methods = (forward, "forward"), (backward, "backward")
        rerun = self.remake(before=before)
        if not all(read):
            return None
        found = OtherDerivatives(rerun, forward, backward, self.gradients)
        return found if found.same else None

    @cached_property
    def change(self) -> Change | None:
        """The change of forward's derivative with which backward is right, None without one."""
        written = any(one.analytic.any() for one in self.wrong)
        if not written or self.derivatives is None:
            return None
        wrong = [one.name for one in self.wrong if one.values.size > 1]
        for names in (list(self.derivatives.gradients), wrong, wrong[:1]):
            found = self.derivatives.explanation(names)
            if found is not None:
                self.explained = names
                # A multiple of the right gradient has simpler explanations than one path.
                return None if found.factor and all(map(_is_multiple, self.wrong)) else found
        return None

    @property
    def explains_all(self) -> bool:
        """Whether all gradients, not only some, are right with the change."""
        return self.change is not None and len(self.explained) == len(self.derivatives.gradients)

    @cached_property
    def place(self) -> Place | None:
        """The first line of backward that computes something wrong."""
        if self.derivatives is None:
            return None
        return first_wrong_line(self.derivatives, self.wrong, self.change)

    @property
    def told(self) -> dict[str, Any]:
        """What a sentence tells of the change: the expression, and where it is."""
        node = self.derivatives.nodes[self.change.node]
        values = {"code": node.target or node.code, "line": node.place.line}
        return values | {"within": self._within(self.change.node)}

    @property
    def places(self) -> str:
        """All expressions whose path a change changes, with what they are in."""
        numbers = (self.change.node, *self.change.also)
        nodes = [self.derivatives.nodes[one] for one in numbers]
        return ", ".join(
            f"`{node.target or node.code}`"
            + (f" in `{self._within(number)}`" if not node.target else "")
            for number, node in zip(numbers, nodes, strict=True)
        )

    def _within(self, number):
        around = self.derivatives.around(number)
        return around.code if around else self.derivatives.nodes[number].place.code


def _is_multiple(gradient: Gradient) -> bool:
    """Return whether a gradient is a multiple of the right one."""
    ratios = [n / ((gradient.analytic * v).sum() or np.inf) for v, n, _ in gradient.probes]
    return bool(ratios) and np.allclose(ratios, ratios[0], rtol=1e-3)
