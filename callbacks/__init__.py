"""Callbacks that watch and steer a training, by class or by name; and the names of metrics."""

from firstlight.callbacks.averaging import EMA, SWA
from firstlight.callbacks.batch_size_finder import BatchSizeFinder
from firstlight.callbacks.check import Check
from firstlight.callbacks.confusion_matrix import ConfusionMatrix
from firstlight.callbacks.decision_boundary import DecisionBoundary
from firstlight.callbacks.distributions import Distributions
from firstlight.callbacks.early_stopping import EarlyStopping
from firstlight.callbacks.evaluation_metrics import Metrics
from firstlight.callbacks.fingerprints import Fingerprints
from firstlight.callbacks.freeze import Freeze
from firstlight.callbacks.gradient_clip import GradientClip
from firstlight.callbacks.keep_samples import SampleResults
from firstlight.callbacks.lambda_callback import LambdaCallback
from firstlight.callbacks.layer_monitor import LayerMonitor
from firstlight.callbacks.live_curves import LiveCurves
from firstlight.callbacks.loss_spike import LossSpike
from firstlight.callbacks.lr_finder import LRFinder
from firstlight.callbacks.lr_monitor import LRMonitor
from firstlight.callbacks.lr_schedule import LRSchedule
from firstlight.callbacks.model_checkpoint import ModelCheckpoint
from firstlight.callbacks.nan_guard import NaNGuard
from firstlight.callbacks.plots import Plots
from firstlight.callbacks.profiler import Profiler
from firstlight.callbacks.progress_bar import ProgressBar
from firstlight.callbacks.tensorboard.callback import TensorBoard
from firstlight.callbacks.text_samples import TextSamples
from firstlight.callbacks.throughput import Throughput
from firstlight.callbacks.timer import Timer
from firstlight.callbacks.tracker import Tracker
from firstlight.hookspecs import hookimpl
from firstlight.plugins import Registry

__all__ = [
    "EMA",
    "SWA",
    "BatchSizeFinder",
    "Check",
    "ConfusionMatrix",
    "DecisionBoundary",
    "Distributions",
    "EarlyStopping",
    "Fingerprints",
    "Freeze",
    "GradientClip",
    "LRFinder",
    "LRMonitor",
    "LRSchedule",
    "LambdaCallback",
    "LayerMonitor",
    "LiveCurves",
    "LossSpike",
    "Metrics",
    "ModelCheckpoint",
    "NaNGuard",
    "Plots",
    "Profiler",
    "ProgressBar",
    "SampleResults",
    "TensorBoard",
    "TextSamples",
    "Throughput",
    "Timer",
    "Tracker",
]


@hookimpl
def register_callbacks(registry: Registry) -> None:
    """Register firstlight's own callbacks, except those that need code: LambdaCallback, Tracker."""
    registry.add("batch_size_finder", BatchSizeFinder)
    registry.add("check", Check)
    registry.add("confusion_matrix", ConfusionMatrix)
    registry.add("decision_boundary", DecisionBoundary)
    registry.add("distributions", Distributions)
    registry.add("early_stopping", EarlyStopping)
    registry.add("ema", EMA)
    registry.add("fingerprints", Fingerprints)
    registry.add("freeze", Freeze)
    registry.add("gradient_clip", GradientClip)
    registry.add("layer_monitor", LayerMonitor)
    registry.add("live_curves", LiveCurves)
    registry.add("loss_spike", LossSpike)
    registry.add("lr_finder", LRFinder)
    registry.add("lr_monitor", LRMonitor)
    registry.add("lr_schedule", LRSchedule)
    registry.add("metrics", Metrics)
    registry.add("model_checkpoint", ModelCheckpoint)
    registry.add("nan_guard", NaNGuard)
    registry.add("param_schedule", LRSchedule)  # a second one, for another hyper-parameter
    registry.add("plots", Plots)
    registry.add("profiler", Profiler)
    registry.add("progress_bar", ProgressBar)
    registry.add("sample_results", SampleResults)
    registry.add("swa", SWA)
    registry.add("tensorboard", TensorBoard)
    registry.add("text_samples", TextSamples)
    registry.add("throughput", Throughput)
    registry.add("timer", Timer)


@hookimpl
def register_metrics(registry: Registry) -> None:
    """Register firstlight's own metrics; `firstlight.training.named_metrics` has their variants."""
    registry.add("accuracy", "firstlight.metrics:Accuracy")
    registry.add("auc", "firstlight.metrics:AUC")
    registry.add("balanced_accuracy", "firstlight.metrics:BalancedAccuracy")
    registry.add("f1", "firstlight.metrics:F1")
    registry.add("mae", "firstlight.metrics:MAE")
    registry.add("mcc", "firstlight.metrics:MatthewsCorrelation")
    registry.add("mse", "firstlight.metrics:MSE")
    registry.add("perplexity", "firstlight.metrics:Perplexity")
    registry.add("precision", "firstlight.metrics:Precision")
    registry.add("r2", "firstlight.metrics:R2")
    registry.add("recall", "firstlight.metrics:Recall")
    registry.add("rmse", "firstlight.metrics:RMSE")
    registry.add("top5", "firstlight.metrics:TopK")
