"""Events: the files that TensorBoard reads, written by us."""

from firstlight.events.events_file import EventsFile
from firstlight.events.graph import model_graph
from firstlight.events.names import flatten, tag
from firstlight.events.projector import write_projector

__all__ = ["EventsFile", "flatten", "model_graph", "tag", "write_projector"]
