"""GPT: a language model like nanoGPT, and its Block."""

from functools import partial
from typing import Any

import numpy as np

from firstlight import nn, optim
from firstlight.models.gpt_weights import from_gpt2, read_gpt2
from firstlight.models.sampling import check as check_sampling
from firstlight.models.sampling import sample
from firstlight.module import Module, StepOutput
from firstlight.nn.recompute import replay, run
from firstlight.support import rng as randomness
from firstlight.support.array import Array
from firstlight.support.backend import to_host
from firstlight.support.sample_weights import weighted_output
from firstlight.support.step_output import denominators
from firstlight.training.captures import capturing

SIZES = {  # n_layer, n_head, n_embd
    "nano-cpu": (4, 4, 128),  # nanoGPT's Shakespeare on a CPU, with block_size 64
    "baby": (6, 6, 384),  # nanoGPT's Shakespeare on a GPU, with block_size 256
    "gpt2": (12, 12, 768),
    "gpt2-medium": (24, 16, 1024),
    "gpt2-large": (36, 20, 1280),
    "gpt2-xl": (48, 25, 1600),
}


class GPT(Module):
    """Predict each next token of a text from the previous ones.

    Formula, for tokens t of shape (N, T), with table E (V, C) and positions P (block_size, C)::

        x₀     = dropout(E_t + P_{0 … T-1})
        x_l    = block_l(x_{l-1})                       l = 1 … n_layer, see `Block`
        logits = norm(x_L) Eᵀ                           (N, T, V)

    Gradient: that of each part, from the last to the first. E is both embedding table and last
    matrix (weight tying), so its two gradients add.

    Parameters
    ----------
    vocab_size : int
        V, number of tokens.
    block_size : int
        Length of the longest sequence.
    size : {"nano-cpu", "baby", "gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl"}
        Default values of the next three.
    n_layer, n_head, n_embd : int, optional
        Blocks, heads per block, numbers per position (C).
    dropout : float
    bias : bool
        If True, linear layers and norms have biases, as in GPT-2.
    approximate : {"none", "tanh"}
        Form of GELU; GPT-2 has "tanh".
    recompute : bool
        If True, save only each block's input for backward: less memory, one more forward.
    lr, weight_decay, betas
        Hyper-parameters of AdamW; biases and norms have no weight decay.

    Raises
    ------
    ValueError
        An unknown size, sizes below 1, n_embd not a multiple of n_head; sequences longer than
        block_size.
    TypeError, IndexError
        Tokens that are not integers, or outside the vocabulary.

    References
    ----------
    Radford et al., "Language Models are Unsupervised Multitask Learners", 2019; A. Karpathy,
    nanoGPT, model.py.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.models import GPT
    >>> net = GPT(vocab_size=65, block_size=16, n_layer=1, n_embd=32)
    >>> net(np.zeros((2, 5), "int64")).shape
    (2, 5, 65)
    >>> net.generate(np.zeros((1, 3), "int64"), 4, seed=0).shape
    (1, 7)
    """

    def __init__(
        self,
        vocab_size: int,
        block_size: int,
        *,
        size: str = "nano-cpu",
        n_layer: int | None = None,
        n_head: int | None = None,
        n_embd: int | None = None,
        dropout: float = 0.0,
        bias: bool = False,
        approximate: str = "none",
        recompute: bool = False,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        betas: tuple[float, float] = (0.9, 0.99),
    ):
        layers, heads, width = _sizes(size, n_layer, n_head, n_embd)
        if vocab_size < 1 or block_size < 1:
            raise ValueError(
                "GPT: expected vocab_size and block_size of 1 or more, "
                f"got {vocab_size} and {block_size}"
            )
        self.vocab_size = vocab_size
        self.block_size = block_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.betas = betas
        self.wte: nn.Embedding = nn.Embedding(vocab_size, width)
        self.wpe: nn.Embedding = nn.Embedding(block_size, width)
        self.drop: nn.Dropout = nn.Dropout(dropout)
        options = {"dropout": dropout, "bias": bias, "approximate": approximate}
        self.h: list[Block] = [
            Block(width, heads, recompute=recompute, **options) for _ in range(layers)
        ]
        self.ln_f: nn.LayerNorm = nn.LayerNorm(width, bias=bias)
        self.lm_head: nn.Linear = nn.Linear(width, vocab_size, bias=False)
        self.lm_head.weight = self.wte.weight
        self.loss: nn.CrossEntropyLoss = nn.CrossEntropyLoss()
        self._initialise()

    def forward(self, tokens: Array) -> Array:  # tokens (N, T)
        self._check(tokens)
        places = np.arange(tokens.shape[1], like=tokens)  # (T,)
        x = self.drop(self.wte(tokens) + self.wpe(places))  # (N, T, C)
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x))  # (N, T, V)

    def backward(self, dy: Array) -> None:  # dy (N, T, V)
        dx = self.ln_f.backward(self.lm_head.backward(dy))  # (N, T, C)
        for block in reversed(self.h):
            dx = block.backward(dx)
        dx = self.drop.backward(dx)
        self.wpe.backward(dx.sum(axis=0))
        self.wte.backward(dx)

    def validation_step(self, batch: Any) -> StepOutput:
        """Return the loss of a batch (x, y), both (N, T), or (x, y, w) with weights of tokens."""
        x, y, *weight = batch
        logits = self(x)
        if weight:
            return weighted_output(self.loss, logits, y, *weight, metrics=False)
        loss, counts = self.loss(logits, y), denominators(self.loss, logits, y)
        return StepOutput(loss, prediction=logits, denominators=counts)

    def configure_optimizer(self) -> optim.Optimizer:
        """Return AdamW with weight decay for matrices only."""
        matrices = [p for p in self.parameters() if p.data.ndim > 1]
        vectors = [p for p in self.parameters() if p.data.ndim == 1]
        groups = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
        return optim.AdamW(groups, lr=self.lr, betas=self.betas, weight_decay=self.weight_decay)

    def generate(
        self,
        tokens: Array,
        max_new_tokens: int,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
    ) -> Array:
        """Continue sequences, token by token.

        Keys and values of earlier tokens are cached until the block is full; after that, each
        token needs a forward of the latest block_size tokens. On a GPU a token is one CUDA graph,
        captured at the second token; its logits are copied to the host, which draws.

        Parameters
        ----------
        tokens : array of int, shape (N, T)
        max_new_tokens : int
        temperature, top_k, top_p
            See `firstlight.models.sampling.sample`.
        seed : int, optional
            The current seed by default.

        Returns
        -------
        array of int64, shape (N, T + max_new_tokens)
        """
        check_sampling(temperature, top_k, top_p)
        seed = randomness.current_seed() if seed is None else seed
        rng, was_training = np.random.default_rng(seed), self.training
        options = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
        self.eval()
        try:
            with capturing("generated tokens", self, "extend", tokens) as captures:
                written, caches = to_host(tokens), self.make_caches()
                for _ in range(max_new_tokens):
                    logits = self._continue(written, caches, captures, tokens)  # (N, V)
                    drawn = sample(to_host(logits), rng, **options)
                    written = np.concatenate([written, drawn[:, None]], axis=1)
        finally:
            self.train(was_training)
        return np.asarray(written, like=tokens)

    def _continue(self, written, caches, captures, like):
        """Return the logits (N, V) after tokens (N, T); on a GPU by a graph, once captured."""
        before = written.shape[1] - 1  # cached positions, unless it is the prompt
        if before >= self.block_size:
            new, work = written[:, -self.block_size :], self._last_of_block
        elif not caches[0].length:
            logits = self.extend(np.asarray(written, like=like), caches)
            if captures is not None:
                place = np.asarray([before + 1], like=like)
                for cache in caches:
                    cache.place = place
            return logits
        else:
            new, work = written[:, -1:], partial(self._extend_by_one, caches=caches)
            for cache in caches:
                cache.length = before  # a graph does not count
        new = np.asarray(new, like=like)
        logits = None if captures is None else captures.replay(new, work)
        return work(new) if logits is None else logits

    def _last_of_block(self, tokens):
        return self(tokens)[:, -1]

    def _extend_by_one(self, tokens, caches):
        logits, place = self.extend(tokens, caches), caches[0].place
        if place is not None:
            place += 1
        return logits

    def make_caches(self) -> list[nn.KeyValueCache]:
        """Return an empty `KeyValueCache` for each block, for `extend`."""
        return [nn.KeyValueCache(self.block_size) for _ in self.h]

    def extend(self, tokens: Array, caches: list[nn.KeyValueCache]) -> Array:
        """Return the logits (N, V) after tokens (N, T) that follow the cached ones."""
        start = caches[0].length
        self._check(tokens, start)
        places = caches[0].place
        if places is None:
            places = np.arange(start, start + tokens.shape[1], like=tokens)
        x = self.wte(tokens) + self.wpe(places)
        for block, cache in zip(self.h, caches, strict=True):
            x = block.extend(x, cache)
        return self.lm_head(self.ln_f(x[:, -1]))

    def load_gpt2(self, weights: Any) -> "GPT":
        """Load weights with the names and layout of nanoGPT, or of Hugging Face's GPT-2.

        Parameters
        ----------
        weights : dict of str to array or torch tensor, or path of a .safetensors file
        """
        self.load_state_dict(from_gpt2(self.state_dict(), read_gpt2(weights)))
        return self

    def _initialise(self):
        """Draw N(0, 0.02²); projections into the residual path are scaled by 1/√(2 n_layer)."""
        rng = randomness.stream("init")
        for name, p in self.named_parameters():
            if p.data.ndim > 1:
                added = name.endswith(("attn.out_proj.weight", "mlp.linear2.weight"))
                std = 0.02 * (2 * len(self.h)) ** -0.5 if added else 0.02
                p.data[...] = std * rng.standard_normal(p.shape, "float32")
            elif name.endswith(".bias") and "ln_" not in name:
                p.data[...] = 0

    def _check(self, tokens, start=0):
        if tokens.ndim != 2 or start + tokens.shape[1] > self.block_size:
            raise ValueError(
                f"GPT: expected tokens of shape (samples, positions) with up to {self.block_size} "
                f"positions (block_size), got shape {tokens.shape}"
                + (f" after {start} positions in the cache" if start else "")
                + "; shorten them, or build it with a larger block_size"
            )

    def flops(self, x: Array, y: Array) -> int:
        return 0  # counted by the layers


class Block(Module):
    """One layer of a GPT.

    Formula, with causal attention::

        h = x + dropout(attention(norm₁(x)))
        y = h + feed_forward(norm₂(h))

    Gradient: the gradients of the branch and of the residual path add::

        dh = dy + norm₂'(feed_forward'(dy))
        dx = dh + norm₁'(attention'(dropout'(dh)))

    Parameters
    ----------
    n_embd, n_head : int
        Numbers per position, and heads.
    dropout : float
    bias : bool
    approximate : {"none", "tanh"}
        Form of GELU.
    recompute : bool
        If True, save only x for backward and run forward again.
    """

    def __init__(
        self,
        n_embd: int,
        n_head: int,
        *,
        dropout: float = 0.0,
        bias: bool = True,
        approximate: str = "none",
        recompute: bool = False,
    ):
        self.recompute = recompute
        self.ln_1: nn.LayerNorm = nn.LayerNorm(n_embd, bias=bias)
        self.attn: nn.MultiHeadAttention = nn.MultiHeadAttention(
            n_embd, n_head, dropout, bias, is_causal=True
        )
        self.resid_dropout: nn.Dropout = nn.Dropout(dropout)
        self.ln_2: nn.LayerNorm = nn.LayerNorm(n_embd, bias=bias)
        self.mlp: nn.FeedForward = nn.FeedForward(
            n_embd, None, dropout, bias, approximate=approximate
        )

    def forward(self, x: Array) -> Array:  # x (N, T, C)
        return run(self, x)

    def backward(self, dy: Array) -> Array:  # dy (N, T, C)
        replay(self)
        dh = self.ln_2.backward_sum(self.mlp.backward(dy), dy)
        dbranch = self.attn.backward(self.resid_dropout.backward(dh))
        return self.ln_1.backward_sum(dbranch, dh)

    def extend(self, x: Array, cache: nn.KeyValueCache) -> Array:
        """Return y for positions x that follow those in the cache, in evaluation mode."""
        h = x + self.attn.extend(self.ln_1(x), cache)
        return h + self.mlp(self.ln_2(h))

    def _forward(self, x):
        branch = self.resid_dropout(self.attn(self.ln_1(x)))
        h, normed = self.ln_2.forward_sum(x, branch)
        return h + self.mlp(normed)

    def flops(self, x: Array, y: Array) -> int:
        return 0  # counted by the layers


def _sizes(size, *given):
    if size not in SIZES:
        raise ValueError(f"GPT: expected a size of {', '.join(SIZES)}, got {size!r}")
    found = [usual if n is None else n for n, usual in zip(given, SIZES[size], strict=True)]
    if min(found) < 1:
        raise ValueError(
            f"GPT: expected n_layer, n_head and n_embd of 1 or more, got {tuple(found)}"
        )
    return found
