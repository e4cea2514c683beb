"""Update rules of optimizers as formulas: the usual ones, and each with one mistake."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from firstlight.support.array import Array

TOLERANCE = 2e-3  # of an entry's largest movement
MEANS = {  # of a running value: its formula, given its β and that of the other value
    "mean": lambda old, new, beta, other: beta * old + (1 - beta) * new,
    "sum": lambda old, new, beta, other: beta * old + new,
    "total": lambda old, new, beta, other: old + new,
    "turned": lambda old, new, beta, other: (1 - beta) * old + beta * new,
    "turned sum": lambda old, new, beta, other: (1 - beta) * old + new,
    "turned twice": lambda old, new, beta, other: (1 - beta) * (old + new),
    "minus": lambda old, new, beta, other: -beta * old + new,
    "minus mean": lambda old, new, beta, other: -beta * old + (1 - beta) * new,
    "lost": lambda old, new, beta, other: (1 - beta) * new,
    "lost sum": lambda old, new, beta, other: new,
    "other share": lambda old, new, beta, other: beta * old + (1 - other) * new,
}
POWERS = {  # of β in a bias correction at step t
    "linear": lambda beta, t: beta * t,
    "constant": lambda beta, t: beta,
    "late": lambda beta, t: beta ** (t + 1),
    "early": lambda beta, t: beta ** (t - 1),
}


@dataclass(frozen=True)
class Rule:
    """One update rule; the defaults are plain gradient descent.

    Attributes
    ----------
    first, second : str
        How m and v are averaged, a key of `MEANS`; "" without.
    squares : {"square", "plain", "absolute", "of m"}
        What v averages: g², g, |g| or m².
    largest, nesterov : bool
        Whether it divides by the largest v so far, and looks ahead along m.
    corrected : str
        Which of m and v are divided by 1 - βᵗ: "", "both", "first", "second"; "swapped" if by that
        of the other, "by first" or "by second" if both by the same; or a key of `POWERS`.
    scale : {"root", "inside", "absolute", "plain", "times"}
        Whether the step is divided by √v + eps, √(v + eps), √|v| + eps or v + eps, or multiplied
        by √v.
    decay : {"", "coupled", "decoupled"}
    decay_sign, sign : int
        -1 for the wrong one.
    lr_power : int
        How often the learning rate enters.
    swapped, replaces : bool
        Whether β₁ and β₂ have changed places, and whether each step begins at the start again.
    """

    first: str = ""
    second: str = ""
    squares: str = "square"
    largest: bool = False
    nesterov: bool = False
    corrected: str = ""
    scale: str = "root"
    decay: str = ""
    decay_sign: int = 1
    sign: int = 1
    lr_power: int = 1
    swapped: bool = False
    replaces: bool = False

    def weights(self, start: Array, gradients: Array, settings: "Settings") -> Array:
        """Return the weights after each step, shape (steps, combinations of settings, entries)."""
        lr, beta1, beta2, decay, eps = settings.columns()
        if self.swapped:
            beta1, beta2 = beta2, beta1
        w = np.broadcast_to(start, (len(lr), len(start)))
        m, v, top, found = np.zeros_like(w), np.zeros_like(w), np.zeros_like(w), []
        for t, g in enumerate(gradients, 1):
            if self.decay == "coupled":
                g = g + self.decay_sign * decay * w
            elif self.decay == "decoupled":
                w = w - self.decay_sign * lr * decay * w
            step = g
            if self.first:
                step = m = MEANS[self.first](m, g, beta1, beta2)
            if self.nesterov:
                look = {"lost": "mean", "lost sum": "sum"}.get(self.first, self.first)
                step = MEANS[look](m, g, beta1, beta2)
            if self.corrected not in ("", "second"):
                other = self.corrected in ("swapped", "by second")
                step = step / self._correction(beta2 if other else beta1, t, settings)
            if self.second:
                new = {"square": g**2, "plain": g, "absolute": np.abs(g), "of m": m**2}
                v = MEANS[self.second](v, new[self.squares], beta2, beta1)
                top = np.maximum(top, v)
                below = top if self.largest else v
                if self.corrected not in ("", "first"):
                    other = self.corrected in ("swapped", "by first")
                    below = below / self._correction(beta1 if other else beta2, t, settings)
                step = self._scaled(step, below, eps)
            w = (start if self.replaces else w) - self.sign * lr**self.lr_power * step
            found.append(w)
        return np.array(found)

    def _correction(self, beta, t, settings):
        if self.corrected == "counted":
            return 1 - beta ** ((t - 1) * (settings.owners.max() + 1) + settings.owners + 1)
        power = POWERS.get(self.corrected)
        return 1 - (power(beta, t) if power else beta**t)

    def _scaled(self, step, v, eps):
        if self.scale == "inside":
            return step / np.sqrt(v + eps)
        if self.scale == "plain":
            return step / (v + eps)
        root = np.sqrt(np.abs(v) if self.scale == "absolute" else v)
        return step * root if self.scale == "times" else step / (root + eps)


@dataclass
class Settings:
    """Candidates for the hyper-parameters of a rule, of which all combinations are tried.

    ``owners`` holds the number of each entry's parameter.
    """

    lr: list[float]
    beta1: list[float]
    beta2: list[float]
    decay: list[float]
    eps: list[float]
    owners: Array

    def columns(self) -> list[Array]:
        """Return five arrays of shape (combinations, 1)."""
        grid = np.meshgrid(self.lr, self.beta1, self.beta2, self.decay, self.eps, indexing="ij")
        return [part.reshape(-1, 1) for part in grid]


FAMILIES = {  # the healthy rules of each
    "descent": [Rule()],
    "momentum": [Rule(how, nesterov=look) for look in (False, True) for how in ("sum", "mean")],
    "nesterov": [Rule("sum", nesterov=True), Rule("mean", nesterov=True)],
    "rmsprop": [Rule("", "mean"), Rule("", "mean", corrected="second")],
    "adagrad": [Rule("", "total")],
    "adam": [
        Rule("mean", "mean", corrected="both"),
        Rule("mean", "mean", corrected="both", largest=True),
    ],
}


def healthy(family: str, decays: bool) -> list[Rule]:
    """Return the usual forms of a family: with weight decay or without, eps inside the root."""
    found = []
    for rule in FAMILIES[family]:
        scales = ("root", "inside") if rule.second else ("root",)
        kinds = ("coupled", "decoupled") if decays else ("",)
        found += [replace(rule, scale=s, decay=d) for s in scales for d in kinds]
    return found


ALWAYS = {"uphill": {"sign": -1}, "lr-twice": {"lr_power": 2}, "lr-unused": {"lr_power": 0}}
IN_FIRST = {
    "momentum-sign": [{"first": "minus"}, {"first": "minus mean"}],
    "momentum-turned": [{"first": how} for how in ("turned", "turned sum", "turned twice")],
    "momentum-lost": [{"first": "lost"}, {"first": "lost sum"}],
    "replaced": [{"replaces": True}],
}
IN_SECOND = {
    "not-squared": [{"squares": "plain"}, {"squares": "plain", "scale": "absolute"}],
    "absolute": [{"squares": "absolute"}],
    "no-root": [{"scale": "plain"}],
    "multiplied": [{"scale": "times"}],
    "second-lost": [{"second": "lost"}, {"second": "lost sum"}],
}
IN_MEAN = {
    "second-sum": [{"second": "sum"}, {"second": "total"}],
    "second-turned": [{"second": how} for how in ("turned", "turned twice")],
}
IN_BOTH = {
    "betas-swapped": [{"swapped": True}, {"swapped": True, "corrected": "swapped"}],
    "square-of-mean": [{"squares": "of m"}],
    "first-sum": [{"first": "sum"}],
    "share-of-other": [{"first": "other share"}, {"second": "other share"}],
    "no-correction": [{"corrected": ""}],
    "first-only": [{"corrected": "first"}],
    "second-only": [{"corrected": "second"}],
    "one-beta": [{"corrected": "by first"}, {"corrected": "by second"}],
    "state-lost": [{"first": "lost", "second": "lost"}],
    "corrections-swapped": [{"corrected": "swapped"}],
    **{f"correction-{name}": [{"corrected": name}] for name in (*POWERS, "counted")},
}


def mistaken(rule: Rule) -> Iterator[tuple[str, Rule]]:
    """Yield ``(name of the mistake, rule)`` of each way to make one mistake in a healthy rule."""
    changes = {name: [change] for name, change in ALWAYS.items()}
    changes |= IN_FIRST if rule.first else {}
    changes |= IN_SECOND if rule.second else {}
    changes |= IN_MEAN if rule.second == "mean" else {}
    changes |= IN_BOTH if rule.first and rule.second else {}
    changes |= {"second-mean": [{"second": "mean"}]} if rule.second == "total" else {}
    changes |= {"no-look-ahead": [{"nesterov": False}]} if rule.nesterov else {}
    changes |= {"decay-sign": [{"decay_sign": -1}]} if rule.decay else {}
    for name, ways in changes.items():
        for change in ways:
            yield name, replace(rule, **change)


def matching(
    rules: Iterable[Rule], start: Array, gradients: Array, weights: Array, settings: Settings
) -> Rule | None:
    """Return the first rule that gives the observed weights with some of the settings, or None.

    Parameters
    ----------
    start : array, shape (entries,)
    gradients, weights : array, shape (steps, entries)
    """
    for rule in rules:
        with np.errstate(all="ignore"):
            made = rule.weights(start, gradients, settings)
        if are_same(made, weights, start):
            return rule
    return None


def are_same(made: Array, weights: Array, start: Array) -> bool:
    """Return whether weights are those of one of the combinations of settings of a rule."""
    with np.errstate(all="ignore"):
        moved = np.nan_to_num(np.abs(weights - start), posinf=0.0).max(axis=0)
        allowed = TOLERANCE * moved + 1e-12 * np.abs(start)
        same = (np.abs(made - weights[:, None]) <= allowed) | (
            ~np.isfinite(made) & ~np.isfinite(weights)[:, None]
        )
    return bool(same.all(axis=(0, 2)).any())
