"""A path of forward that backward leaves out, or counts another number of times."""

import ast

from firstlight.tools.diagnose.examples import regression
from firstlight.tools.diagnose.kind import Findings, Kind, Text, in_language
from firstlight.tools.diagnose.probes.module.wrong_backward import WrongBackward
from firstlight.tools.diagnose.probes.script.source_text import called_name

WHAT: dict[str, Text] = {  # what a variable is, by the function that computes it
    "mean": ("the mean ", "den Mittelwert "),
    "average": ("the mean ", "den Mittelwert "),
    "var": ("the variance ", "die Varianz "),
    "std": ("the standard deviation ", "die Standardabweichung "),
    "sum": ("the sum ", "die Summe "),
    "norm": ("the length ", "die Länge "),
    "max": ("the maximum ", "das Maximum "),
}
TIMES = {2: ("twice", "doppelt"), -1: ("with the wrong sign", "mit falschem Vorzeichen")}


class MissingPath(Kind):
    """Backward is right for a forward in which something is a constant, or counts twice."""

    name = "missing-path"
    about = WrongBackward
    title = "missing path", "fehlender Weg"
    order = 70
    look = (
        "every path from the input to the output: each gives a term, and the terms add",
        "jeder Weg von der Eingabe zur Ausgabe: jeder ergibt einen Term, und die Terme addieren "
        "sich",
    )
    says = {
        "variable": (
            "it treats {what}`{code}` (line {line}) as a constant, so that the path through it is "
            "missing: with `{code}` constant in forward, the gradients agree",
            "{what}`{code}` (Zeile {line}) wird als Konstante behandelt, der Weg darüber fehlt: "
            "wäre `{code}` in forward konstant, so stimmten die Gradienten",
        ),
        "place": (
            "it treats `{code}` in `{within}` (line {line}) as a constant, so that the path "
            "through it is missing: with a constant there, the gradients agree",
            "`{code}` in `{within}` (Zeile {line}) wird als Konstante behandelt, der Weg darüber "
            "fehlt: stünde dort eine Konstante, so stimmten die Gradienten",
        ),
        "state": (
            "the state `{code}` in `{within}` (line {line}) is treated as a constant: what later "
            "steps return for it is lost, instead of added to its gradient",
            "der Zustand `{code}` in `{within}` (Zeile {line}) wird als Konstante behandelt: was "
            "spätere Schritte dafür zurückgeben, geht verloren, statt zum Gradienten zu kommen",
        ),
        "count": (
            "the path through `{code}` in `{within}` (line {line}) is counted {times}: counted "
            "once, the gradients agree",
            "der Weg über `{code}` in `{within}` (Zeile {line}) wird {times} gezählt: einfach "
            "gezählt, stimmen die Gradienten",
        ),
        "several": (
            "it treats {places} (line {line}) as constants, so that the paths through them are "
            "missing: with constants there, the gradients agree",
            "{places} (Zeile {line}) werden als Konstanten behandelt, die Wege darüber fehlen: "
            "stünden dort Konstanten, so stimmten die Gradienten",
        ),
        "steps": (
            "only the {which} of {count} steps counts for `{code}` in `{within}` (line {line})",
            "nur der {which} von {count} Schritten zählt für `{code}` in `{within}` (Zeile {line})",
        ),
        "sum": (
            "the term with the sum is missing in the derivative of the softmax `{code}` (line "
            "{line}): ds = p · (dp - Σ p dp)",
            "in der Ableitung der Softmax `{code}` (Zeile {line}) fehlt der Term mit der Summe: "
            "ds = p · (dp - Σ p dp)",
        ),
    }

    def judge(self, evidence: WrongBackward) -> Findings:
        """Tell which expression of forward backward treats as a constant, or counts otherwise."""
        change = evidence.change
        if change is None or change.how not in ("path", "summed"):
            return
        told, key = evidence.told, "place"
        node = evidence.derivatives.nodes[change.node]
        count = len(evidence.derivatives.base[change.node])
        targets = {one.target for one in evidence.derivatives.nodes if not one.is_argument}
        if change.how == "summed":
            key = "sum"
        elif change.factor:
            key, c = "count", round(change.factor, 4)
            told["times"] = in_language(TIMES.get(c, (f"{c:g} times", f"{c:g}-fach")))
        elif change.also:
            key = "several"
            told["places"] = evidence.places
        elif change.index is not None:
            key = "steps"
            which = ("first", "erste") if change.index == 0 else ("last", "letzte")
            told |= {"which": in_language(which), "count": count}
        elif node.target:
            key = "variable"
            function = called_name(node.tree) if isinstance(node.tree, ast.Call) else ""
            told["what"] = in_language(WHAT.get(function, ("", "")))
        elif count > 1 and node.code in targets:
            key = "state"
        yield self.finding(evidence, key, at=evidence.place, **told)

    right = regression(
        net="""
class Normalise(fl.Module):
    def forward(self, x):
        length = np.sqrt((x * x).sum(axis=1, keepdims=True))
        y = x / length
        self.save(y, length)
        return y

    def backward(self, dy):
        y, length = self.saved()
        along = (dy * y).sum(axis=1, keepdims=True)
        return (dy - along * y) / length


net = nn.Sequential(nn.Linear(4, 8), Normalise(), nn.Linear(8, 1))
"""
    )
    wrong = right.replace("return (dy - along * y) / length", "return dy / length")
