"""Compiled forms: the blocked ones with kernels that numba compiles.

The kernels' modules import numba, which takes half a second. So a form is for inputs that repay it,
and the module of its kernels is imported when it first runs.
"""

from types import ModuleType
from typing import Any

from firstlight.fast.blocked.activations import BlockedReLU
from firstlight.fast.blocked.batchnorm import BlockedBatchNorm, several_ranks
from firstlight.fast.blocked.convolution import BlockedConv2d, BlockedConvTranspose2d, BlockedSums
from firstlight.fast.blocked.gelu import BlockedGELU
from firstlight.fast.blocked.layernorm import BlockedLayerNorm
from firstlight.fast.blocked.linear import BlockedLinear
from firstlight.fast.blocked.pooling import BlockedMaxPool2d
from firstlight.fast.conditions import (
    compiled,
    compiled_tiles,
    float32_parameters,
    many_linear_products,
    many_numbers,
    many_parameters,
    many_products,
    numpy_float32,
    three_by_three,
    without_amsgrad,
)
from firstlight.nn.batchnorm import BatchNorm
from firstlight.nn.conv_transpose import ConvTranspose2d
from firstlight.nn.convolution import Conv2d
from firstlight.nn.gelu import GELU
from firstlight.nn.layernorm import LayerNorm
from firstlight.nn.linear import Linear
from firstlight.nn.pooling import MaxPool2d
from firstlight.nn.relu import ReLU
from firstlight.nn.window import Axis, Window
from firstlight.optim.adam import Adam, AdamW
from firstlight.optim.optimizer import Group, Optimizer
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


@form(ReLU, when=[numpy_float32, compiled, many_numbers])
class CompiledReLU(BlockedReLU):
    """Compute y, and dx, in one loop."""

    @staticmethod
    def positive_part(y: Array, x: Array) -> None:
        from firstlight.fast.compiled.relu import positive_part

        positive_part(y, x)

    @staticmethod
    def where_positive(dx: Array, y: Array, dy: Array) -> None:
        from firstlight.fast.compiled.relu import where_positive

        where_positive(dx, y, dy.astype("float32", copy=False))


class CompiledSums(BlockedSums):
    """The sums of convolutions by register tiles, without patches."""

    def loops(self) -> ModuleType:
        """Return the module with the compiled loops. Importing it imports numba."""
        from firstlight.fast.compiled import convolution

        return convolution

    def correlate(
        self, x: Array, kernels: Array, rows: Axis, columns: Axis, y: Array, bias: Array | None
    ) -> None:
        self.loops().correlate(x, kernels, rows, columns, y, bias)

    def group_input_gradient(
        self, dy: Array, w: Array, rows: Axis, columns: Axis, dx: Array
    ) -> None:
        self.loops().input_gradient(dy, w, rows, columns, dx)

    def group_weight_gradient(self, x: Array, dy: Array, rows: Axis, columns: Axis) -> Array:
        return self.loops().weight_gradient(x, dy, rows, columns)

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


class WinogradSums(CompiledSums):
    """The sums of convolutions with 3 × 3 kernels, with 16 products for 2 × 2 pixels of y."""

    def loops(self) -> ModuleType:
        from firstlight.fast.compiled import winograd

        return winograd


@form(Conv2d, when=[numpy_float32, compiled_tiles, many_products, three_by_three])
class WinogradConv2d(BlockedConv2d):
    """Compute y with fewer multiplications; `firstlight.fast.compiled.winograd` tells how."""

    sums = WinogradSums()


@form(ConvTranspose2d, when=[numpy_float32, compiled, many_products])
class CompiledConvTranspose2d(BlockedConvTranspose2d):
    """Sum in registers, tile by tile; `docs/fast.md` tells how."""

    sums = CompiledSums()


@form(BatchNorm, when=[numpy_float32, compiled, many_numbers, several_ranks])
@form(BatchNorm, when=[numpy_float32, compiled, many_numbers])
class CompiledBatchNorm(BlockedBatchNorm):
    """Compute sums and maps by channel in one loop each."""

    @staticmethod
    def moments(x: Array) -> tuple[Array, Array]:
        from firstlight.fast.compiled.batchnorm import moments

        return moments(x)

    @staticmethod
    def dots(dy: Array, x: Array, mean: Array) -> tuple[Array, Array]:
        from firstlight.fast.compiled.batchnorm import dots

        return dots(dy, x, mean)

    @staticmethod
    def affine(shift: Array, *terms: tuple[Array, Array]) -> Array:
        from firstlight.fast.compiled.batchnorm import affine

        return affine(shift, *terms)


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


@form(Linear, when=[numpy_float32, compiled_tiles, many_linear_products])
class CompiledLinear(BlockedLinear):
    """Compute the products of a batch in register tiles, with dW, db and dx in one call."""

    def forward(self, layer: Linear, x: Array) -> Array:  # x (..., I)
        from firstlight.fast.compiled.linear import forward

        layer.save(x)
        x_rows = x.reshape(-1, layer.in_features)  # (N, I)
        b = None if layer.bias is None else layer.bias.data
        return forward(x_rows, layer.weight.data, b).reshape(*x.shape[:-1], layer.out_features)

    def backward(self, layer: Linear, dy: Array) -> Array | Any:  # dy (..., O)
        from firstlight.fast.compiled.linear import backward

        (x,) = layer.saved()
        dy_rows = dy.reshape(-1, layer.out_features)  # (N, O)
        x_rows = x.reshape(-1, layer.in_features)  # (N, I)
        w, dw = layer.weight.data, layer.weight.grad
        db = None if layer.bias is None else layer.bias.grad
        dx = backward(x_rows, w, dy_rows, dw, db, needs_dx=layer.needs_dx)
        return None if dx is None else dx.reshape(x.shape)


@form(Optimizer, when=[float32_parameters, compiled, many_parameters])
class CompiledZero:
    """Set the gradients to zero in the threads that wait for Adam's step."""

    def zero_grad(self, optimizer: Optimizer) -> None:
        from firstlight.fast.compiled.adam import clear

        clear(optimizer.flat.grad)


@form(MaxPool2d, when=[numpy_float32, compiled, many_numbers])
class CompiledMaxPool2d(BlockedMaxPool2d):
    """Compare the pixels of a window where they are."""

    @staticmethod
    def largest(x: Array, window: Window) -> tuple[Array, Array]:
        from firstlight.fast.compiled.pooling import max_pool2d

        return max_pool2d(x, window)

    @staticmethod
    def put_back(dy: Array, place: Array, window: Window, image: tuple[int, int]) -> Array:
        from firstlight.fast.compiled.pooling import max_pool2d_dx

        return max_pool2d_dx(dy, place, window, image)


class CompiledStep:
    """Compute the step in one loop, in threads that wait awake."""

    decoupled = False  # weight decay

    def step(self, optimizer: Adam | AdamW) -> None:
        for group, t, *arrays in optimizer.begin_step():
            self.update(optimizer, group, t, *arrays)
        optimizer.end_step()

    def update(self, optimizer: Adam | AdamW, group: Group, t: int, *arrays: Array) -> None:
        from firstlight.fast.compiled.adam import step

        step(group, t, *arrays, decoupled=self.decoupled)


@form(Adam, when=[float32_parameters, without_amsgrad, compiled, many_parameters])
class CompiledAdam(CompiledStep):
    """Compute the step in one loop, in threads that wait awake."""


@form(AdamW, when=[float32_parameters, without_amsgrad, compiled, many_parameters])
class CompiledAdamW(CompiledStep):
    """The same with decoupled weight decay."""

    decoupled = True
