"""Labels of classes, as figures and callbacks take them: 64-bit integers, and those that count."""

import numpy as np

from firstlight.support.backend import to_host

IGNORED = -100  # what `CrossEntropyLoss` leaves out unless told another


def as_labels(who, target):
    """Return labels as a NumPy array of int64, in which products with them cannot overflow.

    Raises
    ------
    TypeError
        They are not integers.
    """
    target = np.asarray(to_host(target))
    if target.dtype.kind not in "biu":
        raise TypeError(
            f"{who}: expected integer class labels, got {target.dtype}; cast with y.astype('int64')"
        )
    return target.astype("int64")


def ignored_by(module):
    """Return the label that a module's loss leaves out."""
    return getattr(getattr(module, "loss", None), "ignore_index", IGNORED)
