"""layer_outputs: the output of every layer of a model for a batch."""

from firstlight.module import Module
from firstlight.support import state
from firstlight.support.array import Array
from firstlight.support.summary import undisturbed


def layer_outputs(module: Module, x: Array) -> dict[str, Array]:
    """Run a module in evaluation mode, and return the outputs of its layers.

    The module is left as it was.

    Parameters
    ----------
    module : Module
    x : array
        A batch.

    Returns
    -------
    dict of str to array
        By the layers' names, in the order in which they ran; the last output of one that ran
        several times. Layers that only combine others are left out.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> from firstlight.callbacks._shared.activations import layer_outputs
    >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
    >>> {name: y.shape for name, y in layer_outputs(net, np.ones((2, 4), "float32")).items()}
    {'0': (2, 8), '1': (2, 8)}
    """
    found = {}

    def recording(name, forward):
        def recorded(*inputs):
            y = forward(*inputs)
            found.pop(name, None)
            found[name] = y[0] if isinstance(y, tuple) else y
            return y

        return recorded

    with undisturbed(module):
        for name, part in module.named_modules():
            part.training, part._stack = False, None
            if not any(True for _ in state.children(part)):
                part.forward = recording(name or type(part).__name__, part.forward)
        module(x)
    return found
