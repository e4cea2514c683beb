"""Find the innermost modules whose backward is wrong, and say what is wrong with it.

Leaves are judged first, each on a bench of its own with the inputs it had in the network; then the
whole. Where the whole is wrong, its parts are judged, and theirs, down to the innermost. Whether a
module is wrong beside a wrong part shows with stand-ins for its parts.
"""

import contextlib

import numpy as np

from firstlight.tools.diagnose import contract
from firstlight.tools.diagnose.bench import Bench, UnsupportedError
from firstlight.tools.diagnose.findings import LOOK, Finding
from firstlight.tools.diagnose.guess import guess
from firstlight.tools.diagnose.recording import recording
from firstlight.tools.diagnose.standins import put
from firstlight.tools.diagnose.verdict import Verdict, form_of


def check_backward(model, inputs, report):
    """Judge all gradients of a model on inputs; add lines and findings to a report.

    Parameters
    ----------
    model : Module
        Left as it is.
    inputs : tuple
        A small batch, as forward gets it.
    report : Report
    """
    top = record(model, inputs)
    if top is None:
        bench = Bench(model, inputs)  # raises what forward raises
        raise UnsupportedError(f"nothing was recorded of {bench.module}")
    descent = Descent(top)
    judged_names = set()
    for _, call in top.walk():
        if call.parts or call is top or call.name in judged_names:
            continue
        judged_names.add(call.name)
        add_line(report, subject(call), descent.verdict(call), descent.leaf_findings(call))
    descent.judge(top)
    add_line(report, f"{top.type}, the whole", descent.verdict(top), descent.findings)
    descent.add_notes(report)


def add_line(report, name, verdict, findings):
    """Add what was found of one module, or that nothing could be."""
    if verdict.not_judged and not findings:
        report.add("backward", name, [], f"not judged: {verdict.detail}", verdict="note")
        message = f"the backward of {name} was not judged: {verdict.detail}"
        report.all.append(Finding("random", "", name, message, note=True))
    elif not verdict.ok and not findings:
        report.add("backward", name, [], "wrong by what it is made of", verdict="wrong")
    else:
        report.add("backward", name, findings, verdict.detail)


def record(model, inputs):
    """Return the outermost `Call` of a forward, and of the backward where it survives."""
    from firstlight.tools.diagnose.bench import as_float64, normal, unburdened

    twin = unburdened(model).to(dtype="float64").train()
    with recording(twin) as tops, np.errstate(all="ignore"):
        y = twin(*[as_float64(value) for value in inputs])
        with contextlib.suppress(Exception):  # judged later, on the bench
            twin.backward(normal(np.random.default_rng(0), y))
    unused = dict(unburdened(model).named_modules())  # that no forward has left anything in
    for _, call in tops[0].walk():
        call.module = unused.get(call.name, call.module)
    return tops[0]


def subject(call):
    """Return how the table names a call's module."""
    return f"{call.name} ({call.type})" if call.name else call.type


class Descent:
    """Goes down from a wrong module to the innermost wrong ones.

    Parameters
    ----------
    top : Call
        The whole model's.

    Attributes
    ----------
    findings : list of Finding
    """

    def __init__(self, top):
        self.top, self.findings, self.verdicts, self.told = top, [], {}, set()

    def verdict(self, call):
        """Return the `Verdict` on a call's module, which is made once."""
        if call.name not in self.verdicts:
            self.verdicts[call.name] = Verdict(*form_of(call), outermost=call is self.top)
        return self.verdicts[call.name]

    def leaf_findings(self, call):
        """Return the findings about a module without parts."""
        verdict = self.verdict(call)
        if verdict.ok or call.name in self.told:
            return []
        self.told.add(call.name)
        return [self.finding(call, *verdict.explained())]

    def judge(self, call):
        """Judge a module and, where it is wrong, what is inside; return whether it is right."""
        if self.verdict(call).ok:
            return True
        if not call.parts:
            self.findings += self.leaf_findings(call)
            return False
        parts = {part.name: part for part in call.parts}
        bad = [name for name, part in parts.items() if not self.judge(part)]
        verdict = self.with_stand_ins(call, parts)
        if verdict.ok and bad:
            return False
        if call.name not in self.told:
            self.told.add(call.name)
            if verdict.ok:  # wrong only with its real parts, which are right alone
                verdict = self.verdict(call)
                forgetful = self.forgetful_part(call)
                if forgetful is not None:
                    self.findings.append(forgetful)
                    return False
            self.findings.append(self.composite_finding(call, verdict, bad))
        return False

    def with_stand_ins(self, call, parts):
        """Return the verdict on a module with stand-ins for all its parts."""
        names = {name[len(call.name) :].lstrip("."): name for name in parts}
        inside = dict(call.module.named_modules())
        known = {short: whole for short, whole in names.items() if short in inside}
        module, inputs, nested = form_of(call)
        stand_ins = put(known, call.parts)

        def prepare(module):
            handed = stand_ins(module)
            if nested is not None:
                nested(module)
            return handed

        return Verdict(module, inputs, prepare, outermost=call is self.top)

    def forgetful_part(self, call):
        """Return the finding about a part that is called twice and keeps one forward, or None."""
        names = [inner.name for _, inner in call.walk()]
        for _, inner in call.walk():
            if names.count(inner.name) < 2 or inner.name in self.told:
                continue
            bench = self.verdict(inner).bench
            if bench is not None and contract.keeps_only_the_latest(bench):
                self.told.add(inner.name)
                words = "it keeps only its latest forward, but is called more than once in a step"
                return self.finding(inner, "overwritten-cache", words, "")
        return None

    def composite_finding(self, call, verdict, bad):
        """Return the finding about a module that is wrong itself, beside ``bad`` parts of it."""
        lost = [part for part in call.parts if not part.undone]
        went_back = call.undone and any(part.undone for part in call.parts)
        if lost and (went_back or call.undone) and verdict.problem is None:
            name = lost[0].name or lost[0].type
            words = f"backward never calls {name}.backward"
            return self.finding(call, "not-called", words, "")
        changed = contract.changed_between(call.module, call.inputs)
        if changed:
            return self.finding(call, "overwritten-cache", changed, "")
        handed = [g for g in verdict.wrong if ".handed_dy" in g.name]
        if handed and verdict.problem is None:
            order = [part.name for part in call.parts]
            prefix = call.name + "." if call.name else ""

            def last(gradient):
                name = prefix + gradient.name.rpartition(".handed_dy")[0]
                return max((i for i, n in enumerate(order) if n == name), default=-1)

            first = max(handed, key=last)  # the first on the way back
            kind, words = guess(verdict.bench, first, verdict.remake)
            part = first.name.rpartition(".handed_dy")[0]
            return self.finding(call, kind, f"the dy it hands to {part} is wrong: {words}", "dx")
        kind, words, gradient = verdict.explained()
        real = self.verdict(call)
        if kind == "term" and not bad and any(g.name == gradient for g in real.wrong):
            # A stand-in mixes the samples; right parts do not, and more can be told with them.
            kind, words, gradient = real.explained()
        return self.finding(call, kind, words, gradient)

    def finding(self, call, kind, words, gradient):
        """Return a `Finding` about a call's module."""
        what = f"{subject(call)}.backward"
        if gradient.startswith("dx"):
            message = f"{what} returns a wrong {gradient}: {words}"
        elif gradient:
            message = f"{what} gives {gradient} a wrong gradient: {words}"
        else:
            message = f"{what}: {words}"
        return Finding(kind, call.name, call.type, message, LOOK.get(kind, ""), gradient)

    def add_notes(self, report):
        """Add what is worth knowing of modules that are right in this network."""
        calls = {}
        for _, call in self.top.walk():
            calls.setdefault(call.name, []).append(call)
        named = set()
        for name, made in sorted(calls.items(), key=lambda item: -item[0].count(".")):
            call = made[0]
            verdict = self.verdicts.get(name)
            if call.parts or verdict is None or verdict.bench is None or name in self.told:
                continue
            if type(call.module) not in named and contract.keeps_only_the_latest(verdict.bench):
                named.add(type(call.module))
                message = (
                    f"{subject(call)} keeps only its latest forward: shared or called twice before "
                    "backward, its gradients would be wrong"
                )
                report.all.append(
                    Finding(
                        "overwritten-cache",
                        name,
                        call.type,
                        message,
                        LOOK["overwritten-cache"],
                        note=len(made) == 1,
                    )
                )
