"""The verdict on one module: its gradients compared on the bench, and the likely mistake."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.tools.diagnose import contract
from firstlight.tools.diagnose.arrays import is_float
from firstlight.tools.diagnose.bench import Bench, Preparation, UnsupportedError, bench_arguments
from firstlight.tools.diagnose.gradients import Gradient, compare_gradients, probe
from firstlight.tools.diagnose.hypotheses import UNKNOWN, explain_gradient
from firstlight.tools.diagnose.recorded_calls import Call
from firstlight.tools.diagnose.shape_errors import explain_error

TIED = 0.7  # share of distinct values among the inputs, below which many are equal


@dataclass
class Verdict:
    """The comparison of one module's backward with its forward, made when it is constructed.

    Attributes
    ----------
    module : Module
        Left as it is.
    inputs : sequence
        Arguments of its forward.
    prepare : callable, optional
        See `Bench`.
    outermost : bool
        See `Bench`.
    wrong : list of Gradient
    problem : (str, str, str) or None
        Kind, explanation and gradient of a broken contract or an exception.
    detail : str
        For the report's table.
    not_judged : bool
        It could not be put on a bench.
    bench : Bench or None
    """

    module: Module
    inputs: Sequence[Any]
    prepare: Preparation | None = None
    outermost: bool = False
    wrong: list[Gradient] = field(default_factory=list)
    problem: contract.Violation | None = None
    detail: str = ""
    not_judged: bool = False
    bench: Bench | None = None

    def __post_init__(self) -> None:
        try:
            self._judge()
        except UnsupportedError as error:
            self.detail, self.not_judged = str(error), True
        except Exception as error:
            samples = len(self.inputs[0]) if np.ndim(self.inputs[0]) else 0
            self.problem = (*explain_error(error, samples), "")
            self.detail = self.problem[1]

    @classmethod
    def of_call(
        cls, call: Call, stand_ins: Preparation | None = None, outermost: bool = False
    ) -> "Verdict":
        """Return the verdict on a recorded call, optionally with stand-ins for its parts."""
        module, inputs, flatten = bench_arguments(call)
        if stand_ins is None:
            return cls(module, inputs, flatten, outermost)

        def prepare(module):
            parameters = stand_ins(module)
            if flatten is not None:
                flatten(module)
            return parameters

        return cls(module, inputs, prepare, outermost)

    @property
    def ok(self) -> bool:
        """Whether backward is right."""
        return not self.wrong and self.problem is None

    def remake(self, inputs: Sequence[Any] | None = None, **options: bool) -> Bench:
        """Put the module on a new bench, optionally with other inputs and options."""
        inputs = self.inputs if inputs is None else inputs
        options |= {"prepare": self.prepare, "outermost": self.outermost}
        return Bench(self.module, inputs, **options)

    def explained(self, gradient: Gradient | None = None) -> contract.Violation:
        """Return kind, explanation and gradient of the first thing that is wrong."""
        if self.problem is not None:
            return self.problem
        found = [
            (g, *explain_gradient(self.bench, g, self.remake))
            for g in ([gradient] if gradient else self.wrong[:4])
        ]
        first, kind, words = next((one for one in found if one[2] != UNKNOWN), found[0])
        also = [g.name for g in self.wrong if g is not first and gradient is None]
        return kind, words + (f" ({', '.join(also)} too)" if also else ""), first.name

    def _judge(self):
        self.bench = self.remake()
        gradients = compare_gradients(self.bench)
        self.wrong = [g for g in gradients if g.status in ("wrong", "missing", "shape")]
        names = [g.name for g in gradients if g.values is not None]
        listed = ", ".join(names) if len(names) < 6 else f"{len(names)} gradients"
        worst = max((g.error for g in gradients), default=0.0)
        unclear = [g.name for g in gradients if g.status == "unclear"]
        self.detail = f"{listed}: error {worst:.0e}" if names else "no gradients"
        if unclear:
            self.detail += f"; {', '.join(unclear)} too close to kinks"
        self.problem = contract.first_violation(self.bench)
        if self.ok and self.prepare is None:
            self.problem = self._at_ties()

    def _at_ties(self):
        """Return a problem if backward is wrong where many inputs are equal, or None.

        There forward has kinks, but not along the direction in which all inputs move alike: the
        largest of equal numbers moves as they do, whichever of them backward chooses.
        """
        x = self.inputs[0] if self.inputs else None
        if not is_float(x) or not x.size or len(np.unique(x)) > TIED * x.size:
            return None
        bench = self.remake(nudged=False)
        dx = bench.backward().get("dx")
        if not isinstance(dx, np.ndarray) or dx.shape != x.shape:
            return None
        gradient, rng = Gradient("dx", bench.values("dx"), dx), np.random.default_rng(13)
        if probe(bench, gradient, rng, shaped=np.ones_like) != "wrong":
            return None
        words = "of equal inputs, such as zeros after a ReLU, several get a dy that belongs to one"
        return "term", words, "dx"
