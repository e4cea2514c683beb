"""Module: the one class that layers and models are made from.

A module computes ``forward(x)`` and, given dy = dL/dy, its own ``backward(dy)`` = dL/dx, adding
dL/dw to the ``grad`` of every parameter on the way. What backward needs, forward puts on the
module's stack with ``save``; backward takes it off again with ``saved``. The latest forward is
undone first, so one module may run many times before it goes back: shared weights, unrolled
recurrences and micro-batches need nothing special.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from firstlight.parameter import Buffer, Parameter
from firstlight.support import backend, state
from firstlight.support.array import Array
from firstlight.support.batches import describe_batch
from firstlight.support.step_output import StepOutput, denominators, no_loss

if TYPE_CHECKING:
    from firstlight.support.summary import Summary


class Module:
    """Base class of every layer and model.

    Subclasses write `forward` and `backward`, and at the top `configure_optimizer`; there is no
    need to call ``super().__init__()``. Modules and parameters kept as attributes, or in lists,
    tuples and dicts at any depth, are registered; a part kept in anything else is an error.

    Attributes
    ----------
    training : bool
        Set by `train` and `eval`.
    needs_dx : bool
        False on a layer fed with data only: its backward skips dL/dx, which nobody uses, and
        returns None.
    capturable : bool or None
        On a GPU: whether each training step does the same work on other numbers, so that it can
        be a CUDA graph. None is yes, unless `training_step` is overridden.

    Examples
    --------
    >>> import numpy as np
    >>> import firstlight as fl
    >>> class Double(fl.Module):
    ...     def forward(self, x):
    ...         return 2 * x
    ...
    ...     def backward(self, dy):
    ...         return 2 * dy
    >>> layer = Double()
    >>> layer(np.ones(2)), layer.backward(np.ones(2))
    (array([2., 2.]), array([2., 2.]))
    """

    training: bool = True
    needs_dx: bool = True
    capturable: bool | None = None
    _stack: list[tuple[Any, ...]] | None

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Give every instance its stack, so that subclasses need no super().__init__()."""
        module = super().__new__(cls)
        module._stack = []
        return module

    def __call__(self, *inputs: Any) -> Any:
        """Compute ``forward(*inputs)``."""
        return self.forward(*inputs)

    # --- what a subclass writes -----------------------------------------------------------

    def forward(self, x: Any) -> Any:
        """Return y, computed from x."""
        raise NotImplementedError(
            f"{self._name}.forward is missing; write: def forward(self, x): return y"
        )

    def backward(self, dy: Any) -> Any:
        """Return dL/dx from dy = dL/dy, and add dL/dw to each parameter's ``grad``."""
        raise NotImplementedError(
            f"{self._name}.backward is missing; write: def backward(self, dy): return dx, "
            "with dy = dL/dy, adding dL/dw to each parameter's grad"
        )

    def configure_optimizer(self) -> Any:
        """Return the optimizer that trains this model."""
        raise NotImplementedError(
            f"{self._name}.configure_optimizer is missing; write: "
            "def configure_optimizer(self): return optim.Adam(self.parameters(), lr=1e-3)"
        )

    # --- one step of training, validation, prediction; override for other batches ----------

    def training_step(self, batch: Any) -> StepOutput:
        """Run forward and loss on a batch ``(x, y)`` and return a `StepOutput` with its dy."""
        output = self.validation_step(batch)
        output.dy = self.loss.backward()
        return output

    def validation_step(self, batch: Any) -> StepOutput:
        """Run forward, loss and metrics on a batch ``(x, y)`` and return a `StepOutput`."""
        if not isinstance(batch, tuple) or len(batch) != 2:
            raise TypeError(
                f"{self._name} expects batches (x, y), got {describe_batch(batch)}; pass (x, y) to "
                "fit, or override training_step and validation_step"
            )
        x, y = batch
        if not isinstance(getattr(self, "loss", None), Module):
            raise no_loss(self._name, getattr(self, "loss", None))
        prediction = self(x)
        if prediction is None:
            raise TypeError(f"{self._name}.forward returned None; end it with: return y")
        loss = self.loss(prediction, y)
        if np.ndim(loss):
            raise ValueError(
                f"{self._name}: expected a loss of one number, got shape {loss.shape}; use a loss "
                'with reduction="mean", or override training_step and validation_step'
            )
        metrics = self.loss.metrics(prediction, y) if hasattr(self.loss, "metrics") else {}
        told = denominators(self.loss, prediction, y)
        return StepOutput(loss, None, metrics, prediction, told)

    def predict_step(self, batch: Any) -> Any:
        """Return the prediction for a batch: ``x``, or ``(x, y)`` whose y is left aside."""
        return self(batch[0] if isinstance(batch, tuple) else batch)

    # --- the stack that links forward to backward ------------------------------------------

    def save(self, *values: Any) -> None:
        """Put what backward will need on the stack; keeps nothing after `eval`."""
        if self._stack is not None:
            self._stack.append(values)

    def saved(self) -> Any:
        """Take back what the latest forward saved and has not been undone yet.

        Raises
        ------
        RuntimeError
            There is no such forward.
        """
        if not self._stack:
            reason = (
                "eval() keeps nothing for backward; call train() first"
                if self._stack is None
                else "call forward first, and backward once for each forward"
            )
            raise RuntimeError(f"{self._name}.backward: no forward left to undo; {reason}")
        return self._stack.pop()

    def check_dy(self, dy: Any, shape: tuple[int, ...]) -> None:
        """Raise a ValueError unless dy has the shape of the forward's output."""
        if dy is None or dy.shape != shape:
            came = "None" if dy is None else f"shape {dy.shape}"
            raise ValueError(
                f"{self._name}.backward: expected dy of shape {shape}, the shape of its forward's "
                f"output, got {came}; pass dL/dy, and undo the latest forward first"
            )

    def train(self, mode: bool = True) -> Self:
        """Switch to training, and forget every forward that was not undone.

        Calls the same of every child: a layer that overrides it can stay as it is.
        """
        self.training, self._stack = mode, [] if mode else None
        for _, child in state.children(self):
            child.train(mode)
        return self

    def eval(self, *, keep_backward: bool = False) -> Self:
        """Switch to evaluation: no dropout, running statistics, nothing saved for backward.

        ``keep_backward`` saves nevertheless, to go backward through the evaluated network.
        """
        self.train(False)
        if keep_backward:
            for module in self.modules():
                module._stack = []
        return self

    # --- the tree of modules ---------------------------------------------------------------

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Yield ``(name, module)`` for this module and all below it, each once, depth first."""
        yield from state.walk_modules(self, prefix, set())

    def modules(self) -> Iterator[Module]:
        """Yield this module and all below it, each once."""
        for _, module in self.named_modules():
            yield module

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Yield ``(name, Parameter)``; a shared parameter once, under its first name."""
        yield from state.walk_leaves(self, Parameter)

    def parameters(self) -> list[Parameter]:
        """Return the list of all parameters, each once."""
        return [parameter for _, parameter in self.named_parameters()]

    def named_buffers(self) -> Iterator[tuple[str, Buffer]]:
        """Yield ``(name, Buffer)``: state that is not trained, such as running means."""
        yield from state.walk_leaves(self, Buffer)

    def freeze(self) -> Self:
        """Exclude all parameters from training; returns the module."""
        return self._set_requires_grad(False)

    def unfreeze(self) -> Self:
        """Include all parameters in training again; returns the module."""
        return self._set_requires_grad(True)

    def _set_requires_grad(self, value):
        for parameter in self.parameters():
            parameter.requires_grad = value
        return self

    def zero_grad(self) -> None:
        """Set every gradient to zero."""
        for parameter in self.parameters():
            parameter.grad[...] = 0

    def to(self, device: str | None = None, dtype: Any | None = None) -> Self:
        """Move to a device ("cpu", "cuda", "cuda:N", "auto") and/or a floating dtype.

        Call it before the optimizer is made: moved parameters leave their flat arrays. Returns
        the module.
        """
        device = None if device is None else backend.resolve_device(device)
        dtype = None if dtype is None else backend.float_dtype(dtype)
        state.move(self, device, dtype)
        return self

    # --- state, and how a module shows itself ------------------------------------------------

    def state_dict(self) -> dict[str, Array]:
        """Return a dict of copies of all parameters and buffers, as NumPy arrays by name."""
        return state.collect(self)

    def load_state_dict(self, arrays: Mapping[str, Any], *, strict: bool = True) -> None:
        """Copy values in from a dict of arrays by name; see `firstlight.support.state.restore`."""
        state.restore(self, arrays, strict=strict)

    def to_torch(self) -> dict[str, Any]:
        """Return the state as PyTorch would name and lay it out: a dict of torch tensors."""
        return state.to_torch(self)

    def from_torch(self, tensors: Mapping[str, Any], *, strict: bool = True) -> Self:
        """Copy values in from the ``state_dict()`` of a PyTorch twin; returns the module."""
        return state.from_torch(self, tensors, strict=strict)

    def summary(self, x: Array) -> Summary:
        """Run x through the module and return a table of shapes, parameters, FLOPs and memory.

        Parameters
        ----------
        x : array
            A batch of one or more samples.

        Returns
        -------
        firstlight.support.summary.Summary
            Prints as a table.
        """
        from firstlight.support.summary import summarize

        return summarize(self, x)

    @property
    def _name(self):
        return type(self).__name__

    def flops(self, x: Any, y: Any) -> int:
        """Return the floating-point operations of one forward; layers with a matmul count it."""
        return np.size(y)

    def extra_repr(self) -> str:
        """Return what stands between the brackets of the module's ``repr``."""
        return ""

    def __repr__(self) -> str:
        children = [
            f"  ({name}): " + repr(child).replace("\n", "\n  ")
            for name, child in state.children(self)
        ]
        if not children:
            return f"{self._name}({self.extra_repr()})"
        return "\n".join([f"{self._name}({self.extra_repr()}", *children, ")"])
