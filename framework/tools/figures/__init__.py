"""Figures: functions that turn arrays into matplotlib figures, and those that make the arrays."""

from firstlight.tools.figures.attention_maps import attention_maps, attention_weights
from firstlight.tools.figures.canvas import save
from firstlight.tools.figures.confusion import confusion_counts, confusion_matrix
from firstlight.tools.figures.curves import curves
from firstlight.tools.figures.feature_maps import feature_maps, image_outputs
from firstlight.tools.figures.filters import filters, first_weights
from firstlight.tools.figures.fitting import coefficients, error_curves, fitted_curves, spread
from firstlight.tools.figures.histograms import histograms
from firstlight.tools.figures.image_grid import image_grid
from firstlight.tools.figures.mistakes import mistakes, worst_mistakes
from firstlight.tools.figures.occlusion import occlusion, occlusion_map
from firstlight.tools.figures.overlay import overlay, smoothed
from firstlight.tools.figures.predictions import predictions
from firstlight.tools.figures.saliency import input_gradient, saliency
from firstlight.tools.figures.sweep import (
    importance_bars,
    parallel_coordinates,
    search_progress,
    slices,
)

__all__ = [
    "attention_maps",
    "attention_weights",
    "coefficients",
    "confusion_counts",
    "confusion_matrix",
    "curves",
    "error_curves",
    "feature_maps",
    "filters",
    "first_weights",
    "fitted_curves",
    "histograms",
    "image_grid",
    "image_outputs",
    "importance_bars",
    "input_gradient",
    "mistakes",
    "occlusion",
    "occlusion_map",
    "overlay",
    "parallel_coordinates",
    "predictions",
    "saliency",
    "save",
    "search_progress",
    "slices",
    "smoothed",
    "spread",
    "worst_mistakes",
]
