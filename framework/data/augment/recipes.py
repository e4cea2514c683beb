"""Recipes: augmentations by name, with amounts for small images.

========== =====================================================================================
``affine``  rotated by up to 10 degrees, shifted by up to 7 % (2 of 28 pixels), scaled by 0.9 to
            1.1, sheared by up to 10 degrees
``elastic`` distorted like handwriting: alpha 24 and sigma 4 for 28 pixels, mostly within 2
``crop``    shifted by whole pixels, up to a fourteenth of the height (2 of 28)
``erase``   with probability 1/2, a rectangle of 2 to 15 % of the area is overwritten
``flip``    mirrored with probability 1/2, left for right
``mixup``   blended with another image and its label (alpha 0.2)
``cutmix``  a rectangle of another image pasted in, labels mixed by area (alpha 1)
========== =====================================================================================
"""

import difflib
from collections.abc import Sequence

import numpy as np

from firstlight.data.augment.mix import CutMix, MixUp
from firstlight.data.augment.regions import RandomCrop, RandomErasing, RandomHorizontalFlip
from firstlight.data.augment.warps import Compose, ElasticTransform, RandomAffine
from firstlight.data.transforms import Transform

RECIPES: tuple[str, ...] = ("affine", "elastic", "crop", "erase", "flip", "mixup", "cutmix")


def augmentation(
    names: Sequence[str],
    *,
    scale: Transform,
    shape: Sequence[int],
    classes: int,
    flips: bool = True,
    padding: int | None = None,
    who: str = "augment",
) -> Compose | None:
    """Return a transform that augments scaled images by named recipes, None without names.

    Parameters
    ----------
    names : sequence of str
        Names in `RECIPES`, applied in this order.
    scale : callable
        The transform of the images; defines the value of black.
    shape : (int, int, int)
        Height, width and channels of an image.
    classes : int
    flips : bool
        False refuses ``flip``, for letters and digits.
    padding : int, optional
        Largest shift by ``crop``; by default a fourteenth of the height.
    who : str
        Used in messages.

    Returns
    -------
    callable or None
        ``f(batch, rng) -> batch``.

    Raises
    ------
    ValueError
        An unknown name, a duplicate name, or a flip that is refused.
    TypeError
        One string instead of a sequence of them.

    Examples
    --------
    >>> from firstlight.data.augment import augmentation
    >>> from firstlight.data.transforms import Scale
    >>> augmentation(("crop",), scale=Scale(255), shape=(28, 28, 1), classes=10)
    Compose(RandomCrop(size=None, padding=2, fill=0.0))
    """
    if isinstance(names, str):
        raise TypeError(f"{who}: expected augment as a tuple of names, got {names!r}; add a comma")
    names, known = tuple(names), [name for name in RECIPES if flips or name != "flip"]
    for name in names:
        if name not in RECIPES:
            close = difflib.get_close_matches(str(name), known, n=1)
            hint = f"did you mean {close[0]!r}? There" if close else "there"
            raise ValueError(
                f"{who}: no augmentation is called {name!r}; {hint} are: {', '.join(known)}"
            )
        if name not in known:
            raise ValueError(f"{who}: flip is left out here, as mirrored signs are other signs")
        if names.count(name) > 1:
            raise ValueError(f"{who}: expected each name in augment once, got {name!r} again")
    if not names:
        return None
    height, width, channels = shape
    (black,) = scale((np.zeros((1, 1, 1, channels), "uint8"),), None)
    fill = float(black.mean())
    made = {
        "affine": RandomAffine(10, (0.07, 0.07), (0.9, 1.1), 10, fill=fill),
        "elastic": ElasticTransform(24 * (height / 28) ** 2, 4 * height / 28, fill=fill),
        "crop": RandomCrop(padding=padding or max(1, round(height / 14)), fill=fill),
        "erase": RandomErasing(scale=(0.02, 0.15), value=fill),
        "flip": RandomHorizontalFlip(),
        "mixup": MixUp(alpha=0.2, num_classes=classes),
        "cutmix": CutMix(num_classes=classes),
    }
    return Compose([made[name] for name in names])
