"""Parity of the CPU and a GPU: one training step on both, compared layer by layer.

The same module with the same weights gets the same batch on both, in float32 and in float64. Each
layer's output, its dx, and the gradients of all parameters are compared. In float64 both must
agree to many digits, or else the layer computes something else. In float32 rounding errors grow
with the network's depth.
"""

import copy
from collections import Counter
from dataclasses import dataclass

import numpy as np

from firstlight.module import Module
from firstlight.support import rng
from firstlight.support.backend import load_cupy, resolve_device, to_host, using
from firstlight.support.batches import placed
from firstlight.support.state import children
from firstlight.tools.diagnose.probes.arrays import Batch
from firstlight.tools.diagnose.probes.module_state import disable_dropout
from firstlight.tools.diagnose.probes.recorded_calls import all_calls, recording

TOLERANCE = {"float32": 1e-3, "float64": 1e-9}  # relative to the largest number of an array


@dataclass
class Difference:
    """The difference of two arrays.

    Attributes
    ----------
    dtype : str
    layer : str
        Name and class, e.g. "body.2 (Linear)".
    what : str
        "output", "dx", or "gradient", of a parameter.
    error : float
        Largest difference, relative to the largest number on the CPU; of a gradient, to the
        largest in all gradients.
    """

    dtype: str
    layer: str
    what: str
    error: float

    @property
    def differs(self) -> bool:
        """Whether the error is more than rounding explains."""
        return not self.error <= TOLERANCE[self.dtype]

    def __str__(self) -> str:
        mark = "DIFFERS" if self.differs else "ok"
        return f"{self.dtype}  {self.layer:<32} {self.what:<24} {self.error:.1e}  {mark}"


@dataclass
class Parity:
    """The result of `check_parity`.

    Attributes
    ----------
    differences : list of Difference
        In the order in which a step computes them: outputs, then dx from the last layer to the
        first, then gradients.
    device : str
    """

    differences: list[Difference]
    device: str

    @property
    def first(self) -> Difference | None:
        """The first difference that rounding does not explain, or None."""
        return next((d for d in self.differences if d.differs), None)

    def __str__(self) -> str:
        worst = max(self.differences, key=lambda d: d.error / TOLERANCE[d.dtype])
        if self.first is None:
            return (
                f"parity: {len(self.differences)} arrays are the same on cpu and {self.device}; "
                f"furthest apart: {worst}"
            )
        first = self.first
        return (
            f"parity: {first.layer} differs first, in its {first.what} ({first.dtype}): cpu and "
            f"{self.device} are {first.error:.1e} apart, where rounding explains "
            f"{TOLERANCE[first.dtype]:.0e}"
        )


def check_parity(module: Module, batch: Batch, *, device: str = "cuda") -> Parity:
    """Run one training step on the CPU and on a GPU, and compare them layer by layer.

    The copies that run have no dropout, since the devices draw other numbers: layers with a number
    ``p`` or ``dropout`` have it set to 0. The module itself stays as it is.

    Parameters
    ----------
    module : Module
    batch : tuple of array
        A batch for ``training_step``, of NumPy arrays.
    device : str
        "cuda" or "cuda:N".

    Returns
    -------
    Parity

    Raises
    ------
    RuntimeError
        There is no GPU.
    """
    device = resolve_device(device)
    if device == "cpu":
        raise RuntimeError('check_parity: "cpu" against the CPU compares nothing; use "cuda"')
    differences = []
    for dtype in ("float64", "float32"):
        expected = _step_arrays(module, batch, "cpu", dtype)
        found = _step_arrays(module, batch, device, dtype)
        largest = max(_largest(a) for (_, what), a in expected.items() if what == "gradient")
        for (layer, what), array in expected.items():
            # A gradient that is zero but for rounding, as before a BatchNorm, is small beside the
            # others.
            scale = largest if what == "gradient" else _largest(array)
            error = _error(array, found[layer, what], scale or 1.0)
            differences.append(Difference(dtype, layer, what, error))
    return Parity(differences, device)


def _step_arrays(module, batch, device, dtype):
    """Return outputs, dx and gradients of a step by ``(layer, what)``, as NumPy arrays."""
    twin = copy.deepcopy(module).to(device="cpu", dtype=dtype).train()
    disable_dropout(twin, any_p=True)
    start = rng.state_dict()
    try:
        with using(device):
            twin.to(device=device)
            twin.zero_grad()
            with recording(twin) as tops:
                output = twin.training_step(placed(batch, device, dtype))
                twin.backward(output.dy)
            loss = getattr(twin, "loss", None)
            layers = [
                call
                for call in all_calls(tops)
                if not list(children(call.module)) and call.module is not loss
            ]
            found = _numbered((call.label, "output", call.output) for call in layers)
            layers = [call for call in reversed(layers) if call.backward_called]
            found |= _numbered((call.label, "dx", call.dx) for call in layers)
            found["(the step)", "loss"] = np.array(to_host(output.loss))
            for name, parameter in twin.named_parameters():
                found[name, "gradient"] = np.array(to_host(parameter.grad))
            if device != "cpu":
                load_cupy().cuda.get_current_stream().synchronize()
    finally:
        rng.load_state_dict(start)
    return found


def _numbered(arrays):
    """Return ``{(layer, what): array}`` of ``(layer, what, array)``, repeated names numbered."""
    count, found = Counter(), {}
    for layer, what, array in arrays:
        count[layer] += 1
        number = f" {count[layer]}" if count[layer] > 1 else ""
        if hasattr(array, "dtype"):
            found[layer, what + number] = np.array(to_host(array))
    return found


def _largest(array):
    return float(np.abs(array).max()) if array.size else 0.0


def _error(expected, found, scale):
    if expected.shape != found.shape or expected.dtype != found.dtype:
        return float("inf")
    return _largest(found.astype("float64") - expected) / scale
