"""Recording: who called whom in one forward and backward, with which arrays."""

from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Call:
    """One call of a module's forward, and what its backward did.

    Attributes
    ----------
    name : str
        As in `Module.named_modules`; empty for the model itself.
    module : Module
    inputs, output
        Copies of what forward got and returned.
    parent : Call or None
        The call that this one was made within.
    parts : list of Call
        The calls made within this one, in order.
    dy, dx
        Copies of what backward got first, and returned.
    handed : tuple
        Copies of all that backward got.
    undone : bool
        Whether backward was called.
    """

    name: str
    module: object
    inputs: tuple = ()
    output: object = None
    parent: object = None
    parts: list = field(default_factory=list)
    dy: object = None
    handed: tuple = ()
    dx: object = None
    undone: bool = False

    @property
    def type(self):
        """The class of the module."""
        return type(self.module).__name__

    def walk(self, depth=0):
        """Yield ``(depth, call)`` for this call and all within."""
        yield depth, self
        for part in self.parts:
            yield from part.walk(depth + 1)


@contextmanager
def recording(module):
    """Watch every module below ``module`` inside the block; yields the list of outermost calls."""
    tops, stack, open_calls = [], [], {}
    watched = list(module.named_modules())
    own = [
        {k: vars(part)[k] for k in ("forward", "backward") if k in vars(part)}
        for _, part in watched
    ]
    for name, part in watched:
        part.forward = _forward(part.forward, name, part, tops, stack, open_calls)
        part.backward = _backward(part.backward, part, open_calls)
    try:
        yield tops
    finally:
        for (_, part), before in zip(watched, own, strict=True):
            for phase in ("forward", "backward"):
                vars(part).pop(phase, None)
            vars(part).update(before)


def _forward(forward, name, part, tops, stack, open_calls):
    def watching(*inputs, **named):
        parent = stack[-1] if stack else None
        call = Call(name, part, tuple(copied(value) for value in inputs), parent=parent)
        (parent.parts if parent else tops).append(call)
        stack.append(call)
        try:
            output = forward(*inputs, **named)
        finally:
            stack.pop()
        call.output = copied(output)
        open_calls.setdefault(id(part), []).append(call)
        return output

    return watching


def _backward(backward, part, open_calls):
    def watching(*inputs, **named):
        waiting = open_calls.get(id(part))
        call = waiting.pop() if waiting else None
        if call is not None:
            call.undone = True
            call.handed = copied(inputs)
            call.dy = call.handed[0] if inputs else None
        dx = backward(*inputs, **named)
        if call is not None:
            call.dx = copied(dx)
        return dx

    return watching


def copied(value):
    """Return a copy of an array, or of a tuple or list of arrays; anything else as it is."""
    if isinstance(value, np.ndarray):
        return value.copy()
    return type(value)(map(copied, value)) if type(value) in (tuple, list) else value
