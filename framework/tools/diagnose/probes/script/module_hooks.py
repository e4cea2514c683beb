"""Hooks that record what a script does with modules, parameters, optimizers and the Trainer."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import numpy as np

from firstlight.data.splits import DataSplits
from firstlight.module import Module
from firstlight.optim import Optimizer
from firstlight.parameter import Parameter
from firstlight.plugins import registry
from firstlight.support.state import entries
from firstlight.tools.diagnose.probes.module_state import detached_copy
from firstlight.tools.diagnose.probes.recorded_calls import copied
from firstlight.tools.diagnose.probes.script.events import (
    Backward,
    Fit,
    Forward,
    GradientWrite,
    OptimizerMade,
    OptimizerStep,
    ZeroGrad,
)
from firstlight.trainer import Trainer

Method = Callable[..., Any]


@contextlib.contextmanager
def recording_modules(recorder: Any) -> Iterator[None]:
    """Record the outermost calls of all modules and optimizers, also of classes defined inside.

    Parameters
    ----------
    recorder : Recorder
        Its ``add`` gets the events; ``parameters`` collects the parameters.
    """
    hooks = _Hooks(recorder)
    with contextlib.ExitStack() as stack:
        for cls, methods in (
            (Module, ("forward", "backward", "train", "zero_grad")),
            (Optimizer, ("__init__", "step", "zero_grad", "scale_grad", "clip_grad")),
        ):
            _wrap_all(stack, hooks, cls, methods)
        made = hooks.parameter_made(Parameter.__init__)
        stack.enter_context(mock.patch.object(Parameter, "__init__", made))
        stack.enter_context(mock.patch.object(Trainer, "fit", hooks.fit(Trainer.fit)))
        for name in ("validate", "test", "predict"):
            evaluate = _without_checkpoint(getattr(Trainer, name), recorder)
            stack.enter_context(mock.patch.object(Trainer, name, evaluate))
        yield


def _wrap_all(stack, hooks, base, methods):
    """Wrap methods of a class and all its subclasses, those of the future included."""

    def wrap(cls):
        for name in methods:
            if name in vars(cls) and (cls is not Module or name not in ("forward", "backward")):
                original = getattr(cls, name)
                new = hooks.outermost(f"{base.__name__.lower()}_{name.strip('_')}", original)
                stack.callback(setattr, cls, name, vars(cls)[name])
                setattr(cls, name, new)  # mock would take longer than most scripts

    def init_subclass(cls, **options):
        super(base, cls).__init_subclass__(**options)
        wrap(cls)

    for cls in (base, *_subclasses(base)):
        wrap(cls)
    stack.enter_context(mock.patch.object(base, "__init_subclass__", classmethod(init_subclass)))


class _Hooks:
    """Makers of the methods that record."""

    def __init__(self, recorder):
        self.recorder, self._waiting = recorder, {}

    def outermost(self, name: str, original: Method) -> Method:
        """Return a method whose outermost calls are recorded by the hook of a name."""
        hook = getattr(self, name)

        def recorded(subject, *inputs, **options):
            if self.recorder.inside or not self.recorder.active:
                return original(subject, *inputs, **options)

            def call(*given):
                self.recorder.inside = True
                try:
                    return original(subject, *given, **options)
                finally:
                    self.recorder.inside = False

            return hook(call, subject, *inputs, **options)

        recorded.__name__, recorded.__wrapped__ = original.__name__, original
        return recorded

    def module_forward(self, call, module, *inputs, **options):
        """Record a forward."""
        event = Forward(module=module, inputs=copied(inputs), options=copied(options))
        event.training, event.saves = module.training, module.saves
        self.recorder.add(event)
        y = self.recorder.output(event, call, inputs)
        event.output = copied(y)
        if event.saves:
            self._waiting.setdefault(id(module), []).append(event)
        return y

    def module_backward(self, call, module, *dys, **options):
        """Record a backward, and the forward that it belongs to."""
        event = Backward(module=module, dys=copied(dys), options=copied(options))
        if waiting := self._waiting.get(id(module)):
            event.forward = waiting.pop()
        self.recorder.add(event)
        if event.forward is not None:
            event.forward.backward = event
        before = [(p, p.grad.copy()) for p in _parameters_of(module)]
        dx = call(*dys)
        event.dx = copied(dx)
        event.added = [(p, p.grad - grad) for p, grad in before]
        return dx

    def module_train(self, call, module, mode=True):
        """Forget the forwards of a module, since a change of mode clears what was saved."""
        for part in module.modules():
            self._waiting.pop(id(part), None)
        return call(mode)

    def module_zero_grad(self, call, module):
        """Record that a module's gradients are set to zero."""
        return self._zeroed(call, _parameters_of(module))

    def optimizer_zero_grad(self, call, optimizer):
        """Record that an optimizer's gradients are set to zero."""
        return self._zeroed(call, _parameters(optimizer))

    def _zeroed(self, call, parameters):
        self.recorder.add(ZeroGrad(parameters=parameters))
        return call()

    def optimizer_init(self, call, optimizer, *given, **_):
        """Record an optimizer."""
        call(*given)
        self.recorder.add(OptimizerMade(optimizer=optimizer))

    def optimizer_step(self, call, optimizer, *given, **_):
        """Record a step, its gradients, and the values before and after."""
        parameters = _parameters(optimizer)
        event = OptimizerStep(
            optimizer=optimizer,
            lrs=[group.get("lr", np.nan) for group in optimizer.param_groups],
            parameters=parameters,
            gradients=[p.grad.copy() for p in parameters],
            before=[p.data.copy() for p in parameters],
        )
        self.recorder.add(event)
        result = call(*given)
        event.after = [p.data.copy() for p in parameters]
        self.recorder.stepped(event)
        return result

    def optimizer_scale_grad(self, call, optimizer, *given, **_):
        """Record a change of all gradients."""
        parameters = _parameters(optimizer)
        before = [p.grad.copy() for p in parameters]
        result = call(*given)
        for p, grad in zip(parameters, before, strict=True):
            if not np.array_equal(grad, p.grad):
                self.recorder.add(GradientWrite(parameter=p, before=grad, after=p.grad.copy()))
        return result

    optimizer_clip_grad = optimizer_scale_grad

    def parameter_made(self, original: Method) -> Method:
        """Return a constructor that collects the parameters."""

        @functools.wraps(original)
        def init(parameter, data, **options):
            original(parameter, self.recorder.initial(data), **options)
            self.recorder.parameters.append(parameter)

        return init

    def fit(self, original: Method) -> Method:
        """Return a `Trainer.fit` that is recorded, and makes a single step, with metrics alone."""

        def one_step(trainer, module, data=None, val_data=None, **_):
            splits, given = data, (data, val_data)
            if val_data is not None and isinstance(data, tuple) and isinstance(val_data, tuple):
                splits = DataSplits(data, val=val_data, name=self.recorder.path.name)
            fresh = detached_copy(module) if isinstance(module, Module) else module
            self.recorder.add(Fit(module=fresh, original=module, data=splits, given=given))
            where = {"device": trainer.device, "precision": trainer.precision}
            computed = [
                c for c in trainer.callbacks if isinstance(c, registry("callback").get("metrics"))
            ]
            Trainer.__init__(trainer, **where, fast_dev_run=True, callbacks=computed)
            with self.recorder.paused():
                return original(trainer, module, data, val_data)

        return one_step


def _without_checkpoint(evaluate, recorder):
    def evaluated(trainer, module, data, **_):  # none was written
        with recorder.paused():
            return evaluate(trainer, module, data)

    return evaluated


def _parameters_of(module):
    """Return all parameters; `Module.parameters` also checks registration, which takes longer."""
    leaves = [value for part in module.modules() for _, value in entries(part)]
    return list({id(p): p for p in leaves if isinstance(p, Parameter)}.values())


def _parameters(optimizer):
    return [p for group in optimizer.param_groups for p in group["params"]]


def _subclasses(cls):
    found = {}
    for sub in cls.__subclasses__():
        found |= {sub: None, **dict.fromkeys(_subclasses(sub))}
    return list(found)
