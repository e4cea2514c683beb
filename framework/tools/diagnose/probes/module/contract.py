"""The contract of backward besides its values, as evidence: nothing in place, += for gradients."""

import copy
from dataclasses import dataclass, field

import numpy as np

from firstlight.tools.diagnose.kind import Evidence, Place
from firstlight.tools.diagnose.probes.arrays import is_float, standard_normal
from firstlight.tools.diagnose.probes.module.rerun import Rerun
from firstlight.tools.diagnose.probes.places import own_line

TIGHT = {"rtol": 1e-8, "atol": 1e-11}


@dataclass
class Contract(Evidence):
    """What a module's forward and backward change beside their results.

    Attributes
    ----------
    changed : str
        "forward x", "backward x", "dy", the name of a parameter, or "".
    overwritten, dependent : str
        The first parameter whose gradient backward overwrites, or makes of its earlier values.
    left : int
        Values that forward saved and backward did not take.
    """

    changed: str = ""
    overwritten: str = ""
    dependent: str = ""
    left: int = 0
    parameters: list[str] = field(default_factory=list)
    at: Place | None = None
    competing = True

    @property
    def broken(self) -> bool:
        """Whether anything is changed that must not."""
        return bool(self.changed or self.overwritten or self.dependent or self.left)

    @classmethod
    def of(cls, rerun: Rerun) -> "Contract":
        """Run forward and backward twice and compare."""
        found = cls(parameters=[name for name, _ in rerun.trained])
        found.changed = _changed_in_place(rerun)
        found.at = _writing_line(rerun, found.changed)
        if not found.changed:
            found._accumulate(rerun)
            rerun.forward(keep=True)
            rerun.module.backward(rerun.dy.copy())
            left = [(name, len(part._stack or ())) for name, part in rerun.module.named_modules()]
            inside = any(count for name, count in left if name)  # reported there
            found.left = 0 if inside else left[0][1]
        return found

    def _accumulate(self, rerun):
        rng = np.random.default_rng(6)
        plain = rerun.backward()
        start = {name: standard_normal(rng, p.data) for name, p in rerun.trained}
        added = rerun.backward(start=start)
        for name in start:
            if not np.allclose(added[name], start[name] + plain[name], **TIGHT):
                replaced = np.allclose(added[name], plain[name], **TIGHT)
                self.overwritten, self.dependent = (name, "") if replaced else ("", name)
                return


def _changed_in_place(rerun):
    def changed():
        return not all(
            np.array_equal(old, new, equal_nan=is_float(old))
            for old, new in zip(rerun.inputs, rerun.passed, strict=True)
            if isinstance(old, np.ndarray)
        )

    rerun.forward(keep=True)
    weights = [parameter.data.copy() for _, parameter in rerun.trained]
    if changed():
        return "forward x"
    dy = rerun.dy.copy()
    rerun.module.backward(dy)
    if changed():
        return "backward x"
    if not np.array_equal(dy, rerun.dy):
        return "dy"
    for (name, parameter), before in zip(rerun.trained, weights, strict=True):
        if not np.array_equal(before, parameter.data):
            parameter.data[...] = before
            return name
    return ""


def _writing_line(rerun, changed):
    """Return the user's line that changes an array in place: it raises if that is read-only."""
    if not changed:
        return None
    parameters = dict(rerun.trained)
    dy = rerun.dy.copy()
    guarded = {"dy": [dy]}.get(changed, [])
    if changed in parameters:
        guarded = [parameters[changed].data]
    try:
        if changed == "forward x":
            rerun.forward(keep=True, read_only=True)
            return None
        rerun.forward(keep=True)
        guarded = guarded or [x for x in rerun.passed if isinstance(x, np.ndarray)]
        for array in guarded:
            array.flags.writeable = False
        rerun.module.backward(dy)
    except ValueError as error:
        return own_line(error) if "read-only" in str(error) else None
    finally:
        for array in guarded:
            array.flags.writeable = True
    return None


@dataclass
class LostCache(Evidence):
    """Values kept for backward that a later forward, or another module, overwrites.

    Attributes
    ----------
    label : str
        Of the module that keeps them.
    times : int
        Its calls in the step.
    attribute : str
        Where they are kept, "" for `Module.save`.
    shared : bool
        Whether that is an attribute of the class.
    restored : bool
        Whether all gradients are right as soon as backward finds what its forward kept.
    """

    label: str
    times: int = 1
    where: str = ""
    type: str = ""
    attribute: str = ""
    shared: bool = False
    restored: bool = False
    at: Place | None = None
    subject = "values kept for backward"


def keeps_only_the_latest(rerun: Rerun) -> bool:
    """Return whether a second forward before backward makes the gradients of the first wrong."""

    def zero_grad():
        for _, parameter in rerun.trained:
            parameter.grad[...] = 0

    single = rerun.backward()
    try:
        zero_grad()
        rerun.forward(keep=True)
        rerun.module(*[copy.copy(x) for x in rerun.other_inputs])
        rerun.module.backward(rerun.other_dy.copy())
        zero_grad()
        dx = rerun.module.backward(rerun.dy.copy())
    except Exception:
        return True
    pairs = [(parameter.grad, single[name]) for name, parameter in rerun.trained]
    if isinstance(dx, np.ndarray) and isinstance(single.get("dx"), np.ndarray):
        pairs.append((dx.ravel(), single["dx"].ravel()))
    return not all(np.allclose(one, other, **TIGHT) for one, other in pairs)
