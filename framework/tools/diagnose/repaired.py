"""What the kinds share whose mistake is a line of backward, and a search found the right one."""

from typing import ClassVar

from firstlight.tools.diagnose.kind import Findings, Kind, Text, in_language
from firstlight.tools.diagnose.probes.module.repair import Repair
from firstlight.tools.diagnose.probes.module.wrong_gradient import WrongGradient

SHORT = 60  # characters of source that fit into a sentence

RESULT = {  # of a repair: of all gradients, or of one
    None: (
        "forward fits, so it may be forward that is wrong",
        "passt forward; es kann falsch sein",
    ),
    True: ("all gradients agree with forward", "stimmen alle Gradienten mit forward überein"),
    False: ("this gradient agrees with forward", "stimmt dieser Gradient mit forward überein"),
}


LAYER = """
import numpy as np
import firstlight as fl
from firstlight import nn, optim


class Layer(fl.Module):
    def __init__(self, size):
        rng = np.random.default_rng(0)
        self.w = fl.Parameter((rng.normal(size=(size, size)) / size**0.5).astype("float32"))
        self.b = fl.Parameter(np.zeros(size, "float32"))

    def forward(self, x):
        y = np.tanh(x @ self.w.data + self.b.data)
        self.save(x, y)
        return y

    def backward(self, dy):
        x, y = self.saved()
        dz = dy * (1 - y**2)
        self.w.grad += x.T @ dz
        self.b.grad += dz.sum(axis=0)
        return dz @ self.w.data.T


rng = np.random.default_rng(0)
x = rng.normal(size=(100, 4)).astype("float32")
net = nn.Sequential(Layer(4), nn.Linear(4, 1))
net.loss = nn.MSELoss()
net.configure_optimizer = lambda: optim.Adam(net.parameters(), lr=0.01)
fl.Trainer(max_epochs=3).fit(net, (x, x[:, :1] * x[:, 1:2]))
"""


def telling(english: str, german: str) -> dict[str, Text]:
    """Return the sentences of a kind that begin with its own words."""
    return {
        "replace": (
            f"{english}; with `{{new}}` in place of `{{old}}` {{result}}",
            f"{german}; mit `{{new}}` anstelle von `{{old}}` {{result}}",
        ),
        "delete": (
            f"{english}; without `{{old}}` {{result}}",
            f"{german}; ohne `{{old}}` {{result}}",
        ),
        "line": (
            f"{english}; with the line corrected {{result}}",
            f"{german}; mit der richtigen Zeile {{result}}",
        ),
    }


class RepairedKind(Kind):
    """A wrong gradient that a small change of the source makes right.

    Attributes
    ----------
    mistakes : set of str
        The mistakes of an `Edit` that are of this kind, by default its name.
    """

    about = WrongGradient
    order = 40
    mistakes: ClassVar[frozenset[str]] = frozenset()
    right = LAYER

    def fits(self, repair: Repair, evidence: WrongGradient) -> bool:
        """Return whether a repair is of this kind."""
        return repair.edit.mistake in (self.mistakes or {self.name})

    def judge(self, evidence: WrongGradient) -> Findings:
        """Name the line, and what it should be; without it, what the numbers show."""
        repair = evidence.repair
        if repair is None and evidence.rerun is not None and evidence.wrong.status == "wrong":
            yield from self.by_numbers(evidence)
        if repair is None or not self.fits(repair, evidence):
            return
        old, new = repair.edit.old, repair.edit.written
        key = "line" if max(len(old), len(new)) > SHORT else "replace" if new else "delete"
        result = in_language(RESULT[None if repair.of_forward else repair.whole])
        where = {"at": repair.at, "cure": repair.cure if repair.whole else ""}
        yield self.finding(evidence, key, old=old, new=new, result=result, **where)

    def by_numbers(self, evidence: WrongGradient) -> Findings:
        """Yield findings about a gradient for which no repair was found."""
        yield from ()


def mistaken(*changes: str) -> str:
    """Return the example with lines replaced: old, new, old, new, ..."""
    source = LAYER
    for old, new in zip(changes[::2], changes[1::2], strict=True):
        if old not in source:
            raise ValueError(f"the example has no {old!r}")
        source = source.replace(old, new)
    return source
