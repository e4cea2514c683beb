"""StepOutput: what a step of a module returns; and what is said where its loss is missing."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class StepOutput:
    """What a step hands back to the loop.

    Attributes
    ----------
    loss : float or 0-d array
        Mean loss of the batch.
    dy : array or None
        dL/dy, the gradient of the loss at the model's output; None when not training.
    metrics : dict of str to float or 0-d array
        Further means over the batch, e.g. ``{"acc": 0.97}``.
    prediction : array or None
        The model's output.
    denominators : dict of str to float, 0-d array or None
        What loss and metrics were divided by, by name, where that is not the number of samples:
        e.g. ``{"loss": w.sum()}`` of weights. None for a loss that is a sum. Batches that are
        accumulated, evaluated or shared by ranks add up, and are divided by, these numbers.
    """

    loss: Any
    dy: Any = None
    metrics: dict[str, Any] = field(default_factory=dict)
    prediction: Any = None
    denominators: dict[str, Any] = field(default_factory=dict)


def no_loss(model: str, loss: Any) -> Exception:
    """Return the exception for a ``self.loss`` that is no `Module`: missing, a class, a function.

    Parameters
    ----------
    model : str
        Name of the model's class.
    loss : object
        What ``self.loss`` is; None where there is none.
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
    cure = (
        f"derive a class from firstlight.Module, with {loss.__name__} as its forward"
        if kind == "function"
        else f"derive {kind} from firstlight.Module"
    )
    return TypeError(
        f"{model}.loss: expected a module with forward(prediction, y) and backward(), got a "
        f"{kind}; {cure}"
    )


def denominators(loss: Any, prediction: Any, target: Any) -> dict[str, Any]:
    """Return the denominators that a loss tells of the very forward that it has, or ``{}``.

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
            return loss.denominators(prediction, target)
        if "forward" in vars(kind):
            break
    return {}
