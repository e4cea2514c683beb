"""Albums: all figures that suit a model and its data, for `firstlight look` and reports."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.data.splits import DataSplits
from firstlight.module import Module
from firstlight.support.array import Array
from firstlight.support.backend import to_host
from firstlight.tools.figures.attention import attention_maps, attention_weights
from firstlight.tools.figures.attribution import input_gradient, occlusion, occlusion_map, saliency
from firstlight.tools.figures.calibration import calibration
from firstlight.tools.figures.canvas import fitting
from firstlight.tools.figures.classification import (
    confusion_counts,
    confusion_matrix,
    mistakes,
    worst_mistakes,
)
from firstlight.tools.figures.embedding import embedding, layer_vectors, projected
from firstlight.tools.figures.images import feature_maps, image_outputs
from firstlight.tools.figures.labels import as_labels, ignored_by
from firstlight.tools.figures.ranking import precision_recall_curves, roc_curves
from firstlight.tools.figures.style import widest
from firstlight.tools.figures.weights import filters, first_weights
from firstlight.tools.language import say
from firstlight.training.means import as_probabilities

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WORST = 24  # mistakes
SHOWN = 10  # images in saliency and occlusion
LAYERS = 8  # whose feature maps or attention are shown, at most
TOKENS = 40  # of a text, at most
EMBEDDED = 1000  # samples in an embedding, at most
TITLES = {"pca": "PCA", "tsne": "t-SNE"}
POSTER_ROWS = 3  # of mistakes in a narrow figure; saliency and occlusion have two


def album(
    module: Module,
    data: Any,
    scores: Array,
    classes: Sequence[str],
    *,
    method: str = "pca",
    layer: str = "",
) -> "Iterator[tuple[str, Figure]]":
    """Yield ``(name, figure)`` of all figures that suit a trained classifier and its data.

    For images (H, W, C) these are mistakes, filters, saliency and occlusion too; `feature_maps`
    need layers whose output is images.

    Parameters
    ----------
    module : Module
    data : data set
        Of batches (x, y) with class indices y.
    scores : array, shape (N, C)
        The module's output for all of it, or for its first samples.
    classes : list of str
    method : {"pca", "tsne"}
        Of the embedding of the first 1,000 samples.
    layer : str
        The embedding shows its output; by default the input of the last layer with parameters.

    Raises
    ------
    TypeError, ValueError
        The data are those of several splits; there is not one score for each class.

    Warns
    -----
    UserWarning
        Nothing is drawn, as scores are NaN.
    """
    if isinstance(data, DataSplits):
        raise TypeError("album: expected data of one split, e.g. splits.test, got a DataSplits")
    if scores.shape[1:] != (len(classes),):
        raise ValueError(
            f"album: expected scores of shape (N, {len(classes)}), one for each class, got "
            f"{scores.shape}"
        )
    y, ignored = as_labels("album", data[np.arange(len(scores))][1]), ignored_by(module)
    predicted, probabilities = scores.argmax(axis=1), as_probabilities(scores)
    if undefined := int((~np.isfinite(probabilities)).any(axis=1).sum()):
        warnings.warn(
            f"album: nothing is drawn, as scores of {undefined:,} of {len(scores):,} samples are "
            "NaN or infinite; if the training has diverged, choose an earlier checkpoint",
            stacklevel=2,
        )
        return
    counts = confusion_counts(y, predicted, len(classes), ignore_index=ignored)
    yield "confusion_matrix", confusion_matrix(counts, classes)
    counted = np.flatnonzero(y != ignored)
    if len(counted):
        judged = y, probabilities, list(map(str, classes))
        yield "calibration", calibration(*judged, ignore_index=ignored)
        if len(np.unique(y[counted])) > 1:
            yield "roc", roc_curves(*judged, ignore_index=ignored)
            yield "precision_recall", precision_recall_curves(*judged, ignore_index=ignored)
    x = data[np.arange(1)][0]
    if getattr(x, "ndim", 0) == 4 and x.shape[3] in (1, 3):
        yield from _image_album(module, data, y, predicted, probabilities, classes, ignored)
    if len(counted) > 2:
        counted = counted[:EMBEDDED]
        vectors = layer_vectors(module, data[counted][0], layer)
        if np.isfinite(vectors).all():
            points = projected(vectors, method)
            yield "embedding", embedding(points, y[counted], classes, title=_title(method, layer))
    if getattr(x, "ndim", 0) == 4:
        for name, maps in list(image_outputs(module, x).items())[:LAYERS]:
            title = f"{name}: {maps.shape[3]} maps of {maps.shape[1]} x {maps.shape[2]}"
            yield f"feature_maps_{name}", feature_maps(maps[0], title=title)


def attention_album(
    module: Module, x: Array, tokenizer: Any = None
) -> "Iterator[tuple[str, Figure]]":
    """Yield ``(name, figure)`` of the attention weights of a model's layers for one sample.

    Parameters
    ----------
    module : Module
        Without attention layers nothing is yielded.
    x : array, shape (N, ...)
        The first sample is shown; of tokens (N, T) the first 40.
    tokenizer : Tokenizer, optional
        By which tokens are shown as text; else positions are numbered.
    """
    x = x[:1] if tokenizer is None else x[:1, :TOKENS]
    for name, weights in list(attention_weights(module, x).items())[:LAYERS]:
        count = weights.shape[2]
        if tokenizer is None:
            tokens = [str(position) for position in range(count)]
        else:
            tokens = [tokenizer.decode([int(token)]) for token in to_host(x)[0]]
        keys = tokens if weights.shape[3] == count else list(map(str, range(weights.shape[3])))
        figure = attention_maps(weights[0], tokens, keys=keys, title=name)
        yield f"attention/{name}", figure


def _image_album(module, data, y, predicted, probabilities, classes, ignored):
    """Yield the figures that need images."""

    def images(indices):
        return data[np.asarray(indices)][0]

    shape, count, narrow = images([0]).shape[1:], WORST, isfinite(widest())
    columns, _ = fitting(WORST, 8, shape, titled=True)
    if narrow:
        count = POSTER_ROWS * columns
    wrong = worst_mistakes(y, probabilities, count, ignore_index=ignored)
    if len(wrong):
        yield "mistakes", mistakes(images(wrong), y[wrong], probabilities[wrong], classes)
    with suppress(ValueError):  # a first layer that does not see whole images, e.g. a row at a time
        yield "filters", filters(first_weights(module, shape))
    shown = []
    for label in np.unique(y[y != ignored])[: min(SHOWN, 2 * columns) if narrow else SHOWN]:
        here = np.flatnonzero(y == label)
        right = here[predicted[here] == label]  # one image a class, rightly predicted if any
        shown.append(int(right[0] if len(right) else here[0]))
    if not shown:
        return
    x, names = images(shown), [str(classes[label]) for label in y[shown]]
    yield "saliency", saliency(x, input_gradient(module, x, y[shown]), names)
    yield "occlusion", occlusion(x, occlusion_map(module, x, y[shown]), names)


def _title(method, layer):
    place = layer or say("input of the last layer")
    return f"{TITLES[method]}: {place}"
