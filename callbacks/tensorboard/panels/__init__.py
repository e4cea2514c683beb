"""Panels: what the `TensorBoard` callback shows besides curves, one kind a file."""

from firstlight.callbacks.tensorboard.panels.embeddings import Embeddings
from firstlight.callbacks.tensorboard.panels.layers import Activations, Gradients, Parameters
from firstlight.callbacks.tensorboard.panels.model_graph import ModelGraph
from firstlight.callbacks.tensorboard.panels.pictures import Pictures
from firstlight.callbacks.tensorboard.panels.pr_curves import PRCurves

__all__ = [
    "Activations",
    "Embeddings",
    "Gradients",
    "ModelGraph",
    "PRCurves",
    "Parameters",
    "Pictures",
]
