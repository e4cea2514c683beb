"""TensorBoard: the callback, the panels it shows, and the writer of its files."""

from firstlight.callbacks.tensorboard.callback import TensorBoard

__all__ = ["TensorBoard"]
