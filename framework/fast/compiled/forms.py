"""Compiled forms: the blocked ones with kernels that numba compiles.

The kernels' modules import numba, which takes half a second. So a form is for inputs that repay it,
and the module of its kernels is imported when it first runs.
"""

from firstlight.fast.blocked.convolution import BlockedConv2d, BlockedConvTranspose2d, BlockedSums
from firstlight.fast.blocked.gelu import BlockedGELU
from firstlight.fast.blocked.layernorm import BlockedLayerNorm
from firstlight.fast.blocked.optimizers import BlockedAdam, BlockedAdamW
from firstlight.fast.conditions import (
    compiled,
    float32_parameters,
    many_numbers,
    many_parameters,
    many_products,
    numpy_float32,
)
from firstlight.nn.conv_transpose import ConvTranspose2d
from firstlight.nn.convolution import Conv2d
from firstlight.nn.gelu import GELU
from firstlight.nn.layernorm import LayerNorm
from firstlight.nn.window import Axis
from firstlight.optim.adam import Adam, AdamW
from firstlight.optim.optimizer import Group
from firstlight.support.array import Array
from firstlight.support.forms import form


@form(GELU, when=[numpy_float32, compiled, many_numbers])
class CompiledGELU(BlockedGELU):
    """Compute y and dy/dx in one loop."""

    @staticmethod
    def exact(x: Array, y: Array, dydx: Array | None) -> None:
        from firstlight.fast.compiled.gelu import exact

        exact(x, y, dydx)

    @staticmethod
    def tanh(x: Array, y: Array, dydx: Array | None) -> None:
        from firstlight.fast.compiled.gelu import tanh

        tanh(x, y, dydx)


class CompiledSums(BlockedSums):
    """The sums of convolutions by register tiles, without patches."""

    def correlate(
        self, x: Array, kernels: Array, rows: Axis, columns: Axis, y: Array, bias: Array | None
    ) -> None:
        from firstlight.fast.compiled.convolution import correlate

        correlate(x, kernels, rows, columns, y, bias)

    def group_input_gradient(
        self, dy: Array, w: Array, rows: Axis, columns: Axis, dx: Array
    ) -> None:
        from firstlight.fast.compiled.convolution import input_gradient

        input_gradient(dy, w, rows, columns, dx)

    def group_weight_gradient(self, x: Array, dy: Array, rows: Axis, columns: Axis) -> Array:
        from firstlight.fast.compiled.convolution import weight_gradient

        return weight_gradient(x, dy, rows, columns)

    def correlate_depthwise(
        self, x: Array, w: Array, rows: Axis, columns: Axis, y: Array, bias: Array | None = None
    ) -> None:
        from firstlight.fast.compiled.depthwise import correlate

        correlate(x, w, rows, columns, y, bias)

    def depthwise_weight_gradient(self, x: Array, dy: Array, rows: Axis, columns: Axis) -> Array:
        from firstlight.fast.compiled.depthwise import weight_gradient

        return weight_gradient(x, dy, rows, columns)


@form(Conv2d, when=[numpy_float32, compiled, many_products])
class CompiledConv2d(BlockedConv2d):
    """Sum in registers, tile by tile; `docs/fast.md` tells how."""

    sums = CompiledSums()


@form(ConvTranspose2d, when=[numpy_float32, compiled, many_products])
class CompiledConvTranspose2d(BlockedConvTranspose2d):
    """Sum in registers, tile by tile; `docs/fast.md` tells how."""

    sums = CompiledSums()


@form(LayerNorm, when=[numpy_float32, compiled, many_numbers])
class CompiledLayerNorm(BlockedLayerNorm):
    """Compute each row in two loops."""

    @staticmethod
    def normalise(
        x: Array,
        x_hat: Array,
        rstd: Array,
        y: Array,
        weight: Array | None,
        bias: Array | None,
        eps: float,
    ) -> None:
        from firstlight.fast.compiled.layernorm import normalise

        normalise(x, x_hat, rstd, y, weight, bias, eps)

    @staticmethod
    def differentiate(
        dy: Array, x_hat: Array, rstd: Array, w: Array, dx: Array
    ) -> tuple[Array, Array]:
        from firstlight.fast.compiled.layernorm import differentiate

        return differentiate(dy, x_hat, rstd, w, dx)


@form(Adam, when=[float32_parameters, compiled, many_parameters])
class CompiledAdam(BlockedAdam):
    """Compute the step in one loop."""

    @staticmethod
    def descend(group: Group, t: int, w: Array, g: Array, m: Array, v: Array) -> None:
        from firstlight.fast.compiled.adam import descend

        descend(group, t, w, g, m, v)


@form(AdamW, when=[float32_parameters, compiled, many_parameters])
class CompiledAdamW(BlockedAdamW):
    """Shrink the weights, then step as Adam in one loop."""

    @staticmethod
    def descend(group: Group, t: int, w: Array, g: Array, m: Array, v: Array) -> None:
        CompiledAdam.descend(group, t, w, g, m, v)
