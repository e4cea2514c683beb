"""A wrong line of backward for which a search found the right one: its sign, sum, index, term."""

from firstlight.tools.diagnose.kind import Findings
from firstlight.tools.diagnose.probes.module.repair import Repair
from firstlight.tools.diagnose.probes.module.wrong_gradient import WrongGradient
from firstlight.tools.diagnose.repaired import RepairedKind, mistaken, telling


class WrongSign(RepairedKind):
    """A term with the opposite sign."""

    name = "sign"
    order = 37
    title = "wrong sign", "falsches Vorzeichen"
    look = (
        "the sign of each term, and whether a - became a + in the derivation",
        "das Vorzeichen jedes Summanden und ob bei der Herleitung aus - ein + wurde",
    )
    says = telling("the sign is wrong", "das Vorzeichen ist falsch") | {
        "numbers": ("it has the wrong sign", "er hat das falsche Vorzeichen")
    }
    wrong = mistaken("return dz @", "return -dz @")

    def by_numbers(self, evidence: WrongGradient) -> Findings:
        """Test whether it is right with the opposite sign."""
        if evidence.wrong.explains(-evidence.wrong.analytic):
            yield self.finding(evidence, "numbers")


class BatchSum(RepairedKind):
    """A parameter's gradient that is not summed over the samples."""

    name = "batch-sum"
    order = 38
    mistakes = frozenset({"sum", "index"})
    title = "missing sum over the batch", "fehlende Summe über den Batch"
    look = (
        "the sum over samples: one parameter serves them all, so their gradients add",
        "die Summe über die Beispiele: ein Parameter dient allen, ihre Gradienten addieren sich",
    )
    says = telling("the sum over the batch is missing", "die Summe über den Batch fehlt")
    wrong = mistaken("dz.sum(axis=0)", "dz[0]")

    def fits(self, repair: Repair, evidence: WrongGradient) -> bool:
        """Return whether a sum was added where there was none."""
        old, new = repair.edit.old, repair.edit.written
        added = "sum(" in new and "sum(" not in old and "mean(" not in old
        return repair.edit.mistake in self.mistakes and added


class WrongSum(RepairedKind):
    """A sum over the wrong axis, or one that does not belong there."""

    name = "sum-axis"
    mistakes = frozenset({"sum"})
    title = "sum over the wrong axis", "Summe über die falsche Achse"
    look = (
        "over which axes forward broadcasts: backward sums over these, and no others",
        "über welche Achsen forward verteilt: backward summiert über diese und keine anderen",
    )
    says = telling("the sum is wrong", "die Summe ist falsch")
    wrong = mistaken("dz.sum(axis=0)", "dz.sum()")


class WrongIndex(RepairedKind):
    """A gradient written to, or read from, another place."""

    name = "index"
    title = "wrong index", "falscher Index"
    look = (
        "which entries forward reads: backward writes to the same ones",
        "welche Einträge forward liest: backward schreibt in dieselben",
    )
    says = telling("an index is wrong", "ein Index ist falsch")
    wrong = mistaken(
        "y = np.tanh(x @ self.w.data + self.b.data)",
        "y = np.tanh(x @ self.w.data + self.b.data)\n        y[:, :2] *= 2",
        "y = self.saved()",
        "y = self.saved()\n        y, dy = y.copy(), dy.copy()\n        y[:, :2] /= 2\n"
        "        dy[:, 2:] *= 2",
    )
    right = wrong.replace("dy[:, 2:]", "dy[:, :2]")


class WrongCondition(RepairedKind):
    """A comparison that selects the wrong entries."""

    name = "condition"
    title = "wrong condition", "falsche Bedingung"
    look = (
        "the condition of forward: backward selects the same entries",
        "die Bedingung von forward: backward wählt dieselben Einträge aus",
    )
    says = telling("a condition is wrong", "eine Bedingung ist falsch")
    right = mistaken("np.tanh(x", "np.maximum(0, x", "1 - y**2", "y > 0")
    wrong = right.replace("y > 0", "y < 0")


class WrongOperand(RepairedKind):
    """A value in place of another one: the output for the input, one cached array for another."""

    name = "operand"
    title = "wrong operand", "falscher Operand"
    look = (
        "which value of forward each derivative is taken at, and in which order they are saved",
        "an welchem Wert von forward jede Ableitung genommen und in welcher Reihenfolge gespeichert"
        " wird",
    )
    says = telling("a wrong value is used", "es wird ein falscher Wert verwendet")
    wrong = mistaken("1 - y**2", "1 - x**2")


class WrongOrder(RepairedKind):
    """Statements, or the turns of a loop, in the wrong order."""

    name = "order"
    title = "wrong order", "falsche Reihenfolge"
    look = (
        "the order of backward, which is the reverse of forward's",
        "die Reihenfolge von backward, umgekehrt zu der von forward",
    )
    says = telling("the order is wrong", "die Reihenfolge ist falsch")
    wrong = mistaken(
        "        dz = dy * (1 - y**2)\n        self.w.grad += x.T @ dz\n",
        "        dz = dy\n        self.w.grad += x.T @ dz\n        dz = dy * (1 - y**2)\n",
    )


class WrongTerm(RepairedKind):
    """A summand or statement of backward that is missing, or does not belong there."""

    name = "term"
    mistakes = frozenset({"term", "statement"})
    title = "wrong or forgotten term", "falscher oder vergessener Summand"
    look = (
        "every path from the input to the output: each gives a term, and they add",
        "jeden Pfad vom Eingang zum Ausgang: jeder gibt einen Summanden, und sie addieren sich",
    )
    says = telling("a term is wrong", "ein Summand ist falsch")
    wrong = mistaken("return dz @ self.w.data.T", "return dz @ self.w.data.T + dy")
