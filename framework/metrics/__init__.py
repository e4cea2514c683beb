"""Metrics by name, which are computed from all predictions instead of averaged over batches.

``Trainer(metrics=["f1", "auc"])`` logs ``val_f1``, ``val_auc``, ``test_f1`` and ``test_auc``. One
file a kind of metric, each with its formula in plain NumPy.
"""

from firstlight.metrics.accuracy import Accuracy, TopK
from firstlight.metrics.auc import AUC
from firstlight.metrics.class_counts import (
    F1,
    BalancedAccuracy,
    MatthewsCorrelation,
    Precision,
    Recall,
)
from firstlight.metrics.metric import Metric, SumMetric
from firstlight.metrics.perplexity import Perplexity
from firstlight.metrics.regression import MAE, MSE, R2, RMSE

__all__ = [
    "AUC",
    "F1",
    "MAE",
    "MSE",
    "R2",
    "RMSE",
    "Accuracy",
    "BalancedAccuracy",
    "MatthewsCorrelation",
    "Metric",
    "Perplexity",
    "Precision",
    "Recall",
    "SumMetric",
    "TopK",
]
