"""Gradients of a step: their size by depth and along time, and their dtypes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from firstlight.module import Module
from firstlight.parameter import Parameter
from firstlight.support.array import Array
from firstlight.tools.diagnose.kind import Evidence
from firstlight.tools.diagnose.probes.arrays import Batch, as_float64, flattened, is_float
from firstlight.tools.diagnose.probes.module_state import float64_copy
from firstlight.tools.diagnose.probes.recorded_calls import Call, all_calls, recorded_step

TIME_STEPS = 8  # of a sequence, from which on it is checked


@dataclass
class GradientFlow(Evidence):
    """One step with backward on a copy.

    Attributes
    ----------
    model : Module
    batch
    top : Call or None
        A call of the model on few samples, for the gradient through time.
    """

    model: Module
    batch: Batch
    top: Call | None = None
    group = "health"
    subject = "gradients by depth and time"

    @cached_property
    def _step(self) -> tuple[Module, list[Call]]:
        twin, _, tops = recorded_step(self.model, self.batch, backward=True)
        own = [top for top in tops if top.name == ""]
        return twin, [call for call in all_calls(own) if not call.parts]

    @property
    def twin(self) -> Module:
        """The copy, with its gradients."""
        return self._step[0]

    @property
    def calls(self) -> list[Call]:
        """The calls of modules without parts."""
        return self._step[1]

    @cached_property
    def by_depth(self) -> list[tuple[str, list[tuple[str, float]]]]:
        """Names and sizes of gradients, first layer first: "gradient" of weights, "dy" of layers.

        Exact zeros are left out.
        """
        weights = [
            (name, norm(p.grad) / p.size**0.5)
            for name, p in self.twin.named_parameters()
            if p.data.ndim > 1 and p.requires_grad
        ]
        arriving = [
            (call.name, norm(call.dy))
            for call in self.calls
            if any(isinstance(v, Parameter) and v.data.ndim > 1 for v in vars(call.module).values())
            and is_float(call.dy)
        ]
        rows = [("gradient", weights), ("dy", arriving)]
        return [(what, [row for row in found if row[1] > 0]) for what, found in rows]

    @property
    def detail(self) -> str:
        """The ratio of the first gradient to the last."""
        (_, weights), _ = self.by_depth
        return f"first to last {weights[0][1] / weights[-1][1]:.2g}" if weights else ""

    @cached_property
    def through_time(self) -> list[tuple[Call, float, int]]:
        """Module, first to last norm of dx, and steps, for a dy at the last step alone.

        Exact zeros mean independent steps, as in convolutions and layers for each position.
        """
        found, seen = [], set()
        for call in all_calls([self.top]) if self.top is not None else ():
            unrolled = len(call.parts) > len({part.name for part in call.parts})
            x = flattened(call.inputs)[0] if call.inputs else None
            if call.name in seen or (call.parts and not unrolled):
                continue
            seen.add(call.name)
            if not is_float(x) or x.ndim != 3 or x.shape[1] < TIME_STEPS:
                continue
            norms = dx_by_step(call)
            if norms is not None and (norms > 0).all() and np.isfinite(norms).all():
                found.append((call, float(norms[0] / norms[-1]), len(norms)))
        return found

    @property
    def symmetric(self) -> Iterator[str]:
        """Yield the names of weights whose units are equal, and get equal gradients.

        Units that start alike and get the same gradient learn the same. If all weights are zero,
        they may get no gradient at all. A gradient below a millionth of the model's largest
        counts as noise.
        """
        trained = [(n, p) for n, p in self.twin.named_parameters() if p.requires_grad]
        noise = 1e-6 * max((float(np.abs(p.grad).max()) for _, p in trained), default=0.0)
        for name, parameter in trained:
            if parameter.data.ndim < 2:
                continue
            for axis in {0, parameter.data.ndim - 1}:  # units are rows, in some layers columns
                w, g = (np.moveaxis(a, axis, 0) for a in (parameter.data, parameter.grad))
                alike = len(w) > 1 and (w == w[:1]).all()
                if alike and np.allclose(g, g[:1], rtol=1e-4, atol=noise):
                    yield name
                    break


@dataclass
class Dtypes(Evidence):
    """The dtypes of a step.

    Attributes
    ----------
    flow : GradientFlow
    refused : list of Call
        Calls whose dtype makes the step raise.
    """

    flow: GradientFlow
    refused: Sequence[Call] = ()
    group = "health"
    subject = "dtypes"


def norm(array: Array) -> float:
    """Return the Euclidean norm, calculated in float64."""
    return float(np.linalg.norm(np.asarray(array, "float64")))


def forward_dtype(call: Call) -> str:
    """Return the dtype that forward makes of its inputs' one; "" if it keeps it."""
    floats = {x.dtype for x in call.inputs if is_float(x)}
    changed = len(floats) == 1 and is_float(call.output) and call.output.dtype not in floats
    return str(call.output.dtype) if changed else ""


def refused_dtype(model: Module, batch: Batch) -> Sequence[Call]:
    """Return the call whose changed dtype alone makes a step raise, none if there is no such."""
    try:
        recorded_step(model, batch, float64=True)
    except Exception:
        return []
    _, _, tops = recorded_step(model, batch, may_fail=True)
    return [call for call in all_calls(tops) if not call.parts and forward_dtype(call)][:1]


def dx_by_step(call: Call) -> Array | None:
    """Return the norm of dx at each step, for a dy at the last step; None if there is no dx."""
    twin, rng = float64_copy(call.module), np.random.default_rng(12)
    x = as_float64(flattened(call.inputs)[0])
    try:
        y = flattened(twin(*[as_float64(value) for value in call.inputs]))[0]
        dy = rng.standard_normal(y.shape)
        if y.ndim == 3 and y.shape[1] == x.shape[1]:
            dy[:, :-1] = 0
        dx = flattened(twin.backward(dy))[0]
    except Exception:  # judged elsewhere
        return None
    if np.size(dx) != x.size:
        return None
    return np.sqrt(np.square(dx.reshape(x.shape)).sum(axis=(0, 2)))
