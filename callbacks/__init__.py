"""Callbacks: what watches and steers a training, by class or by name."""

from firstlight.callbacks.early_stopping import EarlyStopping
from firstlight.callbacks.gradient_clip import GradientClip
from firstlight.callbacks.lambda_callback import LambdaCallback
from firstlight.callbacks.lr_schedule import LRSchedule
from firstlight.callbacks.model_checkpoint import ModelCheckpoint
from firstlight.callbacks.progress_bar import ProgressBar
from firstlight.callbacks.tensorboard import TensorBoard
from firstlight.hookspecs import hookimpl

__all__ = [
    "EarlyStopping",
    "GradientClip",
    "LRSchedule",
    "LambdaCallback",
    "ModelCheckpoint",
    "ProgressBar",
    "TensorBoard",
]


@hookimpl
def register_callbacks(registry):
    """Offer firstlight's own callbacks by name; `LambdaCallback` needs functions, so not."""
    registry.add("early_stopping", EarlyStopping)
    registry.add("gradient_clip", GradientClip)
    registry.add("lr_schedule", LRSchedule)
    registry.add("model_checkpoint", ModelCheckpoint)
    registry.add("progress_bar", ProgressBar)
    registry.add("tensorboard", TensorBoard)
