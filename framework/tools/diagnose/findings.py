"""Findings, and the report that collects them."""

from dataclasses import asdict, dataclass, field

KINDS = {  # what each is called, in words
    "not-registered": "part not registered",
    "sign": "wrong sign",
    "transpose": "missing transpose",
    "batch-sum": "missing sum over the batch",
    "factor": "wrong factor",
    "batch-factor": "factor of the batch size",
    "forward": "another forward than PyTorch's",
    "term": "wrong or forgotten term",
    "zero": "gradient never written",
    "not-called": "a part's backward is not called",
    "not-accumulated": "not accumulated",
    "overwritten-cache": "overwritten cache",
    "stale-mask": "stale mask",
    "in-place": "input modified in place",
    "chain-rule": "dy not used as the chain rule says",
    "shape": "wrong shape",
    "dtype": "other dtype",
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
    "leak": "targets in sight of the model",
    "shift": "train and validation differ",
    "overlap": "train and validation overlap",
    "label-noise": "label noise",
    "imbalance": "class imbalance",
    "small-batch": "BatchNorm with tiny batches",
    "zero-grad": "gradients not set to zero",
    "not-trained": "parameter not trained",
    "dead-units": "dead units",
    "saturated-units": "saturated units",
    "symmetry": "units that stay alike",
    "vanishing": "vanishing gradients",
    "exploding": "exploding gradients",
    "lr-high": "learning rate too high",
    "lr-low": "learning rate too low",
    "overfit": "does not learn one batch",
}

LOOK = {
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

CAUSES = (
    "input-scale",
    "target-scale",
    "initial-loss",
    "softmax",
    "labels",
    "dead-units",
    "saturated-units",
    "vanishing",
    "exploding",
    "not-trained",
    "label-noise",
    "symmetry",
)
CONSEQUENCES = {kind: {"overfit", "lr-high", "lr-low"} for kind in CAUSES} | {
    "input-scale": {"initial-loss", "saturated-units", "dead-units", "overfit", "lr-high"},
    "saturated-units": {"vanishing", "overfit", "lr-low"},
    "exploding": {"initial-loss", "overfit", "lr-high", "lr-low"},
}


@dataclass
class Finding:
    """One thing that is wrong, or for a note: worth knowing.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    where : str
        Name of the module as in `Module.named_modules`, "" for the model itself, or "loss",
        "training_step", "data", "optimizer".
    type : str
        Class of the module, "" for what is none.
    gradient : str
        "dx", a parameter's name, or "".
    message : str
        One sentence.
    next : str
        What to look at next.
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

    @property
    def place(self):
        """Where it is, in words."""
        if not self.type:
            return self.where
        return f"{self.where} ({self.type})" if self.where else self.type


@dataclass
class Check:
    """One line of the report's table: what was looked at, and the verdict.

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
    """What a check found; prints as a table with one sentence for each finding.

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
    checks: list = field(default_factory=list)
    all: list = field(default_factory=list)
    seconds: float = 0.0
    kinds: list = field(default_factory=list, repr=False)  # of each line's findings

    @property
    def findings(self):
        """What is wrong."""
        return [one for one in self.all if not one.note]

    @property
    def notes(self):
        """What is worth knowing."""
        return [one for one in self.all if one.note]

    @property
    def ok(self):
        """Whether nothing is wrong."""
        return not self.findings

    def add(self, group, subject, findings=(), detail="", verdict=None):
        """Add a line to the table, with what was found there; the verdict is made of that."""
        findings = [one for one in findings if one is not None]
        found = "wrong" if any(not f.note for f in findings) else "note" if findings else "ok"
        verdict = verdict or found
        self.checks.append(Check(group, subject, verdict, detail))
        self.kinds.append((self.checks[-1], {one.kind for one in findings}))
        self.all += findings

    def drop_consequences(self):
        """Leave out what follows from something else that was found."""
        kinds = {one.kind for one in self.findings}
        follows = {result for kind in kinds for result in CONSEQUENCES.get(kind, ())}
        self.all = [one for one in self.all if one.kind not in follows]
        for line, found in self.kinds:
            if found and found <= follows:
                line.verdict = "skipped"  # neither well nor the place to look

    def skip(self, group, subject, why):
        """Add a line about something that was not looked at."""
        self.checks.append(Check(group, subject, "skipped", why))

    def to_dict(self):
        """Return everything as JSON-able dicts and lists."""
        return {
            "model": self.model,
            "data": self.data,
            "ok": self.ok,
            "seconds": round(self.seconds, 2),
            "findings": [asdict(one) for one in self.findings],
            "notes": [asdict(one) for one in self.notes],
            "checks": [asdict(one) for one in self.checks],
        }

    def __str__(self):
        from firstlight.tools.diagnose.show import as_text

        return as_text(self)
