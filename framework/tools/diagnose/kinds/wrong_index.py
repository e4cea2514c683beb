"""A wrong index, slice or comparison in backward."""

from firstlight.tools.diagnose.repaired import RepairedKind, mistaken, telling


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
