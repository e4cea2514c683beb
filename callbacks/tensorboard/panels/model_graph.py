"""The model's graph, once."""

import warnings

from firstlight.callbacks.tensorboard.events import model_graph
from firstlight.callbacks.tensorboard.panels.panel import Panel

SAMPLES = 2  # enough to see shapes


class ModelGraph(Panel):
    """Which layer feeds which, for TensorBoard's GRAPHS tab."""

    def epoch_end(self, scene):
        """Write it after the first epoch; a model that cannot be traced is a warning."""
        if scene.x is None or not scene.first_time("graph"):
            return
        try:
            nodes = model_graph(scene.module, scene.x[:SAMPLES])
        except Exception as error:  # a user's forward may do anything, and is not at fault
            warnings.warn(
                f"TensorBoard: the graph of {type(scene.module).__name__} cannot be drawn "
                f"({type(error).__name__}: {error}); TensorBoard(graph=False) leaves it out",
                stacklevel=2,
            )
            return
        scene.events.graph(nodes)
