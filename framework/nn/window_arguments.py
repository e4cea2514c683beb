"""Arguments of layers that move a window over images: numbers or pairs, and what x must be."""

from numbers import Integral

from firstlight.support.scalars import plain_number


def pair(who, name, value, least):
    """Return ``value`` as (vertical, horizontal); one number stands for both.

    Raises
    ------
    ValueError
        Something else than one or two integers of ``least`` or more.
    """
    both = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    both = tuple(plain_number(number) for number in both)
    if len(both) != 2 or not all(isinstance(n, Integral) and n >= least for n in both):
        raise ValueError(
            f"{who}: expected {name} to be an integer of {least} or more, or a pair of them "
            f"(vertical, horizontal), got {value!r}"
        )
    return both


def check_channels(who, in_channels, out_channels, groups):
    """Raise a ValueError unless all are positive and the channels can be split into groups."""
    if min(in_channels, out_channels, groups) < 1:
        raise ValueError(
            f"{who}: expected in_channels, out_channels and groups of 1 or more, got "
            f"{in_channels}, {out_channels} and {groups}"
        )
    if in_channels % groups or out_channels % groups:
        raise ValueError(
            f"{who}: expected in_channels={in_channels} and out_channels={out_channels} to be "
            f"multiples of groups={groups}; each group has its share of both"
        )


def check_images(who, x, in_channels=None):
    """Raise a ValueError unless x is (N, H, W, C), of the layer's number of channels."""
    if x.ndim != 4 or (in_channels is not None and x.shape[3] != in_channels):
        expected = "C" if in_channels is None else in_channels
        cure = "add the missing axis, e.g. x[..., None] for grey images"
        if x.ndim == 4:
            cure = f"build it with in_channels={x.shape[3]}"
            if x.shape[1] == in_channels:
                cure = "from PyTorch's layout: x.transpose(0, 2, 3, 1)"
        raise ValueError(
            f"{who}: expected x of shape (N, H, W, {expected}), channels last, got {x.shape}; "
            f"{cure}"
        )


def check_fits(who, x, window):
    """Raise a ValueError unless the window fits on x, zeros around it included, once or more."""
    for axis, name in enumerate(("height", "width")):
        if window.out(axis, x.shape[1 + axis]) < 1:
            raise ValueError(
                f"{who}: expected x with a {name} of {window.least(axis)} or more, for one window "
                f"to fit, got shape {x.shape}; use a smaller kernel_size or more padding"
            )
