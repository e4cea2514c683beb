"""Judge each gradient of a module on the bench: whether backward agrees with forward."""

from dataclasses import dataclass, field

import numpy as np

from firstlight.tools.diagnose.bench import normal, scale_of

RTOL = 5e-6  # largest error, relative to the size that such a derivative usually has
MANY = 4  # gradients, to be looked at together first
DIRECTIONS = 4  # looked at before a gradient is called wrong


@dataclass
class Gradient:
    """One gradient, and what was found out about it.

    Attributes
    ----------
    name : str
        "dx", or a parameter's name.
    values, analytic : array
        What it is the gradient of; what backward says. None where backward returned nothing.
    status : str
        "ok"; "wrong"; "shape", another one than its values'; "missing", returned as None; or
        "unclear", where corners of forward lie too close.
    error, latest : float
        The largest relative error seen, of one that is ok along agreeing directions only; and that
        of the latest such.
    probes : list of (array, float, float)
        Direction, derivative along it by forward, and the error to be forgiven.
    """

    name: str
    values: np.ndarray
    analytic: np.ndarray | None
    status: str = "ok"
    error: float = 0.0
    latest: float = 0.0
    probes: list = field(default_factory=list)

    def explains(self, candidate, tolerance=1e-3):
        """Return whether another gradient would agree with forward in every direction."""
        if np.shape(candidate) != self.values.shape:
            return False
        for v, numeric, forgiven in self.probes:
            size = usual_size(candidate, v) + abs(numeric)
            if not abs(float((candidate * v).sum()) - numeric) <= tolerance * size + forgiven:
                return False
        return bool(self.probes)


def usual_size(gradient, v):
    """Return what Σ gradient v is about for a random v."""
    return float(np.sqrt(np.square(gradient * v).sum()))


def judged(bench, seed=1):
    """Return a `Gradient` for dx and each parameter of what is on the bench."""
    rng = np.random.default_rng(seed)
    gradients = in_order(bench.backward())
    if len(gradients) > MANY:
        found = [Gradient(name, bench.values(name), g) for name, g in gradients]
        if all_right(bench, found, rng):
            return found
    return [judge(bench, name, g, rng) for name, g in gradients]


def all_right(bench, gradients, rng):
    """Return whether many gradients agree with forward along one direction through all of them.

    Each has the same weight in it, so that none is lost among larger ones; where they do not
    agree, each must be looked at alone.
    """
    gradients = [one for one in gradients if one.values is not None]
    if any(np.shape(one.analytic) != one.values.shape for one in gradients):
        return False
    directions = []
    for one in gradients:
        v = normal(rng, one.values) * scale_of(one.values)
        directions.append(v / (usual_size(one.analytic, v) or 1.0))
    claimed = sum(
        float((one.analytic * v).sum()) for one, v in zip(gradients, directions, strict=True)
    )
    scale = len(gradients) ** 0.5
    for central, _, rounding in bench.derivative([one.values for one in gradients], directions):
        error = abs(claimed - central)
        if error <= RTOL * scale + rounding and rounding < RTOL * scale:
            for one in gradients:
                one.error = error / scale
            return True
    return False


def in_order(gradients):
    """Return ``(name, gradient)`` pairs, dx first."""
    return sorted(gradients.items(), key=lambda pair: not pair[0].startswith("dx"))


def judge(bench, name, analytic, rng):
    """Return the `Gradient` of one name, compared along random directions."""
    values = bench.values(name)
    found = Gradient(name, values, analytic)
    if values is None:
        return found
    if analytic is None:
        allowed = not all(part.needs_dx for part in bench.module.modules())
        found.status = "ok" if allowed else "missing"
    elif np.shape(analytic) != values.shape:
        found.status = "shape"
    if analytic is None or found.status == "shape":
        return found
    verdicts, agreeing = [], 0.0
    while len(verdicts) < DIRECTIONS:
        verdicts.append(probe(bench, found, rng))
        if verdicts[-1] == "ok":
            agreeing = max(agreeing, found.latest)
        if verdicts == ["ok"]:
            return found
    wrong, ok = verdicts.count("wrong"), verdicts.count("ok")
    found.status = "wrong" if wrong >= 2 and not ok else "ok" if ok >= 2 else "unclear"
    if found.status == "ok":
        found.error = agreeing  # the others were too close to corners
    return found


def probe(bench, gradient, rng, shaped=None, dy=None, analytic=None):
    """Compare one gradient along one more random direction: "ok", "wrong" or "unclear".

    ``shaped`` changes the direction; ``dy``, and the gradient that belongs to it, replace the
    bench's.
    """
    values = gradient.values
    g = gradient.analytic if analytic is None else analytic
    v = normal(rng, values) * scale_of(values)
    v = v if shaped is None else shaped(v)
    claimed, size = float((g * v).sum()), usual_size(g, v)
    seen = []
    for central, gap, rounding in bench.derivative(values, v, dy):
        seen.append((central, gap))
        error, scale = abs(claimed - central), max(size, abs(central), 1e-30)
        if analytic is None and shaped is None and len(seen) == 1:
            gradient.probes.append((v, central, 10 * rounding))
        if error <= RTOL * scale + rounding:  # also false for NaN
            gradient.latest = error / scale if scale > rounding else 0.0
            gradient.error = max(gradient.error, gradient.latest)
            return "ok"
    centrals = [central for central, _ in seen]
    error = min(abs(claimed - central) for central in centrals)
    gradient.error = max(gradient.error, error / scale)
    spread = max(centrals) - min(centrals)
    if spread > 0.2 * error or seen[0][1] > 0.5 * error:
        return "unclear"  # a corner: left and right of it forward has different slopes
    return "wrong"
