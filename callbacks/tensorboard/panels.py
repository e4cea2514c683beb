"""Panels of the `TensorBoard` callback: graph, histograms, images, curves and embeddings."""

import warnings
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from firstlight.callbacks._shared.activations import layer_outputs
from firstlight.callbacks.tensorboard.scene import Scene
from firstlight.support.array import Array
from firstlight.support.backend import to_host
from firstlight.support.files import forgiving
from firstlight.tools.layer_graph import model_graph

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GRAPH_SAMPLES = 2  # enough to see shapes
SHOWN = 32  # samples
CLASSES = 20  # with a precision-recall curve, at most
SHEET = 8192  # pixels: TensorBoard takes no larger sheet of images for the projector


class Panel:
    """Base class of panels; a subclass overrides the hooks that it needs.

    Attributes
    ----------
    needs_scores : bool
        Whether `Scene` gathers the scores of validations.
    needs_samples : int
        Validation samples to keep.
    """

    needs_scores = False
    needs_samples = 0

    def before_step(self, scene: Scene) -> None:
        """Write before the optimizer's last step of an epoch."""

    def epoch_end(self, scene: Scene) -> None:
        """Write at the end of an epoch."""

    def end(self, scene: Scene) -> None:
        """Write when the model is trained."""


class ModelGraph(Panel):
    """The graph of the layers, once (GRAPHS tab)."""

    def epoch_end(self, scene: Scene) -> None:
        """Write it after the first epoch; a model that cannot be traced is a warning."""
        if scene.x is None or not scene.first_time("graph"):
            return
        try:
            nodes = model_graph(scene.module, scene.x[:GRAPH_SAMPLES])
        except Exception as error:  # a user's forward may do anything, and is not at fault
            if scene.module.steps_by_hand:  # a GAN's forward takes noise, not the batch
                return
            warnings.warn(
                f"TensorBoard: the graph of {type(scene.module).__name__} cannot be drawn "
                f"({type(error).__name__}: {error}); TensorBoard(graph=False) leaves it out",
                stacklevel=2,
            )
            return
        scene.writer.add_model_graph(nodes)


class Parameters(Panel):
    """The values of each parameter after an epoch, as ``parameters/...``."""

    def epoch_end(self, scene: Scene) -> None:
        """Write them."""
        for name, parameter in scene.module.named_parameters():
            scene.writer.add_values(f"parameters/{name}", parameter.data, scene.step)


class Gradients(Panel):
    """The gradients of an epoch's last step, as ``gradients/...``."""

    def before_step(self, scene: Scene) -> None:
        """Write them at the number of the step that follows."""
        flat = (scene.optimizer.flat, None)  # not of another optimizer
        for name, parameter in scene.module.named_parameters():
            if parameter.flat in flat:
                scene.writer.add_values(f"gradients/{name}", parameter.grad, scene.step + 1)


class Activations(Panel):
    """The output of each layer for the same few samples, as ``activations/...``."""

    def epoch_end(self, scene: Scene) -> None:
        """Run the model once more, and write the outputs of its layers."""
        if scene.x is not None:
            for name, y in layer_outputs(scene.module, scene.x).items():
                scene.writer.add_values(f"activations/{name}", y, scene.step)


class Pictures(Panel):
    """The pictures that suit the model and its data.

    The samples once; after each epoch the first layer's filters, for classifiers the most
    confident mistakes, confusion matrix and calibration of the validation, and for models with
    attention the attention of each head.
    """

    needs_scores = True

    def epoch_end(self, scene: Scene) -> None:
        """Draw and write them."""
        from firstlight.tools.figures.canvas import as_bytes

        for name, figure in self._figures(scene):
            scene.writer.add_png(name, as_bytes(figure, dpi=100), scene.step)

    def _figures(self, scene: Scene) -> "Iterator[tuple[str, Figure]]":
        from firstlight.tools import figures

        x = None if scene.x is None else to_host(scene.x)
        if are_images(x):
            if scene.first_time("samples"):
                yield "samples", figures.image_grid(x[:SHOWN], self._titles(scene))
            with suppress(ValueError):  # a first layer that does not see whole images
                yield "filters", figures.filters(figures.first_weights(scene.module, x.shape[1:]))
        if scene.target:
            target, probabilities = map(np.concatenate, (scene.target, scene.probabilities))
            names = scene.class_names(probabilities.shape[1])
            counts = figures.confusion_counts(target, probabilities.argmax(axis=1), len(names))
            yield "confusion_matrix/val", figures.confusion_matrix(counts, names)
            if np.isfinite(probabilities).all():
                yield "calibration/val", figures.calibration(target, probabilities, names)
            if are_images(scene.worst[0]) and len(scene.worst[0]):
                yield "mistakes/val", figures.mistakes(*scene.worst, names)
        if x is not None:
            tokenizer = scene.trainer.data.tokenizer
            yield from figures.attention_album(scene.module, scene.x, tokenizer)

    @staticmethod
    def _titles(scene: Scene) -> list[str] | None:
        y = None if scene.y is None else to_host(scene.y)[:SHOWN]
        if y is None or y.ndim != 1 or y.dtype.kind not in "iu":
            return None
        return scene.names_of(y)


class PRCurves(Panel):
    """Precision-recall curves of each class against all others."""

    needs_scores = True

    def epoch_end(self, scene: Scene) -> None:
        """Write the curves of the latest validation."""
        if scene.target:
            target = np.concatenate(scene.target)
            probabilities = np.nan_to_num(np.concatenate(scene.probabilities))  # (N, C)
            names = scene.class_names(probabilities.shape[1])
            for label, name in enumerate(names[:CLASSES]):
                scores = probabilities[:, label]
                scene.writer.add_pr_curve(f"pr_curves/{name}", target == label, scores, scene.step)


class Embeddings(Panel):
    """Inputs of the trained model's last layer for validation samples (PROJECTOR tab).

    TensorBoard projects them on two or three axes (PCA, t-SNE, UMAP). For classifiers.
    """

    needs_samples = 1000

    def end(self, scene: Scene) -> None:
        """Write vectors, names of classes and images."""
        from firstlight.tools.figures import layer_vectors

        if not scene.samples or scene.samples[0][1].ndim != 1:
            return
        vectors = np.concatenate([layer_vectors(scene.module, x) for x, _ in scene.samples])
        target = np.concatenate([to_host(y) for _, y in scene.samples])
        images = np.concatenate([to_host(x) for x, _ in scene.samples])
        names = [" ".join(name.split()) or "-" for name in scene.names_of(target)]
        with (
            forgiving(f"the projector's files in {scene.trainer.run.path}"),
            np.errstate(all="ignore"),  # tensorboardX leaves the sheet's last rows unset
        ):
            scene.writer.add_embedding(
                vectors.astype(np.float64).round(6),  # short numbers: they are written as text
                names,
                _squares(images) if are_images(images) else None,
                scene.step,
                "embedding",
            )


def are_images(x: Array | None) -> bool:
    """Return whether an array is one of images (N, H, W, C) that can be drawn."""
    return x is not None and x.ndim == 4 and x.shape[3] in (1, 3)


def _squares(images: Array) -> Array | None:
    """Return images (N, H, W, C) as (N, C, S, S) of 0 ... 1, grey ones dark on light.

    None if a sheet of them all would be too large.
    """
    count, height, width, channels = images.shape
    side = max(height, width)
    if side * int(np.ceil(np.sqrt(count))) > SHEET:
        return None
    low, high = float(images.min()), float(images.max())
    squares = np.zeros((count, side, side, channels))
    squares[:, :height, :width] = (images - low) / ((high - low) or 1.0)
    return (1 - squares if channels == 1 else squares).transpose(0, 3, 1, 2)
