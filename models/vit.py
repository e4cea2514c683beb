"""ViT: the Vision Transformer, an image read as a sequence of patches."""

import numpy as np

from firstlight import nn, optim
from firstlight import rng as randomness
from firstlight.module import Module
from firstlight.parameter import Parameter


class ViT(Module):
    """Classify images with Transformer encoder layers.

    Formula, for images x (N, H, W, C), positions P and a learned vector c (the class token)::

        z₀     = dropout([c, patches(x)] + P)            (N, 1 + HW/patch_size², d_model)
        z_l    = encoder_l(z_{l-1})                      l = 1 … num_layers, pre-norm
        logits = norm(z_L)₀ Wᵀ + b                       (N, num_classes)

    ``pool="mean"`` has no class token, and takes the mean over the patches for the last line.

    Gradient: each part's own, from the last to the first; c and P are in every sample, so that
    their gradients are sums over the batch. A mean gives each patch 1/T of its gradient.

    Parameters
    ----------
    input_shape : (int, int, int)
        (H, W, C) of an image.
    num_classes : int
    patch_size : int, optional
        By default the smallest of which up to 7 fit side by side: 2 for 8 × 8, 4 for 28 × 28.
    d_model, num_layers, nhead : int
    dim_feedforward : int, optional
        2 d_model by default.
    dropout : float
    pool : {"mean", "class"}
    lr, weight_decay
        Of AdamW; only matrices decay.

    Raises
    ------
    ValueError
        An input_shape that is not (H, W, C), a patch_size that does not divide it, another pool;
        images of another shape.

    References
    ----------
    Dosovitskiy et al., "An Image is Worth 16x16 Words", 2020, eq. 1-4.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.models import ViT
    >>> ViT((8, 8, 1), 10)(np.ones((5, 8, 8, 1), "float32")).shape
    (5, 10)
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_classes: int,
        *,
        patch_size: int | None = None,
        d_model: int = 64,
        num_layers: int = 4,
        nhead: int = 4,
        dim_feedforward: int | None = None,
        dropout: float = 0.1,
        pool: str = "mean",
        lr: float = 1e-3,
        weight_decay: float = 0.05,
    ):
        self.input_shape = tuple(input_shape)
        self.patch_size = self._patch_size(patch_size)
        if pool not in ("mean", "class"):
            raise ValueError(f'ViT: expected pool "mean" or "class", got {pool!r}')
        self.pool, self.lr, self.weight_decay = pool, lr, weight_decay
        height, width, channels = self.input_shape
        count = height * width // self.patch_size**2 + (pool == "class")
        rng = randomness.stream("init")
        self.patches = nn.PatchEmbedding(channels, d_model, self.patch_size, needs_dx=False)
        self.positions = Parameter(0.02 * rng.standard_normal((count, d_model), "float32"))
        self.class_token = None
        if pool == "class":
            self.class_token = Parameter(0.02 * rng.standard_normal(d_model, "float32"))
        self.drop = nn.Dropout(dropout)
        hidden = 2 * d_model if dim_feedforward is None else dim_feedforward
        self.layers = [
            nn.TransformerEncoderLayer(d_model, nhead, hidden, dropout, "gelu", norm_first=True)
            for _ in range(num_layers)
        ]
        self.norm = nn.LayerNorm(d_model)
        self.head = nn.Linear(d_model, num_classes)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x):  # x (N, H, W, C)
        if x.shape[1:] != self.input_shape:
            raise ValueError(
                f"ViT: expected images (N, {', '.join(map(str, self.input_shape))}), as "
                f"input_shape says, got shape {x.shape}"
            )
        z = self.patches(x)  # (N, T, d)
        if self.class_token is not None:
            first = np.broadcast_to(self.class_token.data, (len(z), 1, z.shape[2]))
            z = np.concatenate([first, z], axis=1)  # (N, 1 + T, d)
        z = self.drop(z + self.positions.data)
        for layer in self.layers:
            z = layer(z)
        z = self.norm(z)
        self.save(z.shape)
        return self.head(z.mean(axis=1) if self.pool == "mean" else z[:, 0])

    def backward(self, dy):  # dy (N, num_classes)
        (shape,) = self.saved()
        dpooled = self.head.backward(dy)  # (N, d)
        if self.pool == "mean":
            dz = np.broadcast_to(dpooled[:, None] / shape[1], shape)
        else:
            dz = np.zeros_like(dpooled, shape=shape)
            dz[:, 0] = dpooled
        dz = self.norm.backward(dz)
        for layer in reversed(self.layers):
            dz = layer.backward(dz)
        dz = self.drop.backward(dz)
        self.positions.grad += dz.sum(axis=0)
        if self.class_token is not None:
            self.class_token.grad += dz[:, 0].sum(axis=0)
            dz = dz[:, 1:]
        return self.patches.backward(dz)  # None: nobody needs the pixels'

    def configure_optimizer(self):
        """AdamW, with decay for matrices only."""
        matrices = [p for p in self.parameters() if p.data.ndim > 1]
        vectors = [p for p in self.parameters() if p.data.ndim == 1]
        groups = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
        return optim.AdamW(groups, lr=self.lr, weight_decay=self.weight_decay)

    def flops(self, x, y):
        return 0  # all in the layers

    def _patch_size(self, given):
        if len(self.input_shape) != 3:
            raise ValueError(
                f"ViT: expected input_shape (height, width, channels), got {self.input_shape}"
            )
        height, width, _ = self.input_shape
        fitting = [p for p in range(1, min(height, width) + 1) if height % p == width % p == 0]
        if given is None:
            few = [p for p in fitting if max(height, width) <= 7 * p]
            return (few or fitting[-1:])[0]
        if given not in fitting:
            raise ValueError(
                f"ViT: expected a patch_size that divides {height} and {width}: one of "
                f"{', '.join(map(str, fitting))}, got {given}"
            )
        return given
