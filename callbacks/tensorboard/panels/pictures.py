"""Pictures: samples, filters, mistakes, attention, and the confusion matrix."""

from contextlib import suppress

import numpy as np

from firstlight.callbacks.tensorboard.panels.panel import Panel
from firstlight.support.backend import to_host

SHOWN = 32  # samples
LAYERS = 8  # whose attention is shown, at most
TOKENS = 40  # of a text, at most


class Pictures(Panel):
    """What can be drawn of a model and its data, as far as it can be.

    The samples once; after each epoch the first layer's filters, and for classifiers the most
    confident mistakes and the confusion matrix of the validation; for models with attention
    where each head looks.
    """

    needs_scores = True

    def epoch_end(self, scene):
        """Draw and write them."""
        from firstlight.tools.figures.canvas import as_bytes

        for name, figure in self._figures(scene):
            scene.events.image(name, as_bytes(figure, dpi=100), scene.step)

    def _figures(self, scene):
        from firstlight.tools import figures

        x = None if scene.x is None else to_host(scene.x)
        if is_images(x):
            if scene.first_time("samples"):
                yield "samples", figures.image_grid(x[:SHOWN], self._titles(scene))
            with suppress(ValueError):  # a first layer that does not see whole images
                yield "filters", figures.filters(figures.first_weights(scene.module, x.shape[1:]))
        if scene.target:
            target, probabilities = map(np.concatenate, (scene.target, scene.probabilities))
            names = scene.class_names(probabilities.shape[1])
            counts = figures.confusion_counts(target, probabilities.argmax(axis=1), len(names))
            yield "confusion_matrix/val", figures.confusion_matrix(counts, names)
            if is_images(scene.worst[0]) and len(scene.worst[0]):
                yield "mistakes/val", figures.mistakes(*scene.worst, names)
        if x is not None:
            yield from self._attention(scene)

    @staticmethod
    def _titles(scene):
        """Return the classes of the samples, or None."""
        y = None if scene.y is None else to_host(scene.y)[:SHOWN]
        if y is None or y.ndim != 1 or y.dtype.kind not in "iu":
            return None
        return scene.names_of(y)

    @staticmethod
    def _attention(scene):
        from firstlight.tools import figures

        tokenizer = scene.trainer.tokenizer
        x = scene.x[:1] if tokenizer is None else scene.x[:1, :TOKENS]
        for name, weights in list(figures.attention_weights(scene.module, x).items())[:LAYERS]:
            count = weights.shape[2]
            if tokenizer is None:
                tokens = [str(position) for position in range(count)]
            else:
                tokens = [tokenizer.decode([int(token)]) for token in to_host(x)[0]]
            keys = tokens if weights.shape[3] == count else list(map(str, range(weights.shape[3])))
            figure = figures.attention_maps(weights[0], tokens, keys=keys, title=name)
            yield f"attention/{name}", figure


def is_images(x):
    """Return whether an array is one of images (N, H, W, C) that can be drawn."""
    return x is not None and x.ndim == 4 and x.shape[3] in (1, 3)
