"""album: all figures of a trained classifier."""

from contextlib import suppress

import numpy as np

from firstlight.tools.figures.confusion import confusion_counts, confusion_matrix
from firstlight.tools.figures.feature_maps import feature_maps, image_outputs
from firstlight.tools.figures.filters import filters, first_weights
from firstlight.tools.figures.labels import as_labels, ignored_by
from firstlight.tools.figures.mistakes import mistakes, worst_mistakes
from firstlight.tools.figures.occlusion import occlusion, occlusion_map
from firstlight.tools.figures.saliency import input_gradient, saliency
from firstlight.training.metrics import as_probabilities

SHOWN = 10  # images in saliency and occlusion
LAYERS = 8  # that feature maps are shown of, at most


def album(module, data, scores, classes):
    """Yield ``(name, figure)``, as far as they can be made of a model and its data.

    Without images (H, W, C) there is the confusion matrix only; `feature_maps` need layers whose
    output is images.

    Parameters
    ----------
    module : Module
    data : data set
        Of batches (x, y) with class indices y.
    scores : array, shape (N, C)
        The module's output for all of it.
    classes : list of str
    """
    y, ignored = as_labels("album", data[np.arange(len(scores))][1]), ignored_by(module)
    counts = confusion_counts(y, scores.argmax(axis=1), len(classes), ignore_index=ignored)
    yield "confusion_matrix", confusion_matrix(counts, classes)

    def images(indices):
        return data[np.asarray(indices)][0]

    x = images([0])
    if x.ndim != 4 or x.shape[3] not in (1, 3):
        return
    probabilities = as_probabilities(scores)
    wrong = worst_mistakes(y, probabilities, ignore_index=ignored)
    if len(wrong):
        yield "mistakes", mistakes(images(wrong), y[wrong], probabilities[wrong], classes)
    with suppress(ValueError):  # a first layer that does not see whole images, e.g. a row at a time
        yield "filters", filters(first_weights(module, x.shape[1:]))
    shown = one_of_each(y, scores.argmax(axis=1), ignored)[:SHOWN]
    x, names = images(shown), [str(classes[label]) for label in y[shown]]
    yield "saliency", saliency(x, input_gradient(module, x, y[shown]), names)
    yield "occlusion", occlusion(x, occlusion_map(module, x, y[shown]), names)
    for name, maps in list(image_outputs(module, x[:1]).items())[:LAYERS]:
        title = f"{name}: {maps.shape[3]} maps of {maps.shape[1]} x {maps.shape[2]}"
        yield f"feature_maps_{name}", feature_maps(maps[0], title=title)


def one_of_each(y, predicted, ignored):
    """Return the index of the first sample of each class, one that was predicted right if any."""
    found = []
    for label in np.unique(y[y != ignored]):
        here = np.flatnonzero(y == label)
        right = here[predicted[here] == label]
        found.append(int(right[0] if len(right) else here[0]))
    return np.array(found)
