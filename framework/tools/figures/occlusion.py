"""occlusion: which parts of an image a decision rests on, by covering them."""

import numpy as np

from firstlight.support.backend import to_host
from firstlight.tools.figures.saliency import with_maps
from firstlight.tools.language import say


def occlusion_map(module, x, y, *, size=None, stride=None, value=None):
    """Return how much probability of a class is lost where a patch covers the image.

    Formula, with p the softmax of module(x), and the patches k that cover pixel (i, j)::

        map_ij = mean_k [p_y(x) - p_y(x with patch k covered)]

    Parameters
    ----------
    module : Module
        Gives scores (N, C); run in evaluation mode.
    x : array, shape (N, H, W, C)
    y : array of int, shape (N,)
    size : int, optional
        Side of the square patch; a quarter of the height.
    stride : int, optional
        From one patch to the next; a quarter of the patch.
    value : float, optional
        What to cover with; the smallest value in x: black.

    Returns
    -------
    array, shape (N, H, W)

    Raises
    ------
    ValueError
        x is no images; a patch that does not fit, or a stride that leaves gaps.

    References
    ----------
    Zeiler, Fergus, "Visualizing and understanding convolutional networks", ECCV 2014, section 4.2.
    """
    if x.ndim != 4:
        raise ValueError(f"occlusion_map: expected images (N, H, W, C), got {x.shape}")
    n, height, width, _ = x.shape
    size = max(1, height // 4) if size is None else size
    stride = max(1, size // 4) if stride is None else stride
    if not 1 <= size <= min(height, width) or not 1 <= stride <= size:
        raise ValueError(
            f"occlusion_map: expected a size from 1 to {min(height, width)} and a stride from 1 "
            f"to the size, got {size} and {stride}"
        )
    value = x.min() if value is None else value
    training = module.training
    module.eval()
    rows = np.arange(n)
    before = _probabilities(module, x)[rows, y]  # (N,)
    lost, covered = np.zeros((n, height, width)), np.zeros((height, width))
    for top in _starts(height, size, stride):
        for left in _starts(width, size, stride):
            patch = np.s_[top : top + size, left : left + size]
            hidden = x.copy()
            hidden[:, *patch] = value
            loss = before - _probabilities(module, hidden)[rows, y]
            lost[:, *patch] += loss[:, None, None]
            covered[patch] += 1
    module.train(training)
    return lost / covered


def occlusion(images, maps, titles=None, *, title=None):
    """Show images, and below each the probability that is lost where it is covered.

    Parameters
    ----------
    images : array, shape (N, H, W, C)
    maps : array, shape (N, H, W)
        From `occlusion_map`.
    titles : list of str, optional
    title : str, optional
        By default what is shown.

    Returns
    -------
    matplotlib.figure.Figure
    """
    title = say("Occlusion: where covering it costs confidence") if title is None else title
    maps = np.asarray(maps)
    high = max(float(maps.max()), 1e-3)
    return with_maps(images, maps, titles, title, say("probability lost"), (0, high))


def _starts(length, size, stride):
    """Return where patches begin, the last one at the far border."""
    return sorted({*range(0, length - size, stride), length - size})


def _probabilities(module, x):
    scores = to_host(module(x))
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
