"""The search for the innermost modules whose backward is wrong.

Modules without parts are judged first, each on a bench with the inputs that it had in the network;
then the whole. If the whole is wrong, its parts are judged, then theirs, down to the innermost.
Stand-ins for its parts show whether a module is wrong itself, beside a wrong part.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.tools.diagnose import contract
from firstlight.tools.diagnose._stand_ins import HANDED_DY, with_stand_ins
from firstlight.tools.diagnose.arrays import as_float64, standard_normal
from firstlight.tools.diagnose.findings import LOOK, Finding, Report
from firstlight.tools.diagnose.module_state import detached_copy, float64_copy
from firstlight.tools.diagnose.recorded_calls import Call, all_calls, recording
from firstlight.tools.diagnose.verdict import Verdict


def check_backward(model: Module, inputs: Sequence[Any], report: Report) -> None:
    """Judge all gradients of a model on a small batch; add lines and findings to the report."""
    top = recorded_call(model, inputs)
    search = Search(top)
    for call in search.first_calls.values():
        if not call.parts and call is not top:
            findings = search.leaf_findings(call)
            _add_line(report, call.label, search.verdict(call), findings)
    search.judge(top)
    _add_line(report, f"{top.type}, the whole", search.verdict(top), search.findings)
    report.all += search.notes()


def recorded_call(model: Module, inputs: Sequence[Any]) -> Call:
    """Run forward, and backward as far as it succeeds, on a float64 copy; return its `Call`."""
    twin = float64_copy(model)
    with recording(twin) as tops, np.errstate(all="ignore"):
        y = twin(*[as_float64(value) for value in inputs])
        with suppress(Exception):  # judged later, on the bench
            twin.backward(standard_normal(np.random.default_rng(0), y))
    unused = dict(detached_copy(model).named_modules())  # copies that have not run
    for call in all_calls(tops[:1]):
        call.module = unused.get(call.name, call.module)
    return tops[0]


def _add_line(report, name, verdict, findings):
    if verdict.not_judged and not findings:
        report.add("backward", name, [], f"not judged: {verdict.detail}", verdict="note")
        message = f"the backward of {name} was not judged: {verdict.detail}"
        report.all.append(Finding("random", "", name, message, note=True))
    elif not verdict.ok and not findings:
        report.add("backward", name, [], "wrong because of its parts", verdict="wrong")
    else:
        report.add("backward", name, findings, verdict.detail)


class Search:
    """The descent from a wrong module to the innermost wrong ones.

    Parameters
    ----------
    top : Call
        The call of the whole model.

    Attributes
    ----------
    findings : list of Finding
    verdicts : dict of str to Verdict
        By the modules' names.
    first_calls : dict of str to Call
        The first call of each module, by name.
    """

    def __init__(self, top: Call):
        self.top: Call = top
        self.calls: list[Call] = all_calls([top])
        self.first_calls: dict[str, Call] = {}
        for call in self.calls:
            self.first_calls.setdefault(call.name, call)
        self.findings: list[Finding] = []
        self.verdicts: dict[str, Verdict] = {}
        self._told: set[str] = set()

    def verdict(self, call: Call) -> Verdict:
        """Return the `Verdict` on a call's module; each module is judged once."""
        if call.name not in self.verdicts:
            self.verdicts[call.name] = Verdict.of_call(call, outermost=call is self.top)
        return self.verdicts[call.name]

    def leaf_findings(self, call: Call) -> list[Finding]:
        """Return the findings about a module without parts."""
        verdict = self.verdict(call)
        if verdict.ok or call.name in self._told:
            return []
        self._told.add(call.name)
        return [_finding(call, *verdict.explained())]

    def judge(self, call: Call) -> bool:
        """Judge a module and, if it is wrong, its parts; return whether it is right."""
        if self.verdict(call).ok:
            return True
        if not call.parts:
            self.findings += self.leaf_findings(call)
            return False
        parts = {part.name: part for part in call.parts}
        bad_parts = [name for name, part in parts.items() if not self.judge(part)]
        isolated = Verdict.of_call(call, with_stand_ins(call), outermost=call is self.top)
        if (isolated.ok and bad_parts) or call.name in self._told:
            return False
        self._told.add(call.name)
        finding = None
        if isolated.ok:  # wrong only with its own parts, which are right alone
            isolated, finding = self.verdict(call), self._forgetful_part(call)
        self.findings.append(finding or self._composite_finding(call, isolated, bad_parts))
        return False

    def _forgetful_part(self, call):
        """Return the finding about a part that is called twice and keeps one forward, or None."""
        names = [inner.name for inner in all_calls([call])]
        for inner in all_calls([call]):
            if names.count(inner.name) < 2 or inner.name in self._told:
                continue
            bench = self.verdict(inner).bench
            if bench is not None and contract.keeps_only_the_latest(bench):
                self._told.add(inner.name)
                words = "it keeps only its latest forward, but is called more than once in a step"
                return _finding(inner, "overwritten-cache", words)
        return None

    def _composite_finding(self, call, verdict, bad_parts):
        """Return the finding about a module that is wrong itself, beside its bad parts."""
        lost = [part for part in call.parts if not part.undone]
        if lost and call.undone and verdict.problem is None:
            name = lost[0].name or lost[0].type
            return _finding(call, "not-called", f"backward never calls {name}.backward")
        changed = contract.overwritten_cache(call.module, call.inputs)
        if changed:
            return _finding(call, "overwritten-cache", changed)
        handed = [g for g in verdict.wrong if HANDED_DY in g.name]
        if handed and verdict.problem is None:
            order = {part.name: index for index, part in enumerate(call.parts)}

            def last_call(gradient):
                part = gradient.name.rpartition(HANDED_DY)[0]
                return order.get(f"{call.name}.{part}".lstrip("."), -1)

            first = max(handed, key=last_call)  # in the order of backward
            kind, words, _ = verdict.explained(first)
            part = first.name.rpartition(HANDED_DY)[0]
            return _finding(call, kind, f"the dy it hands to {part} is wrong: {words}", "dx")
        kind, words, gradient = verdict.explained()
        real = self.verdict(call)
        if kind == "term" and not bad_parts and any(g.name == gradient for g in real.wrong):
            # A stand-in mixes the samples; right parts do not, which tells more.
            kind, words, gradient = real.explained()
        return _finding(call, kind, words, gradient)

    def notes(self) -> list[Finding]:
        """Return notes about modules that are right in this network, but keep one forward only."""
        found, named = [], set()
        for name, call in sorted(self.first_calls.items(), key=lambda item: -item[0].count(".")):
            verdict = self.verdicts.get(name)
            if call.parts or verdict is None or verdict.bench is None or name in self._told:
                continue
            if type(call.module) not in named and contract.keeps_only_the_latest(verdict.bench):
                named.add(type(call.module))
                message = (
                    f"{call.label} keeps only its latest forward: shared or called twice before "
                    "backward, its gradients would be wrong"
                )
                once = sum(other.name == name for other in self.calls) == 1
                kind = "overwritten-cache"
                found.append(Finding(kind, name, call.type, message, LOOK[kind], note=once))
        return found


def _finding(call, kind, words, gradient=""):
    what = f"{call.label}.backward"
    if gradient.startswith("dx"):
        message = f"{what} returns a wrong {gradient}: {words}"
    elif gradient:
        message = f"{what} gives {gradient} a wrong gradient: {words}"
    else:
        message = f"{what}: {words}"
    return Finding(kind, call.name, call.type, message, LOOK.get(kind, ""), gradient)
