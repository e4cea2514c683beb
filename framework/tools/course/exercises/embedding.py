"""Exercise: forward and backward of a table of vectors."""

from firstlight.tools.course.differences import AFTER_TWO
from firstlight.tools.course.exercise import Exercise, Output
from firstlight.tools.course.trials import unchanged

FORWARD, BACKWARD = "Embedding.forward", "Embedding.backward"


def looked_up(case, indices, padding_idx=None):
    """Return a trial; ``indices(draw, v)`` returns indices below v, the length of the table."""

    def trial(code, draw):
        v, d = draw.size("V", 5, 9), draw.size("D")
        module = draw.fill(code.Embedding(v, d, padding_idx))
        x = indices(draw, v)
        kept = module.weight.data.copy()
        y = module(x)
        yield Output(FORWARD, f"y{case}", y)
        yield unchanged(FORWARD, f"self.weight.data{case}", module.weight.data, kept)
        dy = draw.array(*x.shape, d)
        before = dy.copy()
        module.backward(dy)
        yield Output(BACKWARD, f"dweight{case}", module.weight.grad.copy())
        yield unchanged(BACKWARD, f"dy{case}", dy, before)
        yield unchanged(BACKWARD, f"self.weight.data{case}", module.weight.data, kept)
        module(x)
        module.backward(dy)
        yield Output(BACKWARD, f"dweight{case}{AFTER_TWO}", module.weight.grad.copy())

    return trial


def distinct(draw, v):
    """Return indices of which none is repeated."""
    return draw.rng.permutation(v)[: draw.size("N", 3, 4)]


def sequences(draw, v):
    """Return indices (N, T), many of them repeated."""
    return draw.integers(v, draw.size("N"), draw.size("T"))


def with_padding(at):
    """Return a function for indices (N, T), the last ones of each sequence being the padding."""

    def indices(draw, v):
        x = draw.integers(v, draw.size("N"), draw.size("T", 4))
        x[:, -2:] = at % v
        return x

    return indices


def blocks(draw, v):
    """Return indices with three axes."""
    return draw.integers(v, 2, 3, draw.size("T"))


EXERCISE = Exercise(
    name="embedding",
    chapter=7,
    lessons={"firstlight.nn.embedding": ("Embedding",)},
    blanks=(FORWARD, BACKWARD),
    trials=(
        looked_up("", distinct),
        looked_up(" (N, T)", sequences),
        looked_up(" (2, 3, T)", blocks),
        looked_up(" (padding_idx=2)", with_padding(2), 2),
        looked_up(" (padding_idx=0)", with_padding(0), 0),
        looked_up(" (padding_idx=-1)", with_padding(-1), -1),
    ),
)
