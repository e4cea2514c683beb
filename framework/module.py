"""Module: the base class of layers and models.

A module computes ``forward(x)`` and, given dy = dL/dy, ``backward(dy)`` = dL/dx, which also adds
dL/dw to the ``grad`` of every parameter. Forward pushes values for backward onto the module's stack
with ``save``, and backward pops them with ``saved``. Backward undoes the latest forward first, so a
module may run several times before its backward: shared weights, unrolled recurrences and
micro-batches need no special code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from firstlight.parameter import Buffer, Parameter
from firstlight.support import (
    backend,
    half,
    logged_values,
    running_trainer,
    sample_weights,
    state,
)
from firstlight.support.array import Array
from firstlight.support.batches import describe_batch
from firstlight.support.construction import Construction
from firstlight.support.step_output import StepOutput, denominators, no_loss

if TYPE_CHECKING:
    from firstlight.optim.optimizers import Optimizers
    from firstlight.support.summary import Summary
    from firstlight.tools.onnx import Exported
    from firstlight.trainer import Trainer


class Module:
    """Base class of every layer and model.

    Subclasses implement `forward` and `backward`, and models `configure_optimizer`. They need not
    call ``super().__init__()``. Modules and parameters that are attributes, or in lists, tuples and
    dicts at any depth, are registered; in any other container they are an error.

    Attributes
    ----------
    training : bool
        Set by `train` and `eval`.
    needs_dx : bool
        False for a layer whose input is data: its backward skips dL/dx and returns None.
    steps_by_hand : bool
        True for a model whose `training_step` runs backward and steps its `optimizers` itself.
    indivisible : bool
        True for a layer whose parts do not make sense alone: tools show and check it as one.
    capturable : bool or None
        On a GPU: True if each step runs the same operations, so that it can be captured as a CUDA
        graph. None means True for those of `training_step`, `validation_step` and `predict_step`
        that are not overridden.

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

    # The last two are no attributes of the model: its construction, and its data's preprocessing.
    __slots__ = ("__dict__", "__weakref__", "_construction", "_preprocessing")

    training: bool = True
    needs_dx: bool = True
    steps_by_hand: bool = False
    indivisible: bool = False
    capturable: bool | None = None
    loss: Any  # used by the default training_step
    _stack: list[tuple[Any, ...]] | None
    _construction: Construction
    _preprocessing: Any

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Create the stack here, so that subclasses need no super().__init__()."""
        module = super().__new__(cls)
        module._stack = []
        module._construction = Construction(args, kwargs)  # for the record of a run
        module._preprocessing = None
        return module

    def __call__(self, *inputs: Any) -> Any:
        """Compute ``forward(*inputs)``."""
        return self.forward(*half.inputs_of(self, inputs))

    # --- methods to implement in a subclass -----------------------------------------------

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
        """Return the optimizer that trains this model, or a dict of several by name."""
        raise NotImplementedError(
            f"{self._name}.configure_optimizer is missing; write: "
            "def configure_optimizer(self): return optim.Adam(self.parameters(), lr=1e-3)"
        )

    # --- one step of training, validation, prediction; override for other batches ----------

    def training_step(self, batch: Any) -> StepOutput:
        """Run forward and loss on a batch and return a `StepOutput` with its dy.

        A batch is ``(x, y)``, or ``(x, y, w)`` with sample weights w of shape (N,); see
        `firstlight.support.sample_weights`. With ``steps_by_hand`` the method runs backward, steps
        the `optimizers` and returns a `StepOutput` without dy.
        """
        output = self.validation_step(batch)
        if output.dloss is None:
            output.dy = self.loss.backward()
        else:
            output.dy = sample_weights.backward(self.loss, output.dloss)
        return output

    def validation_step(self, batch: Any) -> StepOutput:
        """Run forward, loss and metrics on a batch, as for `training_step`."""
        if not isinstance(batch, tuple) or len(batch) not in (2, 3):
            raise TypeError(
                f"{self._name} expects batches (x, y), got {describe_batch(batch)}; pass (x, y) to "
                "fit, or override training_step and validation_step"
            )
        x, y, *weight = batch
        if not isinstance(getattr(self, "loss", None), Module):
            raise no_loss(self._name, getattr(self, "loss", None))
        prediction = self(x)
        if prediction is None:
            raise TypeError(f"{self._name}.forward returned None; end it with: return y")
        if weight:
            return sample_weights.weighted_output(self.loss, prediction, y, *weight)
        loss = self.loss(prediction, y)
        if np.ndim(loss):
            raise ValueError(
                f"{self._name}: expected a loss of one number, got shape {loss.shape}; use a loss "
                'with reduction="mean", or override training_step and validation_step'
            )
        metrics = self.loss.metrics(prediction, y) if hasattr(self.loss, "metrics") else {}
        counts = denominators(self.loss, prediction, y)
        return StepOutput(loss, None, metrics, prediction, counts)

    def predict_step(self, batch: Any) -> Any:
        """Return the prediction for a batch ``x``, or ``(x, y)`` whose y is ignored."""
        return self(batch[0] if isinstance(batch, tuple) else batch)

    # --- during a training -------------------------------------------------------------------

    def log(self, name: str, value: Any) -> None:
        """Record a value in the current step of a `Trainer`, averaged over batches.

        It is recorded as ``train_<name>_step`` and ``train_<name>``, ``val_<name>`` or
        ``test_<name>``, as the metrics of a `StepOutput` are. Any module may call it in a step, in
        ``forward`` or in ``backward``. Elsewhere (a forward by hand, ``predict``, hooks) it does
        nothing; hooks call ``trainer.log``.

        Parameters
        ----------
        name : str
        value : float or 0-d array
            Mean over the batch; an array on a GPU stays there until a record is written.

        Raises
        ------
        TypeError, ValueError
            Not a single number; a name that is taken, or begins with the name of a split.
        """
        logged_values.log(self, name, value)

    @property
    def trainer(self) -> Trainer:
        """The Trainer that is running: inside of fit, validate, test and predict.

        Elsewhere it raises an AttributeError, so that ``hasattr(self, "trainer")`` is False.
        """
        return running_trainer.running_trainer(self)

    @property
    def optimizers(self) -> Optimizers:
        """The optimizers of a Trainer that is running, if ``configure_optimizer`` returned a dict.

        ``self.optimizers["d"].step()`` in `training_step`, see ``steps_by_hand``, calls the hook
        ``on_before_optimizer_step`` first. Gradients are zero before and after `training_step`.
        """
        return running_trainer.running_optimizers(self)

    # --- the stack that links forward to backward ------------------------------------------

    def save(self, *values: Any) -> None:
        """Push values that backward needs onto the stack; do nothing after `eval`.

        With one path, ``model.save("model.safetensors")``, write the model to a file instead: its
        class, the arguments that it was created with, and its arrays. `firstlight.load` reads it.

        Raises
        ------
        ValueError
            The path does not end in ``.safetensors``, or the file cannot keep an argument.
        OSError
            As the system reports it.
        """
        if len(values) == 1 and isinstance(values[0], (str, PurePath)):
            from firstlight.checkpoints import model_file

            model_file.write(self, values[0])
        elif self._stack is not None:
            self._stack.append(values)

    @property
    def saves(self) -> bool:
        """True if `save` stores values: in training mode, or after ``eval(keep_backward=True)``."""
        return self._stack is not None

    def saved(self) -> Any:
        """Pop the values of the latest forward that has had no backward.

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

    def check_input(self, *inputs: Any, **options: Any) -> None:
        """Raise an error unless the inputs fit; `accelerated` calls it before forward."""

    def check_dy(self, dy: Any, shape: tuple[int, ...]) -> None:
        """Raise a ValueError unless dy has the shape of the forward's output."""
        if dy is None or dy.shape != shape:
            came = "None" if dy is None else f"shape {dy.shape}"
            raise ValueError(
                f"{self._name}.backward: expected dy of shape {shape}, the shape of its forward's "
                f"output, got {came}; pass dL/dy, and undo the latest forward first"
            )

    def train(self, mode: bool = True) -> Self:
        """Switch to training mode, and clear the stack.

        It is called for every child, so a layer may override it to keep its mode.
        """
        self.training, self._stack = mode, [] if mode else None
        for _, child in state.children(self):
            child.train(mode)
        return self

    def eval(self, *, keep_backward: bool = False) -> Self:
        """Switch to evaluation mode: no dropout, running statistics, nothing saved for backward.

        With ``keep_backward``, forward saves, so that backward can run in evaluation mode.
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
        """Exclude all parameters from training, and return the module."""
        return self._set_requires_grad(False)

    def unfreeze(self) -> Self:
        """Include all parameters in training again, and return the module."""
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

        Call it before the optimizer is created, as moved parameters leave their flat arrays.
        Returns the module.
        """
        device = None if device is None else backend.resolve_device(device)
        dtype = None if dtype is None else backend.float_dtype(dtype)
        state.move(self, device, dtype)
        return self

    # --- state and representation -----------------------------------------------------------

    def state_dict(self) -> dict[str, Array]:
        """Return copies of all parameters and buffers as NumPy arrays by name."""
        return state.collect(self)

    def load_state_dict(self, arrays: Mapping[str, Any], *, strict: bool = True) -> None:
        """Copy values from a dict of arrays by name; see `firstlight.support.state.restore`."""
        state.restore(self, arrays, strict=strict)

    def to_torch(self) -> dict[str, Any]:
        """Return the state as torch tensors with PyTorch's names and layout."""
        return state.to_torch(self)

    def from_torch(self, tensors: Mapping[str, Any], *, strict: bool = True) -> Self:
        """Copy values from the ``state_dict()`` of the same PyTorch module; returns the module."""
        return state.from_torch(self, tensors, strict=strict)

    def summary(self, x: Any) -> Summary:
        """Run x, a batch, through the module and return a table of its layers.

        See `firstlight.support.summary.Summary`: shapes, parameters, FLOPs and memory.
        """
        from firstlight.support.summary import summarize

        return summarize(self, x)

    def to_onnx(self, path: str | PurePath, x: Any) -> Exported:
        """Write the module in evaluation mode as an ONNX file, for batches such as x.

        Arguments and errors are those of `firstlight.onnx.to_onnx`.
        """
        from firstlight.tools.onnx import to_onnx

        return to_onnx(self, path, x)

    @property
    def _name(self):
        return type(self).__name__

    def flops(self, x: Any, y: Any) -> int:
        """Return the floating-point operations of one forward; layers override it."""
        return np.size(y)

    def extra_repr(self) -> str:
        """Return the arguments in the module's ``repr``."""
        return ""

    def __repr__(self) -> str:
        children = [
            f"  ({name}): " + repr(child).replace("\n", "\n  ")
            for name, child in list(state.children(self))
        ]
        if not children:
            return f"{self._name}({self.extra_repr()})"
        return "\n".join([f"{self._name}({self.extra_repr()}", *children, ")"])

    def _repr_html_(self) -> str:
        from firstlight.support.summary import layers_as_html

        return layers_as_html(self)
