"""Parity: one training step on the CPU and on a GPU, layer by layer, and where they part.

The same module with the same weights gets the same batch on both, in float32 and in float64. Each
layer's output, its dx, and the gradients of all parameters are compared. In float64 both must
agree to many digits: a layer that does not computes something else. In float32 rounding differs,
and more so the deeper the network.
"""

import copy
from dataclasses import dataclass

import numpy as np

from firstlight.support import rng
from firstlight.support.backend import load_cupy, resolve_device, to_host, using
from firstlight.support.batches import placed
from firstlight.support.state import children

TOLERANCE = {"float32": 1e-3, "float64": 1e-9}  # of the largest number of an array


@dataclass
class Difference:
    """How far two arrays are apart.

    Attributes
    ----------
    dtype : str
    layer : str
        Name and class, e.g. "body.2 (Linear)".
    what : str
        "output", "dx", or "gradient", of a parameter.
    error : float
        Largest difference, as a share of the largest number on the CPU; of a gradient, of the
        largest in all gradients.
    """

    dtype: str
    layer: str
    what: str
    error: float

    @property
    def differs(self):
        """Whether that is more than rounding explains."""
        return not self.error <= TOLERANCE[self.dtype]

    def __str__(self):
        mark = "DIFFERS" if self.differs else "ok"
        return f"{self.dtype}  {self.layer:<32} {self.what:<24} {self.error:.1e}  {mark}"


@dataclass
class Parity:
    """What `check_parity` found.

    Attributes
    ----------
    differences : list of Difference
        In the order in which a step computes them: outputs, then dx from the last layer to the
        first, then gradients.
    device : str
    """

    differences: list
    device: str

    @property
    def first(self):
        """The first difference that rounding does not explain, or None."""
        return next((d for d in self.differences if d.differs), None)

    def __str__(self):
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


def check_parity(module, batch, *, device="cuda"):
    """Run one training step on the CPU and on a GPU, and compare them layer by layer.

    Dropout is left out, as the two draw other numbers: layers with a number ``p`` or ``dropout``
    have it set to 0 in the copies that run. The module itself stays as it is.

    Parameters
    ----------
    module : Module
    batch : tuple of array
        What ``training_step`` takes, in NumPy arrays.
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
        expected = _step(module, batch, "cpu", dtype)
        found = _step(module, batch, device, dtype)
        largest = max(_largest(a) for (_, what), a in expected.items() if what == "gradient")
        for (layer, what), array in expected.items():
            # Of gradients that are zero but for rounding, as before a BatchNorm, the size of all
            # others tells what is much.
            scale = largest if what == "gradient" else _largest(array)
            error = _error(array, found[layer, what], scale or 1.0)
            differences.append(Difference(dtype, layer, what, error))
    return Parity(differences, device)


def _step(module, batch, device, dtype):
    """Return outputs, dx and gradients of a step by ``(layer, what)``, as NumPy arrays."""
    twin = copy.deepcopy(module).to(device="cpu", dtype=dtype).train()
    for part in twin.modules():
        for name in ("p", "dropout"):
            if isinstance(getattr(part, name, None), float):
                setattr(part, name, 0.0)
    start, seen = rng.state_dict(), {}
    try:
        with using(device):
            twin.to(device=device)
            twin.zero_grad()
            for name, part in twin.named_modules():
                if not list(children(part)) and part is not getattr(twin, "loss", None):
                    _listen(part, f"{name} ({type(part).__name__})", seen)
            output = twin.training_step(placed(batch, device, dtype))
            twin.backward(output.dy)
            seen["(the step)", "loss"] = np.array(to_host(output.loss))
            for name, parameter in twin.named_parameters():
                seen[f"{name}", "gradient"] = np.array(to_host(parameter.grad))
            if device != "cpu":
                load_cupy().cuda.get_current_stream().synchronize()
    finally:
        rng.load_state_dict(start)
    return seen


def _listen(part, name, seen):
    """Have a layer's forward and backward leave copies of what they return."""
    forward, backward, calls = part.forward, part.backward, {"output": 0, "dx": 0}

    def keep(what, result):
        calls[what] += 1
        number = f" {calls[what]}" if calls[what] > 1 else ""
        if hasattr(result, "dtype"):
            seen[name, what + number] = np.array(to_host(result))
        return result

    part.forward = lambda *inputs: keep("output", forward(*inputs))
    part.backward = lambda *inputs: keep("dx", backward(*inputs))


def _largest(array):
    return float(np.abs(array).max()) if array.size else 0.0


def _error(expected, found, scale):
    if expected.shape != found.shape or expected.dtype != found.dtype:
        return float("inf")
    return _largest(found.astype("float64") - expected) / scale
