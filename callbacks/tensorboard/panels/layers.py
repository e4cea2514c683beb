"""Histograms of parameters, their gradients, and of what the layers give."""

from firstlight.callbacks._shared.activations import layer_outputs
from firstlight.callbacks.tensorboard.panels.panel import Panel


class Parameters(Panel):
    """The values of each parameter after an epoch, as ``parameters/...``."""

    def epoch_end(self, scene):
        """Write them."""
        for name, parameter in scene.module.named_parameters():
            scene.events.histogram(f"parameters/{name}", parameter.data, scene.step)


class Gradients(Panel):
    """The gradients from which an epoch's last step was made, as ``gradients/...``."""

    def before_step(self, scene):
        """Write them; they belong to the step that is about to be made."""
        for name, parameter in scene.module.named_parameters():
            scene.events.histogram(f"gradients/{name}", parameter.grad, scene.step + 1)


class Activations(Panel):
    """What each layer gives for the same few samples, as ``activations/...``."""

    def epoch_end(self, scene):
        """Run the model once more, and write what its layers gave."""
        if scene.x is not None:
            for name, y in layer_outputs(scene.module, scene.x).items():
                scene.events.histogram(f"activations/{name}", y, scene.step)
