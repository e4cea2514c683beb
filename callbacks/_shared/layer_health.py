"""LayerHealth: names dying and saturated layers, and gradients that vanish or explode."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import numpy as np

from firstlight.callbacks._shared.layer_watch import Seen
from firstlight.module import Module
from firstlight.support.array import Array

WINDOW = 5  # measurements over which a unit must be silent to be dead, and a layer saturated
ROWS = 256  # samples and positions that must have been seen of it
MANY = 0.6  # share of a layer's values at the flat ends of its activation
FEW_ZEROS = 0.1  # of a layer's values, unless it is a ReLU or the like, which does not saturate
VANISHED = 1e-5  # of the gradient's size at the last layer; it has exploded above the reciprocal
IN_A_ROW = 3  # measurements

CURES = {
    "dying": "lower lr, use nn.LeakyReLU or nn.GELU, or normalise before it",
    "saturated": "scale the inputs, begin with smaller weights, or normalise before it",
    "vanishing": "use nn.ReLU or nn.GELU, initial weights that fit it (nn.init), normalisation, or "
    "shortcuts",
    "exploding": "begin with smaller weights (nn.init), normalise, clip the gradient "
    "(gradient_clip), or lower lr",
}


@dataclass
class _Units:
    """What was seen of a layer in the current window."""

    active: Array | None = None
    rows: int = 0
    measurements: int = 0
    saturated: list[float] = field(default_factory=list)


class LayerHealth:
    """Judge the layers of a model from the measurements of a training.

    Dying: more than half of a layer's units, by three standard deviations, were zero in all of some
    measurements, although their inputs were not. Saturated: most values are at the flat ends of a
    tanh or sigmoid; the last activation is left out, since a confident output is right. Vanishing
    and exploding: the dy that arrives at the first half of the layers, or their weights' gradient,
    is less than 1e-5, or more than 1e5, of the last layer's, or not finite.

    Each layer is named once.

    Attributes
    ----------
    named : list of str
        ``"<illness> <layer>"`` of what was named.
    dead : dict of str to float
        Share of dead units of each layer in its latest window.
    """

    def __init__(self) -> None:
        self.named: list[str] = []
        self.dead: dict[str, float] = {}
        self._units: dict[str, _Units] = {}
        self._flow: dict[str, int] = {}  # how often in a row the gradient vanished or exploded
        self._fresh: set[str] = set()  # layers that were seen since the gradient was judged

    def judge(
        self,
        layers: dict[str, Module],
        seen: dict[str, Seen],
        gradients: dict[str, float],
        fresh: Collection[str],
    ) -> list[str]:
        """Return what is to be said after a measurement.

        The gradients of layers are compared when all layers have been measured once more.

        Parameters
        ----------
        layers : dict of str to Module
        seen : dict of str to Seen
            What was last seen of each layer, in the order in which they run.
        gradients : dict of str to float
            RMS of the gradient of each layer's trained weights, likewise.
        fresh : collection of str
            The layers that were seen in this measurement.
        """
        found = list(self._of_units(layers, seen, fresh))
        self._fresh.update(fresh)
        if self._fresh >= seen.keys():
            self._fresh.clear()
            found += self._of_flow(seen, gradients)
        said = []
        for illness, name, fact in found:
            key = f"{illness} {name}"
            if key not in self.named:
                self.named.append(key)
                kind = type(layers[name]).__name__
                said.append(f"{name} ({kind}) is {illness}: {fact}; {CURES[illness]}")
        return said

    def _of_units(self, layers, seen, fresh) -> Iterator[tuple[str, str, str]]:
        activations = [name for name in fresh if seen[name].x is not None]
        for name in activations:
            if "Dropout" in type(layers[name]).__name__:
                continue
            y, x = seen[name].y, seen[name].x
            units = self._units.setdefault(name, _Units())
            active = seen[name].nonzero.any(axis=0)
            same = units.active is not None and len(units.active) == len(active)
            units.active = active | units.active if same else active
            units.rows, units.measurements = units.rows + len(y), units.measurements + 1
            if seen[name].zeros < FEW_ZEROS:
                units.saturated.append(_saturated_share(y, type(layers[name]).__name__))
            if units.measurements < WINDOW or units.rows < ROWS:
                continue
            dead, count = ~units.active, len(units.active)
            self.dead[name] = float(dead.mean())
            fed = (x != 0).any(axis=0)
            many = count > 3 and dead.mean() >= min(1.0, 0.5 + 1.5 / count**0.5)
            if many and fed[dead].mean() > 0.5:  # the layer itself makes the zeros
                silent = f"{int(dead.sum())} of {count} units were zero in all of "
                yield "dying", name, f"{silent}{units.rows:,} rows, so they learn no more"
            share = float(np.mean(units.saturated or 0.0))
            follows = list(seen)[list(seen).index(name) + 1 :]
            if share > MANY and any(layers[n].parameters() for n in follows):
                fact = f"{share:.0%} of its values are at the ends, where the slope is almost zero"
                yield "saturated", name, fact
            self._units[name] = _Units()

    def _of_flow(self, seen, gradients) -> Iterator[tuple[str, str, str]]:
        if any(s.x is not None and s.zeros == 1 for s in seen.values()):
            return  # a dead layer passes no gradient, and is named itself
        arriving = {n: s.dy_norm for n, s in seen.items() if n in gradients}
        weights = {n: gradients[n] for n in seen if n in gradients}
        now = dict(_extremes("dy that arrives", arriving))
        for key, fact in _extremes("gradient", weights):
            now.setdefault(key, fact)
        self._flow = {key: self._flow.get(key, 0) + 1 for key in now}
        for (illness, name), fact in now.items():
            urgent = "not finite" in fact
            if urgent or self._flow[illness, name] >= IN_A_ROW:
                yield illness, name, fact


def _extremes(what, sizes):
    """Yield ``((illness, layer), fact)`` of the worst layer in the first half."""
    rows = [(name, size) for name, size in sizes.items() if size is not None]
    bad = next((name for name, size in rows if not np.isfinite(size)), None)
    if bad is not None:
        yield ("exploding", bad), f"the {what} is not finite"
        return
    if len(rows) < 3 or not rows[-1][1]:
        return
    last, at_end = rows[-1]
    ratios = {name: size / at_end for name, size in rows[: len(rows) // 2]}
    low, high = min(ratios, key=ratios.get), max(ratios, key=ratios.get)
    if ratios[low] < VANISHED:
        yield ("vanishing", low), f"the {what} is {ratios[low]:.1g} times that of {last}"
    if ratios[high] > 1 / VANISHED:
        yield ("exploding", high), f"the {what} is {ratios[high]:.1g} times that of {last}"


def _saturated_share(y, kind):
    from firstlight.tools.diagnose.kinds.saturated_units import saturated_share

    if "Sigmoid" in kind:  # whose range needs no guess
        return float(np.mean((y > 0.99) | (y < 0.01)))
    return saturated_share(y)
