"""Weight decay as a part of the gradient, which several optimizers share."""

import numpy as np


def with_decay(group, w, g, out):
    """Return g + weight_decay · w, written into ``out``; g itself where nothing decays."""
    if not group["weight_decay"]:
        return g
    np.multiply(w, group["weight_decay"], out=out)
    return np.add(out, g, out=out)
