"""Exercise: cross-entropy with softmax."""

import numpy as np

from firstlight.tools.course.exercise import Exercise, Output
from firstlight.tools.course.trials import number, unchanged

FORWARD, BACKWARD = "CrossEntropyLoss.forward", "CrossEntropyLoss.backward"


def outputs(loss, x, target, case="", dloss=None):
    """Yield the outputs of a pass."""
    kept = x.copy()
    yield Output(FORWARD, f"loss{case}", number(loss(x, target), x.dtype))
    yield Output(BACKWARD, f"dx{case}", loss.backward() if dloss is None else loss.backward(dloss))
    yield unchanged(FORWARD, f"prediction{case}", x, kept)


def trial_labels(code, draw):
    """Run the loss on plain labels."""
    n, c = draw.size("N"), draw.size("C", 3)
    x, t = draw.array(n, c), draw.integers(c, n)
    yield from outputs(code.CrossEntropyLoss(), x, t)
    yield from outputs(code.CrossEntropyLoss(), x, t, " (dloss=0.3)", 0.3)
    far = 1000 * x
    yield from outputs(code.CrossEntropyLoss(), far, t, " (x=±1000)")
    apart = x + 2000 * np.arange(n)[:, None].astype(x.dtype)
    yield from outputs(code.CrossEntropyLoss(), apart, t, " (x[n] + 2000 n)")


def trial_reductions(code, draw):
    """Run the other reductions."""
    n, c = draw.size("N"), draw.size("C", 3)
    x, t = draw.array(n, c), draw.integers(c, n)
    total, each = (code.CrossEntropyLoss(reduction=name) for name in ("sum", "none"))
    yield from outputs(total, x, t, ' (reduction="sum")')
    yield from outputs(each, x, t, ' (reduction="none")', draw.array(n))


def trial_targets(code, draw):
    """Run the loss on other targets."""
    n, t, c = draw.size("N"), draw.size("T"), draw.size("C", 3)
    x, labels = draw.array(n, t, c), draw.integers(c, n, t)
    yield from outputs(code.CrossEntropyLoss(), x, labels, " (x: (N, T, C))")
    rows, labels = draw.array(n + 2, c), draw.integers(c, n + 2)
    smooth = code.CrossEntropyLoss(label_smoothing=0.2)
    yield from outputs(smooth, rows, labels, " (label_smoothing=0.2)")
    weights = 0.5 + np.abs(draw.array(c))
    weighted = code.CrossEntropyLoss(weight=weights)
    yield from outputs(weighted, rows, labels, " (weight=w)")
    q = np.exp(draw.array(n + 2, c))
    q = q / q.sum(axis=-1, keepdims=True)
    yield from outputs(code.CrossEntropyLoss(), rows, q, " (t=q)")


def trial_ignored(code, draw):
    """Run the loss on rows and classes that do not count."""
    n, c = draw.size("N", 4), draw.size("C", 3)
    x, labels = draw.array(n, c), draw.integers(c, n)
    labels[:2] = -100
    yield from outputs(code.CrossEntropyLoss(), x, labels, " (t=-100)")
    x, labels[2:] = draw.array(n, c), 0
    x[:, 1] = -np.inf
    yield from outputs(code.CrossEntropyLoss(), x, labels, " (x=-inf)")
    x = draw.array(n, c)
    x[0] = np.nan
    yield from outputs(code.CrossEntropyLoss(), x, labels, " (t=-100, x=nan)")


EXERCISE = Exercise(
    name="cross_entropy",
    chapter=3,
    lessons={"firstlight.nn.cross_entropy": ("CrossEntropyLoss",)},
    blanks=(FORWARD, BACKWARD),
    trials=(trial_labels, trial_reductions, trial_targets, trial_ignored),
)
