"""Callbacks: what watches and steers a training, by class or by name."""

from firstlight.callbacks.averaging import EMA, SWA
from firstlight.callbacks.confusion_matrix import ConfusionMatrix
from firstlight.callbacks.early_stopping import EarlyStopping
from firstlight.callbacks.freeze import Freeze
from firstlight.callbacks.gradient_clip import GradientClip
from firstlight.callbacks.lambda_callback import LambdaCallback
from firstlight.callbacks.lr_schedule import LRSchedule
from firstlight.callbacks.model_checkpoint import ModelCheckpoint
from firstlight.callbacks.nan_guard import NaNGuard
from firstlight.callbacks.progress_bar import ProgressBar
from firstlight.callbacks.tensorboard import TensorBoard
from firstlight.callbacks.text_samples import TextSamples
from firstlight.callbacks.throughput import Throughput
from firstlight.hookspecs import hookimpl

__all__ = [
    "EMA",
    "SWA",
    "ConfusionMatrix",
    "EarlyStopping",
    "Freeze",
    "GradientClip",
    "LRSchedule",
    "LambdaCallback",
    "ModelCheckpoint",
    "NaNGuard",
    "ProgressBar",
    "TensorBoard",
    "TextSamples",
    "Throughput",
]


@hookimpl
def register_callbacks(registry):
    """Offer firstlight's own callbacks by name; `LambdaCallback` needs functions, so not."""
    registry.add("confusion_matrix", ConfusionMatrix)
    registry.add("early_stopping", EarlyStopping)
    registry.add("ema", EMA)
    registry.add("freeze", Freeze)
    registry.add("gradient_clip", GradientClip)
    registry.add("lr_schedule", LRSchedule)
    registry.add("model_checkpoint", ModelCheckpoint)
    registry.add("nan_guard", NaNGuard)
    registry.add("progress_bar", ProgressBar)
    registry.add("swa", SWA)
    registry.add("tensorboard", TensorBoard)
    registry.add("text_samples", TextSamples)
    registry.add("throughput", Throughput)
