"""Gradients that are not set to zero between the updates of a hand-written loop."""

from firstlight.optim import Optimizer
from firstlight.tools.diagnose.examples import TRAINED
from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.script.events import OptimizerStep
from firstlight.tools.diagnose.probes.script.ledger import TrainingLoop, Use


class ZeroGradMissing(Kind):
    """Steps whose gradient includes what an earlier step has used already."""

    name = "zero-grad"
    about = TrainingLoop
    title = "gradients not set to zero", "Gradienten nicht auf null gesetzt"
    look = (
        "zero_grad() of the optimizer or the model, once after each update",
        "zero_grad() des Optimizers oder des Modells, einmal nach jedem Update",
    )
    causes = frozenset({"overfit", "lr-high", "lr-low"})
    says = {
        "stale": (
            "the gradients are not set to zero: {count} of {steps} updates contain earlier ones",
            "die Gradienten werden nicht auf null gesetzt: {count} von {steps} enthalten frühere",
        ),
        "twice": (
            "this step uses the same gradient as the step before it: each batch counts twice",
            "dieser Schritt verwendet den Gradienten des vorigen: Jeder Batch zählt doppelt",
        ),
    }

    def judge(self, evidence: TrainingLoop) -> Findings:
        """Look for steps that use again what the same optimizer has used before."""
        owners: dict[int, dict[int, list[Use]]] = {}
        for use in evidence.uses:
            owner = use.event.optimizer if isinstance(use.event, OptimizerStep) else Optimizer
            owners.setdefault(id(owner), {}).setdefault(id(use.parameter), []).append(use)
        for uses in owners.values():
            known = [one for one in uses.values() if len(one) > 1 and any(u.parts for u in one)]
            again = known and all(is_repeated(one) for one in known)
            if again or known and all(is_stale(one) for one in known):
                steps = known[0]
                stale = [use for before, use in pairs(steps) if is_within(before, use)]
                yield self.finding(
                    evidence,
                    "twice" if again else "stale",
                    at=evidence.call_line((stale or steps[1:])[0].event),
                    count=len(stale) or len(steps) - 1,
                    steps=len(steps),
                )
                return

    right = TRAINED
    wrong = right.replace("    net.zero_grad()\n", "")


def pairs(uses: list[Use]) -> list[tuple[Use, Use]]:
    """Return the successive uses of a gradient."""
    return list(zip(uses, uses[1:], strict=False))


def is_within(before: Use, use: Use) -> bool:
    """Return whether two uses are in one execution of the innermost loop."""
    return [t.run for t in before.event.loops] == [t.run for t in use.event.loops]


def is_stale(uses: list[Use]) -> bool:
    """Return whether each later use contains what the one before it used, at least in one loop."""
    within = [(before, use) for before, use in pairs(uses) if is_within(before, use)]
    return all(
        use.is_explained
        and not use.scaled
        and any(part.used_by[0] is before.event for part in use.parts)
        and any(part.used_by[0] is use.event for part in use.parts)
        for before, use in (within if len(within) > 1 else pairs(uses))
    )


def is_repeated(uses: list[Use]) -> bool:
    """Return whether every other step uses the gradient of the step before it once more."""
    repeated = [
        [id(part) for part in before.parts] == [id(part) for part in use.parts]
        and before.event.at != use.event.at
        and use.is_explained
        and bool(use.parts)
        for before, use in pairs(uses)
    ]
    return len(repeated) > 2 and all(repeated[::2]) and not any(repeated[1::2])
