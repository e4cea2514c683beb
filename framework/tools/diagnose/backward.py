"""The search for the innermost modules whose backward is wrong.

Modules without parts are judged first, each on a rerun with the inputs that it had in the network;
then the whole. If the whole is wrong, its parts are judged, then theirs, down to the innermost.
Stand-ins for its parts show whether a module is wrong itself, beside a wrong part.
"""

from collections.abc import Sequence
from dataclasses import replace

from firstlight.tools.diagnose.kind import Finding, ask, in_language
from firstlight.tools.diagnose.probes.arrays import flattened, is_float
from firstlight.tools.diagnose.probes.module.contract import LostCache, keeps_only_the_latest
from firstlight.tools.diagnose.probes.module.kept_values import KeptValues
from firstlight.tools.diagnose.probes.module.part_calls import PartCalls
from firstlight.tools.diagnose.probes.module.purpose import StatedPurpose
from firstlight.tools.diagnose.probes.module.stand_ins import PART_DY, with_stand_ins
from firstlight.tools.diagnose.probes.recorded_calls import Call, all_calls
from firstlight.tools.diagnose.report import Report, hint
from firstlight.tools.diagnose.verdict import Verdict
from firstlight.tools.language import say


def check_backward(tops: Sequence[Call], report: Report) -> None:
    """Judge all gradients of the modules of recorded calls; add lines and findings to the report.

    Parameters
    ----------
    tops : list of Call
        The outermost calls on a small batch: of the model, and of other modules that a step calls.
    report : Report
    """
    judged: set[str] = set()
    for top in sorted(tops, key=lambda call: not call.backward_called):
        if top.name in judged:
            continue
        search = Search(top)
        judged |= set(search.first_calls)
        for call in search.first_calls.values():
            if not call.parts and call is not top:
                findings = search.leaf_findings(call)
                _add_line(report, call.label, search.verdict(call), findings)
        search.judge(top)
        name = top.label if top.name else f"{top.type}, the whole"
        _add_line(report, name, search.verdict(top), search.findings, not search.wrong)
        report.all += search.notes()
    _unite(report)


def _unite(report):
    """Tell the same mistake of several modules of one class once, with all places."""
    first: dict[tuple, Finding] = {}
    also: dict[tuple, list[str]] = {}
    for one in list(report.findings):
        if one.at is None or not one.where:
            continue
        key = (one.kind, one.type, one.at)
        if key in first:
            also.setdefault(key, []).append(one.where)
            report.all.remove(one)
        else:
            first[key] = one
    for key, places in also.items():
        same = in_language(("the same in", "ebenso in"))
        first[key].message += f" ({same} {', '.join(places)})"


def _add_line(report, name, verdict, findings, on_purpose=False):
    if verdict.not_judged and not findings:
        report.add("backward", name, [], f"not judged: {verdict.detail}", verdict="note")
        message = say("the backward of {name} was not judged: {why}")
        message = message.format(name=name, why=verdict.detail)
        report.all.append(Finding("random", "", name, message, note=True))
    elif not verdict.ok and not findings:
        mark = "note" if on_purpose else "wrong"
        report.add("backward", name, [], "wrong because of its parts", verdict=mark)
    else:
        report.add("backward", name, findings, verdict.detail)


class Search:
    """Search from a wrong module down to the innermost wrong ones.

    Parameters
    ----------
    top : Call
        The call of the whole model.

    Attributes
    ----------
    findings : list of Finding
    wrong : bool
        Whether a module is wrong that does not state a purpose.
    verdicts : dict of str to Verdict
        By the modules' names.
    first_calls : dict of str to Call
        By the modules' names, the first call whose inputs are not all zero, as a state is first.
    """

    def __init__(self, top: Call):
        self.top: Call = top
        self.calls: list[Call] = all_calls([top])
        self.first_calls: dict[str, Call] = {}
        for call in self.calls:
            first = self.first_calls.setdefault(call.name, call)
            if _has_zeros(first) and not _has_zeros(call):
                self.first_calls[call.name] = call
        self.findings: list[Finding] = []
        self.verdicts: dict[str, Verdict] = {}
        self.wrong: bool = False
        self._reported: set[str] = set()

    def verdict(self, call: Call) -> Verdict:
        """Return the `Verdict` on a call's module; each module is judged once."""
        call = self.first_calls[call.name]
        if call.name not in self.verdicts:
            self.verdicts[call.name] = Verdict.of_call(call, outermost=call is self.top)
        return self.verdicts[call.name]

    def leaf_findings(self, call: Call) -> list[Finding]:
        """Return the findings about a module without parts."""
        verdict = self.verdict(call)
        if verdict.ok or call.name in self._reported:
            return []
        self._reported.add(call.name)
        return [self._noted(_finding(call, verdict.explained()))]

    def _noted(self, finding):
        self.wrong |= not finding.note
        return finding

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
        if (isolated.ok and bad_parts) or call.name in self._reported:
            return False
        self._reported.add(call.name)
        found = self._composite_finding(call, isolated, bad_parts)
        self.findings.append(self._noted(found))
        return False

    def _composite_finding(self, call, verdict, bad_parts):
        """Return the finding about a module that is wrong itself, beside its bad parts."""
        if found := ask(PartCalls(call)):
            return _finding(call, found[0])
        kept = KeptValues(call)
        restored = bad_parts or Verdict.of_call(call, kept.restore, outermost=call is self.top)
        if not bad_parts and restored.ok and kept.changed:
            self._reported.add(kept.changed[0].where)
            return ask(kept.changed[0])[0]
        if verdict.ok:  # wrong only with its own parts, which are right alone
            verdict = self.verdict(call)
        wrong_dys = [g for g in verdict.wrong if PART_DY in g.name]
        if wrong_dys and verdict.problem is None:
            order = {part.name: index for index, part in enumerate(call.parts)}

            def last_call(gradient):
                part = gradient.name.rpartition(PART_DY)[0]
                return order.get(f"{call.name}.{part}".lstrip("."), -1)

            first = max(wrong_dys, key=last_call)  # in the order of backward
            found, part = verdict.explained(first), first.name.rpartition(PART_DY)[0]
            words = say("the dy it passes to {part} is wrong: {why}")
            words = words.format(part=part, why=found.message)
            return _finding(call, replace(found, message=words, gradient="dx"))
        found = verdict.explained()
        real = self.verdict(call)
        told = any(g.name == found.gradient for g in real.wrong)
        if found.kind == "term" and not bad_parts and told:
            # Stand-ins mix the samples; with the right parts the explanation is more specific.
            found = real.explained()
        return _finding(call, found)

    def notes(self) -> list[Finding]:
        """Return notes about modules that are right in this network, but keep one forward only."""
        found, named = [], set()
        for name, call in sorted(self.first_calls.items(), key=lambda item: -item[0].count(".")):
            verdict = self.verdicts.get(name)
            if call.parts or verdict is None or verdict.rerun is None or name in self._reported:
                continue
            if type(call.module) not in named and keeps_only_the_latest(verdict.rerun):
                named.add(type(call.module))
                times = sum(other.name == name for other in self.calls)
                found += ask(LostCache(call.label, times, "", name, call.type))
        return found


def _has_zeros(call):
    """Return whether one of a call's inputs is all zero."""
    return any(is_float(x) and not x.any() for x in flattened(call.inputs))


def _finding(call, found):
    """Return an explanation as a finding about a call's module, a note if it is on purpose."""
    if found.gradient.startswith("dx") and (stated := StatedPurpose.of(call.module, call.name)):
        return ask(stated)[0]
    gradient = found.gradient
    if gradient.startswith("dx"):
        frame = say("{module}.backward returns a wrong {gradient}: {why}")
    elif gradient:
        frame = say("{module}.backward gives {gradient} a wrong gradient: {why}")
    else:
        frame = "{module}.backward: {why}"
    message = frame.format(module=call.label, gradient=gradient, why=found.message)
    look = found.next or hint(found.kind)
    return replace(found, where=call.name, type=call.type, message=message, next=look)
