"""Events: the files that TensorBoard reads, written by us."""

from firstlight.callbacks.tensorboard.events.events_file import EventsFile
from firstlight.callbacks.tensorboard.events.graph import model_graph
from firstlight.callbacks.tensorboard.events.names import flatten, tag
from firstlight.callbacks.tensorboard.events.projector import write_projector

__all__ = ["EventsFile", "flatten", "model_graph", "tag", "write_projector"]
