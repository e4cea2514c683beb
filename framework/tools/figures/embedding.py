"""Embedding: the samples as a layer sees them, projected to two axes by PCA or t-SNE."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from firstlight.module import Module
from firstlight.support.arguments import parse_choice
from firstlight.support.array import Array
from firstlight.support.backend import to_host
from firstlight.support.batches import mapped, sample_count
from firstlight.tools.figures.canvas import page, plain
from firstlight.tools.figures.labels import as_labels
from firstlight.tools.figures.style import COLOURS, MARKERS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METHODS = ("pca", "tsne")
PERPLEXITY = 30.0
BATCH = 64  # samples that run through the module at a time
NAMED = 30  # classes with a name in the figure, at most


def layer_vectors(module: Module, x: Array, layer: str = "") -> Array:
    """Run a module in evaluation mode; return a layer's output for each sample, flattened.

    Parameters
    ----------
    module : Module
    x : array, shape (N, ...)
    layer : str
        As in `Module.named_modules`; by default the input of the last layer that has parameters.

    Returns
    -------
    array, shape (N, D)

    Raises
    ------
    ValueError
        No layer of this name ran, or its output is no array with a row for each sample.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> from firstlight.tools.figures import layer_vectors
    >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> layer_vectors(net, np.ones((5, 4), "float32")).shape
    (5, 8)
    """
    starts = range(0, sample_count(x), BATCH)
    parts = [mapped(lambda array, s=s: array[s : s + BATCH], x) for s in starts] or [x]
    return np.concatenate([_vectors(module, part, layer) for part in parts])


def _vectors(module, x, layer):
    """Return the vectors of one batch: the recording keeps the outputs of all layers."""
    from firstlight.tools.diagnose.probes.recorded_calls import recorded_evaluation

    calls = recorded_evaluation(module, x)
    if layer:
        found = [call.output for call in calls if call.name == layer]
    else:
        found = [call.inputs[0] for call in calls if call.has_parameters] or [x]
    if not found:
        names = ", ".join(dict.fromkeys(call.name for call in calls if call.name))
        raise ValueError(f"layer_vectors: no layer {layer!r} ran; there are {names}")
    vectors = to_host(found[-1][0] if isinstance(found[-1], tuple) else found[-1])
    if np.ndim(vectors) < 2 or len(vectors) != sample_count(x):
        raise ValueError(
            f"layer_vectors: expected a row for each of {sample_count(x)} samples from "
            f"{layer or 'the layer before the last'}, got shape {np.shape(vectors)}"
        )
    return vectors.reshape(sample_count(x), -1)


def projected(vectors: Array, method: str = "pca", *, seed: int = 0) -> Array:
    """Project vectors to two axes.

    Formula of PCA, with the mean m of the rows and the singular vectors of X - m = U S Vᵀ::

        projected = (X - m) [v₁ v₂]

    The sign of each axis is such that its entry of the largest size is positive. t-SNE keeps
    neighbours together; distances between groups, and their sizes, mean nothing there.

    Parameters
    ----------
    vectors : array, shape (N, D)
    method : {"pca", "tsne"}
        t-SNE is scikit-learn's: ``pip install "firstlight[sklearn]"``. It begins with PCA.
    seed : int
        Of t-SNE.

    Returns
    -------
    array, shape (N, 2)

    Raises
    ------
    ValueError
        Another method or shape, less than three vectors, or values that are not finite.

    References
    ----------
    van der Maaten, Hinton, "Visualizing data using t-SNE", JMLR 9, 2008.
    """
    parse_choice("projected: method", method, METHODS)
    x = np.asarray(to_host(vectors), np.float64)
    if x.ndim != 2 or len(x) < 3 or not x.shape[1]:
        raise ValueError(f"projected: expected three or more vectors (N, D), got shape {x.shape}")
    if not np.isfinite(x).all():
        raise ValueError("projected: expected finite vectors, got some with NaN or infinity")
    if method == "tsne":
        try:
            from sklearn.manifold import TSNE
        except ImportError as error:
            raise ImportError(
                'projected: t-SNE needs scikit-learn: pip install "firstlight[sklearn]"'
            ) from error
        perplexity = min(PERPLEXITY, (len(x) - 1) / 3)
        return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(x)
    x = x - x.mean(axis=0)
    axes = np.linalg.svd(x, full_matrices=False)[2][:2]  # (2, D)
    axes = axes * np.sign(np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], 1))
    points = x @ axes.T
    return np.pad(points, [(0, 0), (0, 2 - points.shape[1])])  # of vectors with D = 1


def embedding(points: Array, target: Array, names: Sequence[str], *, title: str = "") -> "Figure":
    """Show projected samples, each class with a colour, a marker, and its name in the middle.

    Parameters
    ----------
    points : array, shape (N, 2)
        From `projected`.
    target : array of int, shape (N,)
    names : list of str
        Of the classes.
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError
        Labels that are not integers.
    ValueError
        Points of another shape or not finite, or labels without a name.
    """
    from matplotlib.patheffects import withStroke

    points, target = np.asarray(to_host(points), float), as_labels("embedding", target)
    if points.shape != (len(target), 2) or not len(points) or not np.isfinite(points).all():
        raise ValueError(
            f"embedding: expected finite points ({len(target)}, 2), one or more, got shape "
            f"{points.shape}"
        )
    if target.min() < 0 or target.max() >= len(names):
        raise ValueError(
            f"embedding: expected classes from 0 to {len(names) - 1}, got {target.min()} to "
            f"{target.max()}"
        )
    figure = page(5.2, 4.8, title)
    axes = figure.add_subplot()
    for index, label in enumerate(np.unique(target)):
        mine = points[target == label]
        colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
        size = 14 if len(points) < 800 else 8
        look = {"marker": marker, "s": size, "linewidths": 0, "alpha": 0.65}
        axes.scatter(*mine.T, color=colour, label=plain(names[label]), **look)
        if index < NAMED:
            middle = np.median(mine, axis=0)
            halo = [withStroke(linewidth=2.5, foreground="white")]
            look = {"ha": "center", "va": "center", "path_effects": halo, "weight": "bold"}
            axes.text(*middle, plain(names[label]), fontsize=10, **look)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color("lightgray")
    axes.set_aspect("equal", "datalim")
    return figure
