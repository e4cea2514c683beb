"""saliency: which pixels a class's score hangs on, by the gradient at the input."""

import numpy as np

from firstlight.support.backend import to_host
from firstlight.tools.figures.canvas import as_pictures, draw, page, scale_beside, size_of
from firstlight.tools.language import say


def input_gradient(module, x, y):
    """Return the gradient of each sample's score of a class, by the input.

    Formula, for scores s = module(x) of shape (N, C)::

        dx_n = ∂s_nyₙ / ∂x_n

    Parameters
    ----------
    module : Module
        Run in evaluation mode; its parameters' gradients and ``needs_dx`` stay as they are.
    x : array, shape (N, ...)
    y : array of int, shape (N,)
        The classes.

    Returns
    -------
    array, of x's shape

    Raises
    ------
    ValueError
        The module's output is no scores (N, C), or its backward gives no dx.

    References
    ----------
    Simonyan, Vedaldi, Zisserman, "Deep inside convolutional networks", 2014, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> from firstlight.tools.figures import input_gradient
    >>> layer = nn.Linear(3, 2, needs_dx=False)
    >>> dx = input_gradient(layer, np.ones((1, 3), "float32"), np.array([1]))
    >>> bool((dx[0] == layer.weight.data[1]).all())
    True
    """
    parts = list(module.modules())
    own = [part.__dict__.get("needs_dx") for part in parts]
    gradients = [parameter.grad.copy() for parameter in module.parameters()]
    training = module.training
    module.eval(keep_backward=True)
    try:
        for part in parts:
            part.needs_dx = True
        scores = module(x)
        if scores.ndim != 2 or len(scores) != len(x):
            raise ValueError(
                f"input_gradient: expected scores (N, C) from {type(module).__name__}, got "
                f"{scores.shape} for x of shape {x.shape}"
            )
        dy = np.zeros_like(scores)
        dy[np.arange(len(x), like=dy), y] = 1
        dx = module.backward(dy)
    finally:
        for part, value in zip(parts, own, strict=True):
            if value is None:
                del part.needs_dx
            else:
                part.needs_dx = value
        for parameter, gradient in zip(module.parameters(), gradients, strict=True):
            parameter.grad[...] = gradient
        module.train(training)
    if dx is None:
        raise ValueError(
            f"input_gradient: {type(module).__name__}.backward returned None; it must give dL/dx"
        )
    return dx.reshape(x.shape)


def saliency(images, gradients, titles=None, *, title=None):
    """Show images, and below each how much every pixel moves its class's score.

    Parameters
    ----------
    images, gradients : array, shape (N, H, W, C)
        The latter from `input_gradient`; each map is scaled by its own largest value.
    titles : list of str, optional
    title : str, optional
        By default what is shown.

    Returns
    -------
    matplotlib.figure.Figure
    """
    title = say("Saliency: where a pixel changes the score") if title is None else title
    size = np.abs(to_host(gradients)).max(axis=3)  # (N, H, W)
    size = size / np.maximum(size.max(axis=(1, 2), keepdims=True), 1e-30)
    return with_maps(images, size, titles, title, say("|gradient|, largest = 1"), (0, 1))


def with_maps(images, maps, titles, title, label, limits):
    """Return a figure of images (N, H, W, C) in a row, above maps (N, H, W) of each."""
    pictures = as_pictures(images)
    if maps.shape != pictures.shape[:3]:
        raise ValueError(
            f"expected maps of shape {pictures.shape[:3]}, one for each image, got {maps.shape}"
        )
    count, shape = len(pictures), pictures.shape[1:]
    width, height = size_of(count, count, shape, titles)
    lower = size_of(count, count, shape)[1]
    figure = page(width + 0.8, height + lower, title)
    above, below = figure.subplots(2, 1, height_ratios=[height, lower])
    draw(above, pictures, columns=count, titles=titles)
    image = draw(below, maps, columns=count, cmap="magma", limits=limits)
    scale_beside(figure, image, label)
    return figure
