"""Watch a loop written by hand: what it trains, on what, and whether gradients start from zero."""

import contextlib
import functools
import time

import numpy as np

from firstlight.module import Module
from firstlight.optim import Optimizer
from firstlight.tools.diagnose.bench import unburdened
from firstlight.tools.diagnose.findings import Finding

STEPS, SECONDS = 200, 30.0  # of a loop that are watched
BATCHES = 64  # that are kept


class Enough(BaseException):
    """Ends a script whose loop has been watched for long enough."""


class Loop:
    """What was seen of one module that a loop takes backward.

    Attributes
    ----------
    module, fresh : Module
        Itself, and a copy from before its first forward.
    batches : list of (array, array or None)
        Inputs, and what the loss compared the outputs with.
    loss : Module or None
    optimizer : Optimizer or None
    updates, unzeroed : int
        Backwards after the weights had changed; those which found the gradients of before.
    """

    def __init__(self, module):
        self.module, self.fresh = module, unburdened(module)
        self.batches, self.loss, self.optimizer = [], None, None
        self.x = self.y = self.target = self.before = None
        self.updates = self.unzeroed = self.backwards = 0

    def forward(self, x, y):
        """Note what went in and came out."""
        self.x, self.y, self.target = x, y, None

    def begin_backward(self):
        """Compare weights and gradients with those at the end of the backward before."""
        self.backwards += 1
        if len(self.batches) < BATCHES and self.x is not None:
            self.batches.append((self.x, self.target))
        if self.before is None:
            return
        weights, gradients = self.before
        parameters = self.module.parameters()
        if all(np.array_equal(p.data, w) for p, w in zip(parameters, weights, strict=True)):
            return  # a further backward before the update
        self.updates += 1
        left = [g.any() for g in gradients]
        same = all(np.array_equal(p.grad, g) for p, g in zip(parameters, gradients, strict=True))
        self.unzeroed += same and any(left)

    def end_backward(self):
        """Note weights and gradients."""
        parameters = self.module.parameters()
        self.before = [p.data.copy() for p in parameters], [p.grad.copy() for p in parameters]

    def finding(self):
        """Return a `Finding` if gradients were never set to zero between two updates, or None."""
        if not self.unzeroed or self.unzeroed < self.updates / 2:
            return None
        message = (
            f"between {self.unzeroed} of {self.updates} updates of {type(self.module).__name__} "
            "the gradients were not set to zero: backward adds to those of all steps before, and "
            "they grow from step to step"
        )
        look = "zero_grad() of the optimizer or the model, once after each update"
        return Finding("zero-grad", "training loop", "", message, look)


class Watch:
    """Sees every outermost forward and backward of all modules inside `watching`."""

    def __init__(self):
        self.loops, self.depth, self.active, self.optimizers = {}, 0, True, []
        self.begun = None

    @property
    def trained(self):
        """The loops whose module went backward."""
        return [loop for loop in self.loops.values() if loop.backwards]

    @contextlib.contextmanager
    def paused(self):
        """See nothing inside the block."""
        self.active = False
        try:
            yield
        finally:
            self.active = True

    def forward(self, module, inputs, call):
        """Note an outermost forward."""
        if id(module) not in self.loops and module.training and module.parameters():
            self.loops[id(module)] = Loop(module)
        y = call()
        loop = self.loops.get(id(module))
        if loop is not None and inputs and module.training:
            loop.forward(np.copy(inputs[0]), y)
        if len(inputs) > 1:
            for loop in self.loops.values():
                if loop.y is inputs[0] and loop.module is not module:
                    loop.target, loop.loss = np.copy(inputs[1]), module
        return y

    def backward(self, module, call):
        """Note an outermost backward."""
        loop = self.loops.get(id(module))
        if loop is None:
            return call()
        self.begun = self.begun or time.perf_counter()
        if loop.backwards >= STEPS or time.perf_counter() - self.begun > SECONDS:
            raise Enough
        loop.begin_backward()
        dx = call()
        loop.end_backward()
        return dx

    def step(self, optimizer):
        """Note which optimizer moves which module."""
        moved = {id(p) for group in optimizer.param_groups for p in group["params"]}
        for loop in self.loops.values():
            if any(id(p) in moved for p in loop.module.parameters()):
                loop.optimizer = optimizer


@contextlib.contextmanager
def watching():
    """Yield a `Watch` on all modules, also of classes that are made inside the block."""
    watch, changed, at_birth = Watch(), [], vars(Module).get("__init_subclass__")

    def put(cls, name, value):
        changed.append((cls, name, vars(cls)[name]))
        setattr(cls, name, value)

    def wrap(cls):
        for phase in ("forward", "backward"):
            if phase in vars(cls):
                put(cls, phase, _seen(watch, phase, vars(cls)[phase]))

    def born(cls, **options):
        super(Module, cls).__init_subclass__(**options)
        wrap(cls)

    def step(optimizer):
        if watch.active:
            watch.step(optimizer)
        return plain_step(optimizer)

    for cls in _subclasses(Module):
        wrap(cls)
    plain_step = Optimizer.step
    put(Optimizer, "step", step)
    Module.__init_subclass__ = classmethod(born)
    try:
        yield watch
    finally:
        if at_birth is None:
            del Module.__init_subclass__
        else:
            Module.__init_subclass__ = at_birth
        for cls, name, original in reversed(changed):
            setattr(cls, name, original)


def _seen(watch, phase, original):
    @functools.wraps(original)
    def seen(module, *inputs, **named):
        if not watch.active or watch.depth:
            return original(module, *inputs, **named)

        def call():
            watch.depth += 1
            try:
                return original(module, *inputs, **named)
            finally:
                watch.depth -= 1

        if phase == "forward":
            return watch.forward(module, inputs, call)
        return watch.backward(module, call)

    return seen


def _subclasses(cls):
    found = {}
    for sub in cls.__subclasses__():
        found |= {sub: None, **dict.fromkeys(_subclasses(sub))}
    return list(found)
