"""Comparison of backward with forward in a rerun, one gradient at a time."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from firstlight.support.array import Array
from firstlight.tools.diagnose.probes.arrays import root_mean_square, standard_normal
from firstlight.tools.diagnose.probes.module.rerun import Rerun

RTOL = 5e-6  # largest error, relative to the typical size of such a derivative
MANY = 4  # more gradients than that are compared all together first
FIT_RTOL = 1e-3  # largest relative error of a hypothesis that holds
DIRECTIONS = 4  # that are tried before a gradient is called wrong


@dataclass
class Gradient:
    """One gradient, and its comparison with differences of forward.

    Attributes
    ----------
    name : str
        "dx", or a parameter's name.
    values : array or None
        The array that it is the gradient of.
    analytic : array or None
        The gradient that backward returned.
    status : str
        "ok"; "wrong"; "shape", not that of its values; "missing", returned as None; or
        "unclear", too close to kinks of forward.
    error : float
        The largest relative error; of a gradient that is ok, along agreeing directions only.
    latest : float
        The relative error along the latest agreeing direction.
    probes : list of (array, float, float)
        Direction, derivative along it by forward, and the tolerated error.
    """

    name: str
    values: Array | None
    analytic: Any
    status: str = "ok"
    error: float = 0.0
    latest: float = 0.0
    probes: list[tuple[Array, float, float]] = field(default_factory=list)

    def explains(self, candidate: Array) -> bool:
        """Return whether another gradient would agree with forward along every direction."""
        if np.shape(candidate) != self.values.shape or not np.isfinite(candidate).all():
            return False
        for v, numeric, tolerated in self.probes:
            size = typical_size(candidate, v) + abs(numeric)
            if not abs(float((candidate * v).sum()) - numeric) <= FIT_RTOL * size + tolerated:
                return False
        return bool(self.probes)

    @property
    def factor(self) -> float | None:
        """By how much it has to be multiplied to agree with forward; None if no number does."""
        return fitted_factor(self.analytic, [(v, numeric) for v, numeric, _ in self.probes])


def fitted_factor(gradient: Array, pairs: list[tuple[Array, float]]) -> float | None:
    """Return c if the right gradient is c times the given one along all directions."""
    claimed = np.array([(gradient * v).sum() for v, _ in pairs])
    numeric = np.array([n for _, n in pairs])
    if not np.square(claimed).sum() > 0:
        return None
    c = float(claimed @ numeric / (claimed @ claimed))
    return c if np.abs(c * claimed - numeric).max() <= FIT_RTOL * np.abs(numeric).max() else None


def direction(rerun: Rerun, gradient: Gradient, rng: np.random.Generator) -> Array:
    """Return a random direction of the size of a gradient's values."""
    v = np.asarray(standard_normal(rng, gradient.values) * root_mean_square(gradient.values))
    rows = rerun.constant_rows(gradient.name, gradient.analytic)
    if len(rows):
        v[rows] = 0
    return v


def typical_size(gradient: Array, v: Array) -> float:
    """Return the typical size of Σ gradient v for a random v."""
    return float(np.sqrt(np.square(gradient * v).sum()))


def compare_gradients(rerun: Rerun) -> list[Gradient]:
    """Return a `Gradient` for dx and each parameter of the rerun's module, dx first."""
    rng = np.random.default_rng(1)
    pairs = sorted(rerun.backward().items(), key=lambda pair: not pair[0].startswith("dx"))
    gradients = [Gradient(name, rerun.values(name), found) for name, found in pairs]
    if len(gradients) <= MANY or not _agree_together(rerun, gradients, rng):
        for gradient in gradients:
            compare(rerun, gradient, rng)
    return gradients


def _agree_together(rerun, gradients, rng):
    """Return whether all gradients agree with forward along one direction through all of them.

    Each has the same weight in it, so that no small one is lost among larger ones.
    """
    gradients = [one for one in gradients if one.values is not None]
    if any(np.shape(one.analytic) != one.values.shape for one in gradients):
        return False
    directions, claimed = [], 0.0
    for one in gradients:
        v = direction(rerun, one, rng)
        directions.append(v / (typical_size(one.analytic, v) or 1.0))
        claimed += float((one.analytic * directions[-1]).sum())
    scale = len(gradients) ** 0.5
    for central, _, rounding in rerun.derivative([one.values for one in gradients], directions):
        error = abs(claimed - central)
        if error <= RTOL * scale + rounding and rounding < RTOL * scale:
            for one in gradients:
                one.error = error / scale
            return True
    return False


def agrees(rerun: Rerun, name: str) -> bool:
    """Return whether a gradient of the rerun's module agrees with forward."""
    analytic = rerun.backward()[name]
    gradient = Gradient(name, rerun.values(name), analytic)
    compare(rerun, gradient, np.random.default_rng(2))
    return gradient.status == "ok"


def compare(rerun: Rerun, gradient: Gradient, rng: np.random.Generator) -> None:
    """Set the status and error of a gradient, compared along random directions."""
    if gradient.values is None:
        return
    if gradient.analytic is None:
        if all(part.needs_dx for part in rerun.module.modules()):
            gradient.status = "missing"
        return
    if np.shape(gradient.analytic) != gradient.values.shape:
        gradient.status = "shape"
        return
    verdicts, agreeing = [], 0.0
    while len(verdicts) < DIRECTIONS:
        verdicts.append(probe(rerun, gradient, rng))
        if verdicts[-1] == "ok":
            agreeing = max(agreeing, gradient.latest)
        if verdicts == ["ok"]:
            return
    wrong, ok = verdicts.count("wrong"), verdicts.count("ok")
    gradient.status = "wrong" if wrong >= 2 and not ok else "ok" if ok >= 2 else "unclear"
    if gradient.status == "ok":
        gradient.error = agreeing  # the other directions were too close to kinks


def probe(
    rerun: Rerun,
    gradient: Gradient,
    rng: np.random.Generator,
    *,
    shaped: Callable[[Array], Array] | None = None,
) -> str:
    """Compare a gradient along one more random direction: "ok", "wrong" or "unclear".

    ``shaped`` changes the direction.
    """
    g = gradient.analytic
    v = direction(rerun, gradient, rng)
    v = v if shaped is None else shaped(v)
    claimed, size = float((g * v).sum()), typical_size(g, v)
    seen = []
    for central, gap, rounding in rerun.derivative(gradient.values, v):
        seen.append((central, gap))
        error, scale = abs(claimed - central), max(size, abs(central), 1e-30)
        if shaped is None and len(seen) == 1:
            gradient.probes.append((v, central, 10 * rounding))
        if error <= RTOL * scale + rounding and np.isfinite(scale):  # also false for NaN
            gradient.latest = error / scale if scale > rounding else 0.0
            gradient.error = max(gradient.error, gradient.latest)
            return "ok"
    centrals = [central for central, _ in seen]
    error = min(abs(claimed - central) for central in centrals)
    gradient.error = max(gradient.error, error / scale)
    spread = max(centrals) - min(centrals)
    if spread > 0.2 * error or seen[0][1] > 0.5 * error:
        return "unclear"  # a kink: forward has different slopes to the left and right of it
    return "wrong"
