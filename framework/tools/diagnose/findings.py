"""Findings of a check, and the report that collects and prints them."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from firstlight.tools.diagnose.recorded_calls import Call
from firstlight.tools.diagnose.rich_text import escaped, marked, plain_text, table

KINDS = {  # of findings, and how each is called in a report
    "not-registered": "part not registered",
    "sign": "wrong sign",
    "transpose": "missing transpose",
    "batch-sum": "missing sum over the batch",
    "factor": "wrong factor",
    "batch-factor": "factor of the batch size",
    "forward": "forward differs from PyTorch's",
    "term": "wrong or forgotten term",
    "zero": "gradient never written",
    "not-called": "a part's backward is not called",
    "not-accumulated": "not accumulated",
    "overwritten-cache": "overwritten cache",
    "stale-mask": "stale mask",
    "in-place": "input modified in place",
    "chain-rule": "chain rule violated",
    "shape": "wrong shape",
    "dtype": "changed dtype",
    "stack": "stack not empty",
    "raises": "raises an exception",
    "random": "forward is not repeatable",
    "eval": "evaluation depends on chance or on the batch",
    "not-finite": "NaN or infinity",
    "initial-loss": "initial loss",
    "input-scale": "scale of the inputs",
    "target-scale": "scale of the targets",
    "labels": "labels do not fit the outputs",
    "softmax": "activation before the loss",
    "mask": "loss ignores the mask",
    "leak": "target leakage",
    "shift": "train and validation differ",
    "overlap": "train and validation overlap",
    "label-noise": "label noise",
    "imbalance": "class imbalance",
    "small-batch": "BatchNorm with tiny batches",
    "zero-grad": "gradients not set to zero",
    "not-trained": "parameter not trained",
    "dead-units": "dead units",
    "saturated-units": "saturated units",
    "symmetry": "symmetric units",
    "vanishing": "vanishing gradients",
    "exploding": "exploding gradients",
    "lr-high": "learning rate too high",
    "lr-low": "learning rate too low",
    "overfit": "does not overfit one batch",
}

LOOK = {  # the hint of kinds whose findings all have the same one
    "not-registered": "the attribute named: attributes, lists, tuples and dicts register parts",
    "sign": "the sign of each term, and whether a - became a + in the derivation",
    "transpose": "the index form: dW_oi = Σ_n dy_no x_ni; write shapes beside every product",
    "batch-sum": "the sum over samples: one parameter serves them all, so their gradients add",
    "factor": "constants of forward: each has to be in backward, once",
    "batch-factor": "where the mean over the batch is taken: in the loss, and only there",
    "term": "every path from the input to the output: each gives a term, and they add",
    "zero": "whether each parameter's grad is written, with +=, and dx returned",
    "not-accumulated": "self.weight.grad += ... instead of = : shared weights and "
    "micro-batches add up",
    "overwritten-cache": "self.save(...) in forward and self.saved() in backward, and copies of "
    "what is changed in place",
    "stale-mask": "that forward saves the mask of each call, and backward takes that one",
    "in-place": "work on a copy, or write into a new array with out=",
    "chain-rule": "dL/dx = dy · dy/dx: dy enters every term exactly once",
    "shape": "the shapes of dx and x, line by line",
    "stack": "one self.saved() for each self.save()",
    "not-called": "backward calls every part that forward calls, in reverse order",
    "raises": "the shapes of that line",
}

LEARNING = {"overfit", "lr-high", "lr-low"}
CONSEQUENCES = {  # kinds that follow from another
    "input-scale": {"initial-loss", "saturated-units", "dead-units", "overfit", "lr-high"},
    "saturated-units": {"vanishing", "overfit", "lr-low"},
    "exploding": {"initial-loss", *LEARNING},
    **dict.fromkeys(("target-scale", "initial-loss", "softmax", "labels", "label-noise"), LEARNING),
    **dict.fromkeys(("dead-units", "vanishing", "not-trained", "symmetry"), LEARNING),
}
MARKS = {  # of a verdict in the table, with colours
    "ok": "[green]ok[/]",
    "wrong": "[bold red]WRONG[/]",
    "note": "[yellow]note[/]",
    "skipped": "[dim]-[/]",
}


@dataclass
class Finding:
    """One thing that is wrong, or as a note: worth knowing.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    where : str
        Name of the module as in `Module.named_modules`, "" for the model itself, or "loss",
        "training_step", "data", "optimizer".
    type : str
        Class of the module, "" if it is about no module.
    message : str
        One sentence.
    next : str
        What to look at next.
    gradient : str
        "dx", a parameter's name, or "".
    note : bool
        A note does not count as a finding.
    """

    kind: str
    where: str
    type: str
    message: str
    next: str = ""
    gradient: str = ""
    note: bool = False

    @classmethod
    def of_call(
        cls, call: Call, kind: str, message: str, look: str = "", note: bool = False
    ) -> "Finding":
        """Return a finding about the module of a recorded call."""
        return cls(kind, call.name, call.type, message, look, note=note)

    @property
    def place(self) -> str:
        """The module's name and class, or another place."""
        if not self.type:
            return self.where
        return f"{self.where} ({self.type})" if self.where else self.type


@dataclass
class Check:
    """One line of the report's table: the subject of a check, and the verdict.

    Attributes
    ----------
    group, subject, verdict, detail : str
        The verdict is "ok", "wrong", "note" or "skipped".
    """

    group: str
    subject: str
    verdict: str = "ok"
    detail: str = ""


@dataclass
class Report:
    """The result of a check; prints as a table with one sentence for each finding.

    Attributes
    ----------
    model, data : str
    checks : list of Check
    all : list of Finding
        Findings and notes.
    seconds : float
    """

    model: str
    data: str = ""
    checks: list[Check] = field(default_factory=list)
    all: list[Finding] = field(default_factory=list)
    seconds: float = 0.0
    kinds: list[tuple[Check, set[str]]] = field(default_factory=list, repr=False)  # of each line

    @property
    def findings(self) -> list[Finding]:
        """The findings without the notes."""
        return [one for one in self.all if not one.note]

    @property
    def notes(self) -> list[Finding]:
        """The notes."""
        return [one for one in self.all if one.note]

    @property
    def ok(self) -> bool:
        """Whether there are no findings."""
        return not self.findings

    def add(
        self,
        group: str,
        subject: str,
        findings: Iterable[Finding | None] = (),
        detail: str = "",
        verdict: str | None = None,
    ) -> None:
        """Add a line to the table with its findings, which make the verdict unless it is given."""
        findings = [one for one in findings if one is not None]
        found = "wrong" if any(not f.note for f in findings) else "note" if findings else "ok"
        self.checks.append(Check(group, subject, verdict or found, detail))
        self.kinds.append((self.checks[-1], {one.kind for one in findings}))
        self.all += findings

    def skip(self, group: str, subject: str, why: str) -> None:
        """Add a line about a check that was not made."""
        self.checks.append(Check(group, subject, "skipped", why))

    def drop_consequences(self) -> None:
        """Remove the findings that follow from others."""
        kinds = {one.kind for one in self.findings}
        follows = {result for kind in kinds for result in CONSEQUENCES.get(kind, ())}
        self.all = [one for one in self.all if one.kind not in follows]
        for line, found in self.kinds:
            if found and found <= follows:
                line.verdict = "skipped"  # neither right nor the place to look

    def to_dict(self) -> dict[str, Any]:
        """Return everything as dicts and lists for JSON."""
        return {
            "model": self.model,
            "data": self.data,
            "ok": self.ok,
            "seconds": round(self.seconds, 2),
            "findings": [asdict(one) for one in self.findings],
            "notes": [asdict(one) for one in self.notes],
            "checks": [asdict(one) for one in self.checks],
        }

    def __str__(self) -> str:
        return plain_text(self)

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        lines = table(console)
        for head in ("", "checked", "verdict", "detail"):
            lines.add_column(head, overflow="fold")
        group = None
        for line in self.checks:
            shown = line.group if line.group != group else ""
            mark = MARKS[line.verdict]
            lines.add_row(shown, escaped(line.subject), mark, escaped(line.detail))
            group = line.group
        yield lines
        for one in self.findings:
            yield marked(f"[bold red]{KINDS[one.kind]}[/], {escaped(one.place)}")
            yield marked(f"  {escaped(one.message)}")
            if one.next:
                yield marked(f"  look at: {escaped(one.next)}")
        for one in self.notes:
            yield marked(f"[yellow]note[/]: {escaped(one.message)}")
        count = len(self.findings)
        verdict = f"{count} finding{'s' * (count > 1)}" if count else "nothing wrong"
        where = f" on {escaped(self.data)}" if self.data else ""
        yield marked(f"{escaped(self.model)}{where}: {verdict}, {self.seconds:.1f} s")
