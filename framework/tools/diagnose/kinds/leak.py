"""Language models that see the tokens which they are to predict."""

import itertools
import re
from types import FunctionType
from typing import Any

import numpy as np

from firstlight.support.array import Array
from firstlight.tools.diagnose.examples import TEXT, script
from firstlight.tools.diagnose.kind import Findings, Kind, Place
from firstlight.tools.diagnose.probes.arrays import is_integer
from firstlight.tools.diagnose.probes.model.first_step import FirstStep
from firstlight.tools.diagnose.probes.model.influence import first_to_look_ahead, influence
from firstlight.tools.diagnose.probes.places import line_of
from firstlight.tools.diagnose.probes.recorded_calls import Call
from firstlight.tools.diagnose.probes.script.events import Kept
from firstlight.tools.diagnose.probes.script.ledger import TrainingLoop

ALIKE = 0.99  # share of the positions
MANY = 5  # different tokens among the targets of a loop
TOKENS = re.compile(r"text|corpus|char|vocab|token|word", re.I)
TARGET = re.compile(r"(\w*_)?(y|t|tgt|targets?|labels?|next|outputs?)(_?\w+|b)?$|y\w?$", re.I)
PREDICTABLE = 0.7  # of the entropy of a token, what is left when the one before is known


class Leak(Kind):
    """Targets that the model can copy from its inputs: a missing mask, or the wrong tokens."""

    name = "leak"
    about = FirstStep, TrainingLoop
    title = "target leakage", "das Modell sieht seine Ziele"
    look = (
        "x = tokens[:-1] and y = tokens[1:]; the causal mask, np.triu(..., 1), before the softmax",
        "x = tokens[:-1] und y = tokens[1:]; die kausale Maske, np.triu(..., 1), vor der Softmax",
    )
    says = {
        "equal": (
            "the targets equal the inputs: next tokens are one position further on",
            "die Ziele sind gleich den Eingaben: die nächsten Zeichen liegen eine Position weiter",
        ),
        "last": (
            "the target is the last token of the input, which the model has already seen: the next "
            "token is one position further on",
            "das Ziel ist das letzte Zeichen der Eingabe, das das Modell schon gesehen hat: das "
            "nächste liegt eine Position weiter",
        ),
        "backwards": (
            "the target at each position is the token before it, x[t - 1], which the model has "
            "already seen; the next token is x[t + 1]: the labels are shifted the wrong way",
            "das Ziel an jeder Position ist das Zeichen davor, x[t - 1], das das Modell schon "
            "gesehen hat; das nächste ist x[t + 1]: die Labels sind in die falsche Richtung "
            "verschoben",
        ),
        "ahead": (
            "the output at position {early} changes with the tokens after it, which it has to "
            "predict",
            "die Ausgabe an Position {early} ändert sich mit den Zeichen danach, die sie "
            "vorhersagen soll",
        ),
        "full": (
            "the output at position {early} changes with the tokens after it, which it has to "
            "predict: every position sees all others, as without a causal mask",
            "die Ausgabe an Position {early} ändert sich mit den Zeichen danach, die sie "
            "vorhersagen soll: jede Position sieht alle anderen, wie ohne kausale Maske",
        ),
        "reversed": (
            "the output at position {early} changes with the tokens after it and not with those "
            "before it: the causal mask is reversed",
            "die Ausgabe an Position {early} ändert sich mit den Zeichen danach, aber nicht mit "
            "denen davor: die kausale Maske ist verkehrt herum",
        ),
        "one ahead": (
            "the output at each position changes with the next token, which it has to predict, and "
            "with none after that: the causal mask is off by one",
            "die Ausgabe an jeder Position ändert sich mit dem nächsten Zeichen, das sie "
            "vorhersagen soll, und mit keinem danach: die kausale Maske ist um eins verschoben",
        ),
        "mixed": (
            "the output at position {i} changes with position {j}, but position {m}, which is not "
            "before it, does not change with position {k}: positions and heads are mixed, as by a "
            "reshape to heads without a transpose",
            "die Ausgabe an Position {i} ändert sich mit Position {j}, aber Position {m}, die "
            "nicht davor liegt, nicht mit Position {k}: Positionen und Köpfe sind vermischt, wie "
            "durch ein reshape in Köpfe ohne transpose",
        ),
    }
    hides = frozenset({"term", "transpose", "shape"})  # backward undoes the right forward
    causes = frozenset({"overfit", "lr-high", "lr-low", "initial-loss"})

    def judge(self, evidence: FirstStep | TrainingLoop) -> Findings:
        """Compare targets with inputs, and change late tokens to see early outputs change."""
        if isinstance(evidence, TrainingLoop):
            yield from self._of_tokens(evidence)
            return
        x, y = evidence.x, evidence.y
        if not is_integer(x) or not is_integer(y) or (x == x.flat[0]).all():
            return
        if x.ndim != 2 or x.shape != y.shape or x.shape[1] < 4:
            return
        if (x == y).all():
            yield self.finding(evidence, "equal")
        elif np.mean(x[:, :-1] == y[:, 1:]) >= ALIKE and predictable(x):
            yield self.finding(evidence, "backwards")
        elif np.mean(x[:, 1:] == y[:, :-1]) >= ALIKE:
            call = first_to_look_ahead(evidence.model, x)
            if call is not None:
                seen = influence(call)
                key, values = pattern(seen)
                values.setdefault("early", (x.shape[1] // 2) - 1)
                place = {"where": call.name, "type": call.type, "at": place_of(call, key)}
                yield self.finding(evidence, key, **place, **values)

    def _of_tokens(self, evidence):
        """Compare the tokens that a loop assigns to targets with those that it did just before."""
        if not TOKENS.search("\n".join(evidence.source)):
            return
        found: dict[tuple[Place, str], list[Any]] = {}
        kept = [e for e in evidence.trace.of(Kept) if e.arrays or isinstance(e.value, list)]
        for x, y in itertools.pairwise(kept):
            if y.loops and x.loops == y.loops and TARGET.match(y.name) and not TARGET.match(x.name):
                found.setdefault((y.at, y.name), []).append((x, y))
        for (at, _), all_pairs in found.items():
            pairs = [[np.array(e.arrays[0] if e.arrays else e.value) for e in p] for p in all_pairs]
            if len(np.unique(np.concatenate([y.ravel() for _, y in pairs]))) < MANY:
                continue
            if all(x.shape == y.shape and (x == y).all() for x, y in pairs):
                yield self.finding(evidence, "equal", at=at, where="data")
                return
            if all(x.shape[:-1] == y.shape and (x[..., -1] == y).all() for x, y in pairs):
                yield self.finding(evidence, "last", at=at, where="data")
                return

    wrong = script(
        TEXT,
        """
class Model(fl.Module):
    def __init__(self):
        self.embed = nn.Embedding(26, 16)
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0)
        self.head = nn.Linear(16, 26)

    def forward(self, x):
        return self.head(self.layer(self.embed(x)))

    def backward(self, dy):
        return self.embed.backward(self.layer.backward(self.head.backward(dy)))


net = Model()
""",
    )
    right = wrong.replace("dropout=0.0", "dropout=0.0, is_causal=True")


def pattern(seen: Array | None) -> tuple[str, dict[str, int]]:
    """Return the sentence, and its values, that describes which positions see which."""
    if seen is None:
        return "ahead", {}
    before, ahead = np.tril(seen, -1), np.triu(seen, 1)
    if seen.all():
        return "full", {}
    if not before.any():
        return "reversed", {}
    if not np.triu(seen, 2).any():
        return "one ahead", {}
    late = ~seen & np.tri(len(seen), k=-1, dtype=bool)
    for i, j in np.argwhere(ahead):  # one sees ahead, while a later one does not see back
        blind = [(m, k) for m, k in np.argwhere(late) if m >= i]
        if blind:
            m, k = blind[0]
            return "mixed", {"i": int(i), "j": int(j), "m": int(m), "k": int(k)}
    return "ahead", {}


def place_of(call: Call, key: str) -> Place | None:
    """Return the first reshape of the module's methods if it mixes, else the line of its softmax.

    None for a module of the package.
    """
    if key != "mixed":
        return line_of(type(call.module).forward, "exp(")
    methods = [m for m in vars(type(call.module)).values() if isinstance(m, FunctionType)]
    lines = [line_of(method, "reshape(") for method in methods]
    found = [line for line in lines if line is not None and "reshape(" in line.code]
    return found[0] if found else line_of(type(call.module).forward)


def predictable(tokens: Array) -> bool:
    """Return whether a token tells much about the next one, as in text and unlike at random."""
    pairs, counts = np.unique(
        np.stack([tokens[:, :-1].ravel(), tokens[:, 1:].ravel()]), axis=1, return_counts=True
    )
    if counts.sum() < 4 * len(counts):
        return False

    def entropy(numbers):
        share = numbers / numbers.sum()
        return float(-(share * np.log(share)).sum())

    _, firsts = np.unique(tokens[:, :-1], return_counts=True)
    _, seconds = np.unique(tokens[:, 1:], return_counts=True)
    return entropy(counts) - entropy(firsts) < PREDICTABLE * entropy(seconds)
