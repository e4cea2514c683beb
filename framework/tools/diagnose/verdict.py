"""The verdict on one module: its gradients compared in a rerun, and the likely mistake."""

import functools
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.parameter import Parameter
from firstlight.tools.diagnose.kind import Finding, Place, ask, in_language
from firstlight.tools.diagnose.probes.arrays import is_float
from firstlight.tools.diagnose.probes.module.contract import Contract
from firstlight.tools.diagnose.probes.module.gradients import (
    Gradient,
    compare,
    compare_gradients,
    probe,
)
from firstlight.tools.diagnose.probes.module.repair import Repair, Search
from firstlight.tools.diagnose.probes.module.rerun import Preparation, Rerun, UnsupportedError
from firstlight.tools.diagnose.probes.module.rerun_calls import rerun_arguments
from firstlight.tools.diagnose.probes.module.user_source import UserFunction
from firstlight.tools.diagnose.probes.module.wrong_backward import WrongBackward
from firstlight.tools.diagnose.probes.module.wrong_gradient import WrongGradient
from firstlight.tools.diagnose.probes.places import in_the_check, own_line
from firstlight.tools.diagnose.probes.raised import one_line
from firstlight.tools.diagnose.probes.recorded_calls import Call
from firstlight.tools.language import say


def explain_error(error: Exception) -> tuple[str, str]:
    """Return ``(kind, explanation)`` for an exception of a backward."""
    text = " ".join(str(error).split())
    lines = [f.line for f in traceback.extract_tb(error.__traceback__) if "backward" in f.name]
    line = lines[-1] if lines else ""
    where = f" at `{line}`" if line else ""
    said = f"backward raises {type(error).__name__}{where}: {text[:160]}"
    if "cannot be replaced" in text:
        return "not-accumulated", f"{said}; add to it: p.grad += ..."
    if "no forward left to undo" in text:
        return "stack", f"{said}; it takes from the stack more often than forward saves"
    return "raises", said


Problem = tuple[str, str, str]  # kind, explanation and gradient
UNKNOWN = "it is neither a multiple nor a transpose of the right one, a term is wrong"
INHERITED = (
    "; {name} has its own forward, but inherits the backward of {owner}",
    "; {name} hat ein eigenes forward, erbt aber das backward von {owner}",
)
NOT_FINITE = "it has NaN or infinite entries"
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
        See `Rerun`.
    outermost : bool
        See `Rerun`.
    isolated : bool
        Whether stand-ins are in place of its parts.
    gradients, wrong : list of Gradient
        All, and those that do not agree with forward.
    problem : (str, str, str) or None
        Kind, explanation and gradient of a broken contract or an exception.
    problem_at : Place or None
        The line that raises or breaks the contract, if it is known.
    detail : str
        For the report's table.
    not_judged : bool
        Whether no rerun was possible.
    own_term : bool
        Whether backward adds a term that does not depend on dy, as of a penalty inside.
    rerun : Rerun or None
    """

    module: Module
    inputs: Sequence[Any]
    prepare: Preparation | None = None
    outermost: bool = False
    isolated: bool = False
    gradients: list[Gradient] = field(default_factory=list)
    wrong: list[Gradient] = field(default_factory=list)
    problem: Problem | None = None
    problem_at: Place | None = None
    detail: str = ""
    not_judged: bool = False
    own_term: bool = False
    rerun: Rerun | None = None

    def __post_init__(self) -> None:
        try:
            self._judge()
        except UnsupportedError as error:
            self.detail, self.not_judged = str(error), True
        except Exception as error:
            if in_the_check(error):
                self.detail, self.not_judged = one_line(error), True
                return
            self.problem = (*explain_error(error), "")
            self.problem_at = own_line(error)
            self.detail = self.problem[1]

    @classmethod
    def of_call(
        cls, call: Call, stand_ins: Preparation | None = None, outermost: bool = False
    ) -> "Verdict":
        """Return the verdict on a recorded call, optionally with stand-ins for its parts."""
        module, inputs, flatten = rerun_arguments(call)
        if stand_ins is None:
            return cls(module, inputs, flatten, outermost)

        def prepare(module):
            parameters = stand_ins(module)
            if flatten is not None:
                flatten(module)
            return parameters

        return cls(module, inputs, prepare, outermost, isolated=True)

    @property
    def ok(self) -> bool:
        """Whether backward is right."""
        return not self.wrong and self.problem is None

    def remake(
        self,
        inputs: Sequence[Any] | None = None,
        before: Callable[[Module], None] | None = None,
        **options: bool,
    ) -> Rerun:
        """Create a new rerun of the module, optionally with other inputs and options.

        ``before`` is called with the copy before anything else.
        """

        def prepare(module: Module) -> Mapping[str, Parameter] | None:
            if before is not None:
                before(module)
            return self.prepare(module) if self.prepare else None

        inputs = self.inputs if inputs is None else inputs
        options |= {"prepare": prepare, "outermost": self.outermost}
        return Rerun(self.module, inputs, **options)

    def explained(self, gradient: Gradient | None = None) -> Finding:
        """Return a finding whose message explains the first thing that is wrong, in some words."""
        found, kind = self._explained(gradient), type(self.module)
        forward, backward = UserFunction.of(kind.forward), UserFunction.read(kind.backward)
        owner = next(one for one in kind.__mro__ if "backward" in vars(one))
        if forward is None or owner is kind or not (backward and backward.is_of_package):
            return found
        words = in_language(INHERITED).format(name=kind.__name__, owner=owner.__name__)
        at, cure = forward.place(forward.tree.lineno), "def backward(self, dy): ..."
        return replace(found, message=found.message + words, at=at, cure=cure)

    def _explained(self, gradient):
        if self.problem is not None:
            return self._explained_problem()
        chosen = [gradient] if gradient else self.wrong[:4]
        whole = next((one for one in self.repairs if one.whole), None)
        if self.paths and (whole is None or whole.of_forward):
            unknown = whole or all(self._explain(one).message == UNKNOWN for one in chosen)
            only_dx = all(one.name.startswith("dx") for one in self.wrong)
            if unknown or self.evidence.explains_all or not self.evidence.change.factor:
                return replace(self.paths[0], gradient="dx" if only_dx else "")
        found = [self._explain(one) for one in chosen]
        first = next((one for one in found if one.message != UNKNOWN), found[0])
        also = [g.name for g in self.wrong if g.name != first.gradient and gradient is None]
        too = f" ({say('so are')} {', '.join(also)})" if also else ""
        return replace(first, message=first.message + too)

    @functools.cached_property
    def paths(self) -> list[Finding]:
        """The finding about a path that is missing, or counted wrongly, if that explains it."""
        return ask(self.evidence)

    @functools.cached_property
    def evidence(self) -> WrongBackward:
        """All gradients, as evidence of a path that is missing."""
        return WrongBackward(self.rerun, self.gradients, self.remake)

    @functools.cached_property
    def repairs(self) -> list[Repair]:
        """The changes of the source that make it right, found by a search."""
        try:
            return Search(self.remake, self.gradients).repairs()
        except Exception:  # a user's code may raise where it is run otherwise than before
            return []

    def _explained_problem(self):
        """Return the finding about a broken contract or an exception, with the line if known."""
        kind, words, name = self.problem
        repair = next((one for one in self.repairs if one.whole), None)
        if repair is not None and self.rerun is None:  # it raises, and a changed line does not
            evidence = WrongGradient(None, Gradient(name, None, None, kind), self.remake, repair)
            return replace(ask(evidence)[0], gradient=name)
        at, cure = (repair.at, repair.cure) if repair else (self.problem_at or self._line(name), "")
        return Finding(kind, "", "", words, gradient=name, at=at, cure=cure)

    def _explain(self, gradient):
        repair = next((one for one in self.repairs if gradient.name in one.gradients), None)
        found = ask(WrongGradient(self.rerun, gradient, self.remake, repair))
        if not found:
            finite = np.isfinite(gradient.analytic).all()
            kind, words = ("term", UNKNOWN) if finite else ("not-finite", NOT_FINITE)
            found = [Finding(kind, "", "", words)]
        at = found[0].at or self._place or self._line(gradient.name)
        return replace(found[0], gradient=gradient.name, at=at)

    @functools.cached_property
    def _place(self):
        """The first line of backward that is proven wrong, None if unknown."""
        try:
            return self.evidence.place
        except Exception:  # as for the repairs
            return None

    def _line(self, gradient):
        """Return the line of the user's backward that writes a gradient, None without source."""
        function = UserFunction.of(type(self.module).backward)
        return None if function is None else function.line_of(gradient)

    def _judge(self):
        self.rerun = self.remake()
        self.gradients = gradients = compare_gradients(self.rerun)
        self.wrong = [g for g in gradients if g.status in ("wrong", "missing", "shape")]
        if self.wrong and self._adds_own_term():
            self.wrong, self.own_term = [], True
        names = [g.name for g in gradients if g.values is not None]
        listed = ", ".join(names) if len(names) < 6 else f"{len(names)} gradients"
        worst = max((g.error for g in gradients), default=0.0)
        unclear = [g.name for g in gradients if g.status == "unclear"]
        self.detail = f"{listed}: error {worst:.0e}" if names else "no gradients"
        if self.own_term:
            self.detail += "; it adds a term that does not depend on dy"
        if unclear:
            self.detail += f"; {', '.join(unclear)} too close to kinks"
        broken = ask(Contract.of(self.rerun))
        if broken:
            self.problem = (broken[0].kind, broken[0].message, broken[0].gradient)
            self.problem_at = broken[0].at
        if self.ok and not self.isolated and not self.own_term:
            self.problem = self._at_ties()

    def _adds_own_term(self):
        """Return whether all is right but a term that does not depend on dy, as of a penalty.

        The term must not be left over from an earlier run.
        """
        if any(g.status != "wrong" for g in self.wrong):
            return False
        dy = np.zeros_like(self.rerun.dy)
        own, fresh = self.rerun.backward(dy), self.remake(fresh=True).backward(dy)
        for g in self.wrong:
            part = own[g.name]
            if not np.any(part) or not np.allclose(part, fresh[g.name], rtol=1e-9, atol=1e-14):
                return False
            rest = Gradient(g.name, g.values, g.analytic - part)
            compare(self.rerun, rest, np.random.default_rng(5))
            if rest.status != "ok":
                return False
        return True

    def _at_ties(self):
        """Return a problem if backward is wrong where many inputs are equal, or None.

        Forward has kinks there, but not along the direction that moves all inputs alike, since the
        largest of equal numbers moves with them.
        """
        x = self.inputs[0] if self.inputs else None
        if not is_float(x) or not x.size or len(np.unique(x)) > TIED * x.size:
            return None
        rerun = self.remake(perturb=False)
        dx = rerun.backward().get("dx")
        if not isinstance(dx, np.ndarray) or dx.shape != x.shape:
            return None
        gradient, rng = Gradient("dx", rerun.values("dx"), dx), np.random.default_rng(13)
        if probe(rerun, gradient, rng, shaped=np.ones_like) != "wrong":
            return None
        words = "of equal inputs, such as zeros after a ReLU, several get a dy that belongs to one"
        return "term", words, "dx"
