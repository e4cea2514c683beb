"""ViT: the Vision Transformer."""

from typing import Any

import numpy as np

from firstlight import nn, optim
from firstlight.module import Module
from firstlight.nn import init
from firstlight.parameter import Parameter
from firstlight.support.array import Array

POOLS = ("mean", "token")
# As large as the embedded patches. With the usual 0.02 the positions are learned slowly: accuracy
# 0.91 on the digits after 20 epochs instead of 0.98.
POSITION_STD = 0.5


class ViT(Module):
    """Classify images by self-attention between their patches.

    Formula, for T patches of an image, each mapped to C numbers by the same matrix::

        h₀ = dropout(patches(x) + P)                    P (T, C), learned positions
        h_l = layer_l(h_{l-1})                          l = 1 … depth, pre-norm encoder layers
        y  = norm(pool(h_depth)) Wᵀ + b                 pool: mean over all positions

    With ``pool="token"``, a learned vector, the class token, is prepended as position 0, and its
    last value is the pool.

    Gradient: that of each part, from the last to the first; each position gets 1/T of the
    gradient of the mean, and dP is the sum over the batch, as P is added to each image.

    Parameters
    ----------
    input_shape : sequence of int
        Height, width and channels of an image.
    out_features : int
        Classes.
    patch_size : int, optional
        Side of a patch in pixels; a quarter of the height by default, for 16 patches of a square
        image.
    embed_dim : int
        C, numbers per patch.
    depth : int
        Encoder layers.
    num_heads : int
        Heads of each layer; must divide embed_dim.
    mlp_ratio : float
        Width of a feed-forward's hidden layer, in multiples of embed_dim.
    dropout : float
        Dropout probability on h₀ and in each layer.
    pool : {"mean", "token"}
        Input of the head.
    recompute : bool
        If True, save only each layer's input for backward: less memory, one more forward.
    lr : float
        Learning rate of AdamW.
    weight_decay : float
        Weight decay of matrices; vectors and positions have none.
    label_smoothing : float
        Part of each label that is distributed over all classes.

    Attributes
    ----------
    positions : Parameter, shape (T, C), with a class token (1 + T, C)
    class_token : Parameter, shape (C,), or None

    Raises
    ------
    ValueError
        ``input_shape`` is not (H, W, C), or not a multiple of the patches; an unknown pool; no
        layers; embed_dim is not a multiple of num_heads; images of another shape.

    References
    ----------
    Dosovitskiy et al., "An Image is Worth 16x16 Words", 2020, section 3.1 and appendix D.3.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.models import ViT
    >>> net = ViT((8, 8, 1), 10)
    >>> net(np.ones((5, 8, 8, 1), "float32")).shape
    (5, 10)
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        out_features: int,
        *,
        patch_size: int | None = None,
        embed_dim: int = 64,
        depth: int = 4,
        num_heads: int = 4,
        mlp_ratio: float = 2.0,
        dropout: float = 0.1,
        pool: str = "mean",
        recompute: bool = False,
        lr: float = 1e-3,
        weight_decay: float = 0.05,
        label_smoothing: float = 0.0,
    ):
        self.input_shape: tuple[int, ...] = tuple(input_shape)
        height, width, channels, patch_size = _sizes(self.input_shape, patch_size)
        if pool not in POOLS:
            raise ValueError(f"ViT: expected pool {' or '.join(POOLS)}, got {pool!r}")
        if depth < 1:
            raise ValueError(f"ViT: expected depth of 1 or more, got {depth}")
        self.lr = lr
        self.weight_decay = weight_decay
        # The gradient of the pixels is not needed, so the first layer skips it.
        self.patches: nn.PatchEmbedding = nn.PatchEmbedding(
            channels, embed_dim, patch_size, needs_dx=False
        )
        count = height * width // patch_size**2  # T
        self.class_token: Parameter | None = None
        if pool == "token":
            self.class_token = Parameter(init.normal((embed_dim,), std=POSITION_STD))
            count += 1
        self.positions: Parameter = Parameter(init.normal((count, embed_dim), std=POSITION_STD))
        self.dropout: nn.Dropout = nn.Dropout(dropout)
        self.layers: nn.Sequential = nn.Sequential(
            *(
                nn.TransformerEncoderLayer(
                    embed_dim,
                    num_heads,
                    round(mlp_ratio * embed_dim),
                    dropout,
                    "gelu",
                    norm_first=True,
                    recompute=recompute,
                )
                for _ in range(depth)
            )
        )
        self.norm: nn.LayerNorm = nn.LayerNorm(embed_dim)
        self.head: nn.Linear = nn.Linear(embed_dim, out_features)
        self.loss: nn.CrossEntropyLoss = nn.CrossEntropyLoss(label_smoothing=label_smoothing)

    def forward(self, x: Array) -> Array:  # x (N, H, W, channels)
        if x.shape[1:] != self.input_shape:
            raise ValueError(
                f"ViT: expected images of shape (N, {', '.join(map(str, self.input_shape))}) "
                f"(input_shape), got shape {x.shape}; its positions are learned for that size"
            )
        h = self.patches(x)  # (N, T, C)
        if self.class_token is not None:
            token = np.broadcast_to(self.class_token.data, (len(x), 1, h.shape[2]))
            h = np.concatenate([token, h], axis=1)  # (N, 1 + T, C)
        h = self.dropout(h + self.positions.data)
        h = self.layers(h)
        pooled = h.mean(axis=1) if self.class_token is None else h[:, 0]  # (N, C)
        self.save(h.shape)
        return self.head(self.norm(pooled))  # (N, out_features)

    def backward(self, dy: Array) -> Array | Any:  # dy (N, out_features)
        (shape,) = self.saved()
        dpooled = self.norm.backward(self.head.backward(dy))  # (N, C)
        dh = np.zeros_like(dpooled, shape=shape)  # (N, T, C)
        if self.class_token is None:
            dh += dpooled[:, None] / shape[1]
        else:
            dh[:, 0] = dpooled
        dh = self.dropout.backward(self.layers.backward(dh))
        self.positions.grad += dh.sum(axis=0)
        if self.class_token is not None:
            self.class_token.grad += dh[:, 0].sum(axis=0)
            dh = dh[:, 1:]
        return self.patches.backward(dh)

    def configure_optimizer(self) -> optim.Optimizer:
        """Return AdamW with weight decay for matrices only."""
        matrices, others = [], [self.positions]
        for parameter in self.parameters():
            if parameter is not self.positions:
                (matrices if parameter.data.ndim > 1 else others).append(parameter)
        groups = [{"params": matrices}, {"params": others, "weight_decay": 0.0}]
        return optim.AdamW(groups, lr=self.lr, weight_decay=self.weight_decay)

    def flops(self, x: Array, y: Array) -> int:
        return 0  # counted by the layers


def _sizes(input_shape, patch_size):
    """Return height, width, channels and patch size; raise a ValueError if they do not fit."""
    if len(input_shape) != 3 or min(input_shape) < 1:
        raise ValueError(
            f"ViT: expected input_shape (height, width, channels) of an image, got {input_shape}; "
            "reshape the data, e.g. x.reshape(-1, 28, 28, 1)"
        )
    height, width, channels = input_shape
    if patch_size is None:
        patch_size = max(height // 4, 1)
    if patch_size < 1 or height % patch_size or width % patch_size:
        fitting = [n for n in range(1, min(height, width) + 1) if height % n == width % n == 0]
        raise ValueError(
            f"ViT: expected a patch_size that divides {height} and {width}, got {patch_size}; "
            f"with this input_shape it may be {', '.join(map(str, fitting))}"
        )
    return height, width, channels, patch_size
