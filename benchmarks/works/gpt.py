"""gpt: nanoGPT on random tokens, in two sizes; PyTorch's twin has SDPA and bias=False too."""

import numpy as np

BATCH = 12
IMAGES = False
OPTIMIZER = "AdamW", {"lr": 1e-3}
SIZES = {
    "nano-cpu": {"layers": 4, "heads": 4, "width": 128, "block": 64, "batch": 12},
    "baby": {"layers": 6, "heads": 6, "width": 384, "block": 256, "batch": 8},
}
VOCABULARY = 65


def ours(batch, layers, heads, width, block):
    from firstlight import optim
    from firstlight.models import GPT

    net = GPT(VOCABULARY, block, n_layer=layers, n_head=heads, n_embd=width)
    net.configure_optimizer = lambda: optim.AdamW(net.parameters(), lr=1e-3)  # as PyTorch's
    return net


def torch(batch, layers, heads, width, block):
    import torch
    from torch import nn
    from torch.nn import functional

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.ln_1, self.ln_2 = (nn.LayerNorm(width, bias=False) for _ in range(2))
            self.c_attn = nn.Linear(width, 3 * width, bias=False)
            self.c_proj = nn.Linear(width, width, bias=False)
            self.mlp = nn.Sequential(
                nn.Linear(width, 4 * width, bias=False),
                nn.GELU(),
                nn.Linear(4 * width, width, bias=False),
            )

        def attention(self, x):
            n, t, c = x.shape
            q, k, v = (
                part.view(n, t, heads, c // heads).transpose(1, 2)
                for part in self.c_attn(x).split(c, dim=2)
            )
            y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            return self.c_proj(y.transpose(1, 2).contiguous().view(n, t, c))

        def forward(self, x):
            x = x + self.attention(self.ln_1(x))
            return x + self.mlp(self.ln_2(x))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.wte, self.wpe = nn.Embedding(VOCABULARY, width), nn.Embedding(block, width)
            self.h = nn.Sequential(*(Block() for _ in range(layers)))
            self.ln_f = nn.LayerNorm(width, bias=False)
            self.lm_head = nn.Linear(width, VOCABULARY, bias=False)
            self.wte.weight = self.lm_head.weight
            for p in self.parameters():
                if p.dim() > 1:
                    nn.init.normal_(p, 0, 0.02)

        def forward(self, x):
            x = self.wte(x) + self.wpe(torch.arange(x.shape[1], device=x.device))
            return self.lm_head(self.ln_f(self.h(x)))

    def loss(logits, y):
        return functional.cross_entropy(logits.view(-1, VOCABULARY), y.view(-1))

    return Net(), loss


def batches(batch, count, layers, heads, width, block):
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, VOCABULARY, (count, batch, block + 1))
    return [(t[:, :-1], t[:, 1:]) for t in tokens]


def to_torch(x, y):
    import torch

    return torch.from_numpy(x.copy()), torch.from_numpy(y.copy())


def jax(batch, layers, heads, width, block):
    from jax import nn, numpy
    from optax import softmax_cross_entropy_with_integer_labels

    rng = np.random.default_rng(0)

    def weights(*shape):
        return (0.02 * rng.standard_normal(shape, "float32")).astype("float32")

    def ones():
        return np.ones(width, "float32")

    wide = {"attn": 3 * width, "proj": width, "up": 4 * width}
    blocks = [
        {name: weights(width, size) for name, size in wide.items()}
        | {"down": weights(4 * width, width), "ln_1": ones(), "ln_2": ones()}
        for _ in range(layers)
    ]
    parameters = {
        "wte": weights(VOCABULARY, width), "wpe": weights(block, width),
        "h": blocks, "ln_f": ones(),
    }  # fmt: skip

    def norm(x, gain):
        centred = x - x.mean(-1, keepdims=True)
        return centred / numpy.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * gain

    def attention(x, p):
        q, k, v = (
            part.reshape(*x.shape[:2], heads, -1) for part in numpy.split(x @ p["attn"], 3, -1)
        )
        return nn.dot_product_attention(q, k, v, is_causal=True).reshape(x.shape) @ p["proj"]

    def loss(parameters, key, x, y):
        x = parameters["wte"][x] + parameters["wpe"]
        for p in parameters["h"]:
            x = x + attention(norm(x, p["ln_1"]), p)
            x = x + nn.gelu(norm(x, p["ln_2"]) @ p["up"], approximate=False) @ p["down"]
        logits = norm(x, parameters["ln_f"]) @ parameters["wte"].T
        return softmax_cross_entropy_with_integer_labels(logits, y).mean()

    return parameters, loss


def gemms(batch, layers, heads, width, block):
    n, d = batch * block, width // heads
    once = [(n, width, VOCABULARY)]
    for _ in range(layers):
        once += [(n, width, 3 * width), (n, width, width)]
        once += [(n, width, 4 * width), (n, 4 * width, width)]
    products = []
    for m, k, o in once:
        products += [(m, k, o), (o, m, k), (m, o, k)]  # y = x Wᵀ, dW = dyᵀ x, dx = dy W
    many = batch * heads
    products += layers * 3 * [(many, block, d, block), (many, block, block, d)]
    return products
