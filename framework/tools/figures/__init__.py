"""Figures: functions that draw arrays with matplotlib, and functions that compute the arrays."""

from firstlight.tools.figures.album import album, attention_album
from firstlight.tools.figures.attention import attention_maps, attention_weights
from firstlight.tools.figures.attribution import input_gradient, occlusion, occlusion_map, saliency
from firstlight.tools.figures.calibration import (
    calibration,
    calibration_bins,
    expected_calibration_error,
)
from firstlight.tools.figures.canvas import save
from firstlight.tools.figures.classification import (
    confusion_counts,
    confusion_matrix,
    mistakes,
    worst_mistakes,
)
from firstlight.tools.figures.decision import animation, decision_boundary, decision_grid
from firstlight.tools.figures.embedding import embedding, layer_vectors, projected
from firstlight.tools.figures.images import feature_maps, image_grid, image_outputs
from firstlight.tools.figures.landscape import landscape, loss_landscape
from firstlight.tools.figures.layer_courses import layer_courses
from firstlight.tools.figures.learning_curves import curves
from firstlight.tools.figures.network import network_diagram
from firstlight.tools.figures.overlaid_curves import bands, overlay, smoothed
from firstlight.tools.figures.ranking import (
    average_precision,
    precision_recall_curves,
    precision_recall_points,
    roc_curves,
    roc_points,
)
from firstlight.tools.figures.regression import (
    coefficients,
    error_curves,
    fitted_curves,
    predictions,
    spread,
)
from firstlight.tools.figures.roofline import layer_times
from firstlight.tools.figures.spread_over_time import distributions, quantiles_of
from firstlight.tools.figures.style import printed
from firstlight.tools.figures.sweep import (
    importance_bars,
    parallel_coordinates,
    search_progress,
    slices,
)
from firstlight.tools.figures.tables import numbers
from firstlight.tools.figures.weights import filters, first_weights, histograms

__all__ = [
    "album",
    "animation",
    "attention_album",
    "attention_maps",
    "attention_weights",
    "average_precision",
    "bands",
    "calibration",
    "calibration_bins",
    "coefficients",
    "confusion_counts",
    "confusion_matrix",
    "curves",
    "decision_boundary",
    "decision_grid",
    "distributions",
    "embedding",
    "error_curves",
    "expected_calibration_error",
    "feature_maps",
    "filters",
    "first_weights",
    "fitted_curves",
    "histograms",
    "image_grid",
    "image_outputs",
    "importance_bars",
    "input_gradient",
    "landscape",
    "layer_courses",
    "layer_times",
    "layer_vectors",
    "loss_landscape",
    "mistakes",
    "network_diagram",
    "numbers",
    "occlusion",
    "occlusion_map",
    "overlay",
    "parallel_coordinates",
    "precision_recall_curves",
    "precision_recall_points",
    "predictions",
    "printed",
    "projected",
    "quantiles_of",
    "roc_curves",
    "roc_points",
    "saliency",
    "save",
    "search_progress",
    "slices",
    "smoothed",
    "spread",
    "worst_mistakes",
]
