"""TensorBoard: the callback, the panels it shows, and the files that it writes."""

from firstlight.callbacks.tensorboard.callback import TensorBoard

__all__ = ["TensorBoard"]
