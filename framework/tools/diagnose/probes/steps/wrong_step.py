"""Wrong step: gradients that a script computes itself and that do not fit its loss, as evidence."""

import functools
import re
from typing import Any

import numpy as np

from firstlight.tools.diagnose.kind import Evidence, Place, in_language
from firstlight.tools.diagnose.probes.arrays import flattened
from firstlight.tools.diagnose.probes.script.events import Forward, Scalar, Update
from firstlight.tools.diagnose.probes.steps.replay import direction, inner, is_transparent
from firstlight.tools.diagnose.probes.steps.step_check import LOSS_NAMES, Measured, StepCheck
from firstlight.tools.diagnose.probes.steps.step_losses import close
from firstlight.tools.diagnose.probes.steps.step_place import WrongValue, first_wrong_value
from firstlight.tools.diagnose.probes.steps.step_repair import StepRepair, find_repair
from firstlight.tools.diagnose.probes.steps.step_units import Unit

DECAY = 0.2  # the largest
SAME = 0.01  # relative difference of factors that are one
SQUARES = (
    r"\b{name}\b(\[[^\n\]]*\])? ?\*\* ?2|(square|\bnorm|vdot)\({name}\b"
    r"|\b{name}(\[[^\n\]]*\])? ?\* ?{name}\b"
    r"|\b(\w+) ?\*\* ?2[^\n]*\bfor \4 in|\bfor (\w+) in [^\n]*\n?[^\n]*\b\5 ?\*\* ?2"
)
SAYS = (
    "the gradient of {name} that line {line} uses does not fit {loss}: ",
    "der Gradient von {name}, den Zeile {line} benutzt, passt nicht zu {loss}: ",
)
LOSS = ("the loss of line {line}", "dem Loss aus Zeile {line}")
NO_LOSS = ("what follows in the script", "dem, was im Skript folgt")


class WrongStep(Evidence):
    """Gradients of one step of a script that do not agree with differences of its loss.

    The kinds that are about it compete. Their sentences complete "the gradient of w in this line
    does not fit the loss of line 9: ".

    Attributes
    ----------
    check : StepCheck
    wrong : list of Measured
        At least one.
    """

    group = "training"
    subject = "gradients of the script's own code"
    where = "training loop"
    competing = True

    def __init__(self, check: StepCheck):
        self.check, self.wrong = check, check.wrong
        self.detail = f"arrays: {check.judged}"
        self.gradient = self.wrong[0].unit.name

    def sentence(self, words: str) -> str:
        """Return the message of a finding about the first wrong gradient."""
        one = self.wrong[0]
        losses = [w for w in self.check.candidates(one.scalars) if w.how == "last"]
        loss = in_language(LOSS).format(line=losses[0].line) if losses else in_language(NO_LOSS)
        known = {"name": self.name(one.unit), "line": one.unit.at.line, "loss": loss}
        return in_language(SAYS).format(**known) + words

    @staticmethod
    def name(unit: Unit) -> str:
        """Return what a unit is called in a sentence."""
        if not unit.module:
            return unit.name
        text = "the output of {name}", "des Ergebnisses von {name}"
        return in_language(text).format(name=unit.name)

    @functools.cached_property
    def repair(self) -> StepRepair | None:
        """The change of one line that makes all right."""
        lines = self.place.lines if self.place else frozenset()
        return find_repair(self.check, of_loss=self.factor is None, likely=lines)

    @functools.cached_property
    def place(self) -> WrongValue | None:
        """The first wrong value of the backward pass."""
        try:
            return first_wrong_value(self.check)
        except Exception:  # a user's code may raise where it is run otherwise than before
            return None

    @functools.cached_property
    def at(self) -> Place:
        """The line that computes the first wrong value, or that uses the gradient."""
        return self.place.at if self.place else self.wrong[0].unit.at

    @property
    def line(self) -> dict[str, Any]:
        """The line of the repair and its cure, as options of a finding; empty without one."""
        found = self.repair
        return {"at": found.at, "cure": found.cure, "line": found.at.line} if found else {}

    @functools.cached_property
    def factor(self) -> float | None:
        """By how much the gradients are too large, None if no number makes them right."""
        ratios = []
        for one in self.wrong[:2]:
            ratios += self._ratios(one.unit)
        if None in ratios:
            return None
        first, same = ratios[0], _are_equal(ratios)
        many = np.size(flattened(self.wrong[0].unit.value)[0]) > 1 or len(self.wrong) > 1
        return first if same and many and abs(first - 1) > 0.01 else None

    @property
    def has_loss(self) -> bool:
        """Whether one of the numbers surely is the loss: by its name, or by a gradient.

        A gradient shows it by being the derivative of the number, or a multiple of it.
        """
        for one in [*self.wrong, *self.check.right]:
            losses = self.check.candidates(one.scalars)
            if any(part in loss.name.lower() for loss in losses for part in LOSS_NAMES):
                return True
            if one in self.check.right and losses and any(one.unit.claims):
                return True
        several = (one.unit for one in self.wrong if np.size(flattened(one.unit.value)[0]) > 1)
        found = map(self._ratios, several)
        if any(None not in ratios and _are_equal(ratios) for ratios in found):
            return True
        return any(self._decay(one) is not None for one in self.wrong)

    @property
    def is_harmless(self) -> bool:
        """Return whether the number may be another one than the loss, such as a mean over an epoch.

        This holds for a factor if the number is computed after the step only, or summed over steps,
        for half or double of it in a script without modules, and for the opposite sign of something
        not named as a loss.
        """
        factor, check = self.factor, self.check
        if self._is_decay():
            return True
        losses = [loss for one in self.wrong for loss in check.candidates(one.scalars)]
        if factor is None:  # a single number is always off by a factor
            pairs = [(one.unit.claims, check.expected(one)) for one in self.wrong]
            opposite = [
                e and any(abs(c + e) < 0.01 * abs(e) for c in claims) for claims, e in pairs
            ]
            factor = -1.0 if all(opposite) else None
        if factor is None:
            return False
        own = {event.key for event in check.window.of(Scalar)}
        late = not any(key in own for loss in losses for key in loss.keys)
        late = late or all(self._spans_steps(loss.name) for loss in losses)
        named = any(part in loss.name.lower() for loss in losses for part in LOSS_NAMES)
        double = any(abs(factor - one) < 0.01 for one in (2, 0.5)) and not self.wrong[0].unit.module
        double = double and not any(any(one.unit.claims) for one in check.right)
        return late or double if factor > 0 else not named

    def _spans_steps(self, name):
        """Return whether a number goes on from the step before, as a sum over an epoch does."""
        window = self.check.window
        continued = [e for e in window.of(Update) if e.name == name and not e.trains]
        return bool(continued) and not any(
            e.name == name and e.index < continued[0].index for e in window.of(Scalar)
        )

    def _is_decay(self):
        """Return whether all is right but a multiple of the values themselves: weight decay.

        Only where the script computes no squares of them, which might be a penalty in its loss.
        """
        source = self.check.path.read_text(encoding="utf-8")
        for one in self.wrong:
            names = self.check.window.of(Update)
            written = next((e.name for e in names if e.value == one.unit.key), one.unit.name)
            name = re.escape(re.match(r"\w*", written)[0])
            if not name or re.search(SQUARES.format(name=name), source):
                return False
            decay = self._decay(one)
            if decay is None or not 0 < decay < DECAY:
                return False
        return True

    def _decay(self, one):
        """Return the multiple of its values that a gradient has beside that of a number, or None.

        The number is the loss, half of it, or a residual that the loss is the square of.
        """
        rows = [] if one.unit.module else [self._along(one.unit, seed) for seed in range(501, 505)]
        if not rows or any(expected is None for _, expected, _ in rows):
            return None
        claims, *parts = np.array(rows, float).T
        found, *_ = np.linalg.lstsq(np.stack(parts, axis=1), claims, rcond=None)
        error = np.abs(np.stack(parts, axis=1) @ found - claims).max()
        loss, decay = found
        residuals = [self.check.residual(w) for w in self.check.candidates(one.scalars)]
        factors = [0.5, 1, 2, *residuals, *(2 * r for r in residuals)]
        usual = min(abs(loss - factor) for factor in factors) < 1e-3
        return decay if usual and error <= 1e-3 * np.abs(claims).max() else None

    def _along(self, unit, seed):
        """Return claim, derivative of the loss, and inner product with the values, along v."""
        other = self._moved(unit, seed)
        one = self.check.measure([other])
        values = np.where(unit.gradient, unit.value, 0.0)  # of P[u], the row of this step
        return inner(unit.gradient, other.v), self.check.expected(one), inner(values, other.v)

    def _ratios(self, unit):
        """Return the claims along two directions in shares of the loss's derivatives."""
        found = []
        for seed in (501, 502):
            other = self._moved(unit, seed)
            expected = self.check.expected(self.check.measure([other]))
            found.append(inner(unit.gradient, other.v) / expected if expected else None)
        return found

    @staticmethod
    def _moved(unit, seed):
        """Return the unit with another direction."""
        parts = flattened(direction(unit.value, seed))
        kept = [p if v is not None else None for p, v in zip(parts, flattened(unit.v), strict=True)]
        v = tuple(kept) if isinstance(unit.v, tuple) else kept[0]
        return Unit(unit.key, unit.name, unit.at, v, [], unit.module, unit.gradient, unit.value)

    def swapped(self) -> tuple[Measured, Measured] | None:
        """Return two outputs of one module that got each other's gradient, None without."""
        outputs = [one for one in self.wrong if one.unit.module]
        for a in outputs:
            for b in outputs:
                if (
                    a is not b
                    and a.unit.name == b.unit.name
                    and self._fits(a, b)
                    and self._fits(b, a)
                ):
                    return (a, b)
        return None

    def _fits(self, one, other):
        claim = inner(other.unit.gradient, flattened(one.unit.v))
        return self.check.fits(claim, one, self.check.candidates(one.scalars))

    def skipped(self) -> Forward | None:
        """Return the forward whose backward is left out on the way to the first gradient."""
        one = self.wrong[0]
        if not one.unit.module:
            return None
        for event in self.check.window.of(Forward):
            change = one.inputs.get(event.key)
            moved = change is not None and any(np.any(part) for part in flattened(change))
            if moved and event.saves and event.backward is None and not is_transparent(event):
                return event
        return None

    def is_direct(self) -> bool:
        """Return whether the loss reads parameters of modules beside the modules' forwards."""
        keys = [one.unit.key for one in self.wrong]
        inside = {
            id(p) for event in self.check.window.of(Forward) for p in event.module.parameters()
        }
        numbers = [key[1] for key in keys if isinstance(key, tuple) and key[0] == "parameter"]
        made = self.check.window.trace.parameters
        return len(numbers) == len(keys) and all(id(made[n]) in inside for n in numbers)

    def meaning(self, factor: float) -> str:
        """Return what a whole factor is in the script: a length or a count; "" if unknown."""
        number = max(abs(factor), 1 / abs(factor))
        if not close(number, round(number), 0) or round(number) < 2:
            return ""
        number, shape = round(number), np.shape(flattened(self.wrong[0].unit.value)[0])
        if self.wrong[0].unit.module and shape[:1] == (number,):
            return in_language((", the number of samples", ", die Zahl der Beispiele"))
        if self.wrong[0].unit.module and int(np.prod(shape)) == number:
            return in_language((", the number of entries", ", die Zahl der Einträge"))
        for name, value in self.check.window.trace.names.items():
            if isinstance(value, np.ndarray) and value.ndim and len(value) == number:
                return in_language((f", the length of {name}", f", die Länge von {name}"))
        return ""


def _are_equal(ratios):
    return all(abs(ratio - ratios[0]) <= SAME * abs(ratios[0]) for ratio in ratios)
