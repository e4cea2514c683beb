"""What layers check of their input alike, and what normalisations show alike."""


def check_dtype(layer, x, dtype, name="x"):
    """Raise a TypeError unless an input has the dtype of the layer's parameters.

    Parameters
    ----------
    layer : Module
        Named in the message.
    x : array
    dtype : numpy.dtype
    name : str
        What the layer calls the input.
    """
    if x.dtype != dtype:
        cure = f"cast it with {name}.astype({dtype.name!r}), or the model with .to(dtype=...)"
        if x.dtype == "uint8":
            cure = (
                "bytes are pixels that nobody has scaled: take samples from splits, by loader or "
                f"index, which scale them, or write {name}.astype({dtype.name!r}) / 255"
            )
        raise TypeError(
            f"{type(layer).__name__}: expected {name} of dtype {dtype} (the layer's), got "
            f"{x.dtype}; {cure}"
        )


def no_bias_repr(layer):
    """Return what a normalisation with a weight but no bias shows of that."""
    return ", bias=False" if layer.weight is not None and layer.bias is None else ""
