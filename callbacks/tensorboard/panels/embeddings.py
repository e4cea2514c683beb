"""The samples as the last layer sees them, for TensorBoard's PROJECTOR tab."""

import numpy as np

from firstlight.callbacks._shared.activations import layer_outputs
from firstlight.callbacks.tensorboard.events import write_projector
from firstlight.callbacks.tensorboard.panels.panel import Panel
from firstlight.support.backend import to_host
from firstlight.support.files import forgiving


class Embeddings(Panel):
    """Validation samples where the trained model's last layer finds them, with their classes.

    TensorBoard projects them on two or three axes (PCA, t-SNE, UMAP). For classifiers.
    """

    needs_samples = 1000

    def end(self, scene):
        """Write them."""
        if not scene.samples or scene.samples[0][1].ndim != 1:
            return
        vectors = np.concatenate([_before_last(scene.module, x) for x, _ in scene.samples])
        target = np.concatenate([to_host(y) for _, y in scene.samples])
        x = np.concatenate([to_host(x) for x, _ in scene.samples])
        images = x if x.ndim == 4 and x.shape[3] in (1, 3) else None
        folder = scene.trainer.run.path
        with forgiving(f"the projector's files in {folder}"):
            write_projector(folder, vectors, scene.names_of(target), images)


def _before_last(module, x):
    """Return what goes into the last layer that has parameters, shape (N, D)."""
    outputs = layer_outputs(module, x)
    layers = dict(module.named_modules())
    names = list(outputs)
    last = max((i for i, name in enumerate(names) if layers[name].parameters()), default=0)
    before = outputs[names[last - 1]] if last else x
    return to_host(before).reshape(len(x), -1)
