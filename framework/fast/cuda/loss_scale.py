"""LossScale on a GPU: in two kernels."""

from typing import Any

from firstlight.fast.cuda.kernel import blocks_for, launch, usable
from firstlight.optim.loss_scale import BAD, LossScale
from firstlight.support.array import Array
from firstlight.support.forms import form


def scale_on_gpu(loss_scale: LossScale, _: Any) -> bool:
    """A scale on a GPU, on a machine where our kernels compile."""
    return usable(loss_scale.scale)


@form(LossScale, when=[scale_on_gpu])
class CudaLossScale:
    """Decide on the GPU, in one launch each."""

    def unscale(self, loss_scale: LossScale, g: Array) -> None:
        scale, counts = loss_scale.scale, loss_scale.counts
        counts[BAD] = 0
        launch("scaling", "unscale", g, blocks_for(g.size), g, scale, counts, g.size)

    def update(self, loss_scale: LossScale) -> None:
        scale, counts = loss_scale.scale, loss_scale.counts
        arguments = (scale, counts, loss_scale.growth_interval)
        launch("scaling", "next_scale", scale, 1, *arguments, block=1)
