"""filters: what the first layer looks for, as pictures."""

import numpy as np

from firstlight.support.backend import to_host
from firstlight.tools.figures.canvas import draw, page, scale_beside, size_of
from firstlight.tools.language import say


def first_weights(module, input_shape):
    """Return the first layer's weights as small images.

    Parameters
    ----------
    module : Module
        Its first parameter called ``weight`` of two axes, (O, I) as of `Linear`, or four,
        (O, H, W, C) as of a convolution.
    input_shape : tuple of int
        (H, W, C) of what the module sees; a flat layer's weights are shaped so.

    Returns
    -------
    array, shape (O, H, W, C)

    Raises
    ------
    ValueError
        There is no such layer, or its weights do not have the size of an image.
    """
    for name, parameter in module.named_parameters():
        weight = parameter.data
        if name.rpartition(".")[2] == "weight" and weight.ndim in (2, 4):
            break
    else:
        raise ValueError(
            f"filters: expected a layer with weights (O, I) or (O, H, W, C), "
            f"{type(module).__name__} has none"
        )
    weight = to_host(weight)
    if weight.ndim == 4:
        return weight
    if len(input_shape) != 3 or weight.shape[1] != np.prod(input_shape):
        raise ValueError(
            f"filters: expected {name} with one weight for each value of an image "
            f"(H, W, C), got {weight.shape} for inputs of shape {tuple(input_shape)}"
        )
    return weight.reshape(-1, *input_shape)


def filters(weights, *, count=64, columns=8, title=None):
    """Show filters as pictures: what a unit adds up is red, what it subtracts blue.

    Parameters
    ----------
    weights : array, shape (O, H, W, C)
        From `first_weights`; of several channels their mean is shown.
    count : int
        How many at most, those of the largest norm first.
    columns : int
    title : str, optional
        By default what is shown.

    Returns
    -------
    matplotlib.figure.Figure
    """
    title = say("First layer: the strongest filters") if title is None else title
    weights = np.asarray(weights)
    if weights.ndim != 4 or weights.size == 0:
        raise ValueError(f"filters: expected weights of shape (O, H, W, C), got {weights.shape}")
    norms = np.square(weights).sum(axis=(1, 2, 3))
    chosen = weights[np.argsort(-norms, kind="stable")[:count]].mean(axis=3)  # (count, H, W)
    limit = float(np.quantile(np.abs(chosen), 0.995)) or 1.0  # one huge weight hides no others
    width, height = size_of(len(chosen), columns, chosen.shape[1:])
    figure = page(width + 0.8, height, title)
    image = draw(
        figure.add_subplot(), chosen, columns=columns, cmap="RdBu_r", limits=(-limit, limit)
    )
    scale_beside(figure, image, say("weight"))
    return figure
