"""A term too many or too few in backward."""

from firstlight.tools.diagnose.repaired import RepairedKind, mistaken, telling


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
