"""Steps of backward in the wrong order."""

from firstlight.tools.diagnose.repaired import RepairedKind, mistaken, telling


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
