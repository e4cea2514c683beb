"""Another variable than the right one in backward."""

from firstlight.tools.diagnose.repaired import RepairedKind, mistaken, telling


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
