"""CrossEntropyLoss on a GPU: labels in one pass over the logits each for loss, dx and accuracy."""

from typing import Any

import numpy as np

from firstlight.fast.blocked.cross_entropy import BlockedCrossEntropy
from firstlight.fast.conditions import gpu_stored
from firstlight.fast.cuda.cupy_ops import contiguous
from firstlight.fast.cuda.kernel import BLOCK, launch, launch_rows, real, reals
from firstlight.nn._loss_checks import check_dloss
from firstlight.nn.cross_entropy import CrossEntropyLoss
from firstlight.support.array import Array
from firstlight.support.forms import form, lesson_of
from firstlight.support.half import single

WHOLE = (BLOCK, 1)  # of a kernel with one block


@form(CrossEntropyLoss, when=[gpu_stored])
class CudaCrossEntropy(BlockedCrossEntropy):
    """Compute each row of logits in a warp; target probabilities by CuPy."""

    def forward(self, layer: CrossEntropyLoss, prediction: Array, target: Array) -> Array:
        if target.shape == prediction.shape:
            return self.forward_probabilities(layer, single(prediction), single(target))
        x, t = _rows(prediction), _labels(target)  # (N, C), (N,)
        e, rows = reals(x, x.shape), reals(x, (4, len(x)))
        w, ignored = _class_weights(layer, x), np.int64(layer.ignore_index)
        numbers = (*x.shape, ignored, int(layer.weight is not None), float(layer.label_smoothing))
        launch_rows("cross_entropy", "cross_entropy_rows", x, *x.shape, x, t, w, e, *rows, *numbers)
        d, losses, mean = rows[1], rows[3], None
        if layer.reduction != "none":
            mean = reals(x, (2,))  # and D
            arguments = (losses, d, mean, len(x), int(layer.reduction == "mean"))
            launch("cross_entropy", "mean_loss", x, 1, *arguments, block=WHOLE)
        layer.save(e, rows, t, w, mean, prediction.shape)
        return losses.reshape(target.shape) if mean is None else mean[0]

    def backward(self, layer: CrossEntropyLoss, dloss: Any = 1.0) -> Array:
        saved = layer.saved()
        if saved[2] is None:  # no labels
            return self.differentiate(layer, dloss, *saved)
        e, (s, d, g, _), t, w, mean, shape = saved
        dloss = check_dloss(layer, dloss, e.reshape(shape)[..., 0])
        on_device = hasattr(dloss, "get")
        scales, scale = (dloss, 0.0) if on_device else (s, float(dloss))
        step = min(dloss.ndim, 1) if on_device else -1
        total = np.intp(0) if mean is None else mean[1:]
        arguments = (e, s, g, t, w, d, total, contiguous(scales), scale, step, *e.shape)
        arguments += (int(layer.weight is not None), float(layer.label_smoothing))
        launch_rows("cross_entropy", "cross_entropy_dx", e, *e.shape, *arguments)
        return e.reshape(shape)


@form(CrossEntropyLoss, when=[gpu_stored])
class CudaAccuracy:
    """Count right rows, and rows that are not ignored, of labels without weights."""

    def metrics(
        self,
        layer: CrossEntropyLoss,
        prediction: Array,
        target: Array,
        sample_weight: Array | None = None,
    ) -> dict[str, Any]:
        if target.shape == prediction.shape or sample_weight is not None:
            arguments = single(prediction), single(target), sample_weight
            return lesson_of(CrossEntropyLoss.metrics)(layer, *arguments)
        x, t = _rows(prediction), _labels(target)
        right = reals(x, (len(x),))
        share = np.empty_like(x, shape=(1,), dtype="float64")
        numbers = (*x.shape, np.int64(layer.ignore_index))
        launch_rows("accuracy", "right_rows", x, *x.shape, x, t, right, *numbers)
        launch("accuracy", "share_of_right", x, 1, right, share, len(x), block=WHOLE)
        return {"acc": share[0]}

    def denominators(
        self,
        layer: CrossEntropyLoss,
        prediction: Array,
        target: Array,
        sample_weight: Array | None = None,
    ) -> dict[str, Any]:
        has_weights = sample_weight is not None or layer.weight is not None
        if target.shape == prediction.shape or has_weights:
            lesson = lesson_of(CrossEntropyLoss.denominators)
            return lesson(layer, single(prediction), single(target), sample_weight)
        t, rows = _labels(target), np.empty_like(target, shape=(1,), dtype="int64")
        arguments = (t, rows, t.size, np.int64(layer.ignore_index))
        launch("accuracy", "counted_rows", prediction, 1, *arguments, block=WHOLE)
        return {"loss": rows[0] if layer.reduction == "mean" else None, "acc": rows[0]}


def _rows(x):
    """Return logits (..., C) as contiguous rows (N, C)."""
    return contiguous(x).reshape(-1, x.shape[-1])


def _labels(target):
    """Return labels (...) as a contiguous vector of int64."""
    return contiguous(target.astype("int64", copy=False)).reshape(-1)


def _class_weights(layer, x):
    """Return the weights of the classes; any array if there are none."""
    return (
        x
        if layer.weight is None
        else contiguous(layer.weight.data.astype(real(x.dtype), copy=False))
    )
