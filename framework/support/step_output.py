"""StepOutput: the result of a module's step, and the error for a missing loss."""

from dataclasses import dataclass, field
from typing import Any

from firstlight.support.batches import mapped
from firstlight.support.half import single


@dataclass
class StepOutput:
    """Result of a step for the training loop.

    Attributes
    ----------
    loss : float or 0-d array
        Mean loss of the batch.
    dy : array, tuple or dict of arrays, or None
        dL/dy, the gradient of the loss at the model's output, or at each of several outputs, as
        the model's ``backward`` takes it. None when not training, and if ``training_step`` has run
        backward by hand.
    metrics : dict of str to float or 0-d array
        Further means over the batch, e.g. ``{"acc": 0.97}``.
    prediction : array, tuple or dict of arrays, or None
        The model's output.
    denominators : dict of str to float, 0-d array or None
        Denominators of loss and metrics by name, if they are not the number of samples: e.g.
        ``{"loss": w.sum()}`` for weights. None for a loss that is a sum. Accumulated batches,
        evaluations and ranks are averaged with these denominators.
    dloss : array or None
        dL/dl of unreduced losses l, which `Module.training_step` passes to the loss's backward if
        the batch has sample weights.
    """

    loss: Any
    dy: Any = None
    metrics: dict[str, Any] = field(default_factory=dict)
    prediction: Any = None
    denominators: dict[str, Any] = field(default_factory=dict)
    dloss: Any = None

    def __post_init__(self) -> None:
        """Let callbacks and metrics find float32 in ``prediction``, with each precision."""
        self.prediction = mapped(single, self.prediction)


def no_loss(model: str, loss: Any) -> Exception:
    """Return the exception for a ``self.loss`` that is missing or not a `Module`.

    Parameters
    ----------
    model : str
        Name of the model's class.
    loss : object
        ``self.loss``; None if it is missing.
    """
    if loss is None:
        return AttributeError(
            f"{model} has no loss; set self.loss, e.g. to nn.CrossEntropyLoss(), in "
            f"{model}.__init__, or override training_step and validation_step"
        )
    kind = type(loss).__name__
    if isinstance(loss, type):
        return TypeError(
            f"{model}.loss: expected a module, got the class {loss.__name__}; "
            f"write self.loss = {loss.__name__}(...)"
        )
    advice = (
        f"derive a class from firstlight.Module, with {loss.__name__} as its forward"
        if kind == "function"
        else f"derive {kind} from firstlight.Module"
    )
    return TypeError(
        f"{model}.loss: expected a module with forward(prediction, y) and backward(), got a "
        f"{kind}; {advice}"
    )


def denominators(loss: Any, prediction: Any, target: Any, *weight: Any) -> dict[str, Any]:
    """Return the denominators of a loss; ``{}`` if a subclass overrides its forward only.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> from firstlight.support.step_output import denominators
    >>> class Focal(nn.CrossEntropyLoss):
    ...     def forward(self, prediction, target):
    ...         return "a mean over samples, maybe"
    >>> x, y = np.ones((3, 2)), np.array([0, 1, -100])
    >>> found = denominators(nn.CrossEntropyLoss(), x, y)
    >>> {name: int(count) for name, count in found.items()}
    {'loss': 2, 'acc': 2}
    >>> denominators(Focal(), x, y)
    {}
    """
    for kind in type(loss).__mro__:
        if "denominators" in vars(kind):
            return loss.denominators(prediction, target, *weight)
        if "forward" in vars(kind):
            break
    return {}
