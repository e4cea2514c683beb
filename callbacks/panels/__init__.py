"""Panels: what the `TensorBoard` callback shows besides curves, one kind a file."""

from firstlight.callbacks.panels.embeddings import Embeddings
from firstlight.callbacks.panels.layers import Activations, Gradients, Parameters
from firstlight.callbacks.panels.model_graph import ModelGraph
from firstlight.callbacks.panels.pictures import Pictures
from firstlight.callbacks.panels.pr_curves import PRCurves

__all__ = [
    "Activations",
    "Embeddings",
    "Gradients",
    "ModelGraph",
    "PRCurves",
    "Parameters",
    "Pictures",
]
