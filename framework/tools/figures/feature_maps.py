"""feature_maps: what each layer makes of one image."""

import numpy as np

from firstlight.support.backend import to_host
from firstlight.tools.figures.canvas import draw, page, size_of


def image_outputs(module, x):
    """Run a module in evaluation mode, and return what those of its layers gave that give images.

    Parameters
    ----------
    module : Module
    x : array, shape (N, H, W, C)

    Returns
    -------
    dict of str to array
        Outputs (N, H', W', C') by the layers' names, in the order in which they ran; layers that
        only combine others are left out.
    """
    found, parts = {}, [part for part in module.named_modules() if not _children(part[1])]

    def recording(name, forward):
        def recorded(*inputs):
            y = forward(*inputs)
            if getattr(y, "ndim", 0) == 4:
                found[name] = to_host(y)
            return y

        return recorded

    training = module.training
    module.eval()
    for name, part in parts:
        part.forward = recording(name or type(part).__name__, part.forward)  # hides the class's
    try:
        module(x)
    finally:
        for _, part in parts:
            del part.forward
        module.train(training)
    return found


def feature_maps(maps, *, columns=8, title=""):
    """Show the channels of one layer's output for one image; bright is large.

    Parameters
    ----------
    maps : array, shape (H, W, C)
    columns : int
    title : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    maps = np.asarray(maps)
    if maps.ndim != 3 or maps.size == 0:
        raise ValueError(f"feature_maps: expected maps of shape (H, W, C), got {maps.shape}")
    pictures = maps.transpose(2, 0, 1)  # (C, H, W)
    figure = page(*size_of(len(pictures), columns, maps.shape), title)
    draw(figure.add_subplot(), pictures, columns=columns, cmap="viridis")
    return figure


def _children(module):
    return any(part is not module for part in module.modules())
