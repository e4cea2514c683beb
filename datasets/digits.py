"""digits: handwritten digits in a file of the package."""

from pathlib import Path

import numpy as np

from firstlight.data.augment import augmentation
from firstlight.data.splits import DataSplits
from firstlight.data.transforms import Scale
from firstlight.datasets.arrays import from_arrays

MOMENTS = (0.3053, 0.3761)  # mean and standard deviation of all pixels, divided by 16


def digits(
    *,
    val_size: float = 0.1,
    test_size: float = 0.2,
    seed: int = 0,
    normalize: bool = True,
    augment: tuple[str, ...] = (),
    batch_size: int = 32,
) -> DataSplits:
    """Load 1,797 handwritten digits, images of 8 x 8 pixels; no network needed.

    Images are channels-last, (8, 8, 1), with grey values 0 ... 16, which are scaled to float32.

    Parameters
    ----------
    val_size : float
        Share of the images to validate on, or their number.
    test_size : float
        Share of the images to test on, or their number.
    seed : int
        Chooses the images of each split; each digit gets its share of all three.
    normalize : bool
        Give the pixels mean 0 and standard deviation 1, which helps training; otherwise they go
        from 0 to 1.
    augment : tuple of str
        Random changes of the training images, by name: affine (turned, shifted, scaled, sheared
        a little), elastic, crop, erase, mixup, cutmix; see `firstlight.data.augment.recipes`.
    batch_size : int
        Images in a batch.

    Returns
    -------
    DataSplits

    References
    ----------
    E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
    Repository, 1998, https://doi.org/10.24432/C50P49, CC BY 4.0; see ``DIGITS.md``.

    Examples
    --------
    >>> from firstlight.datasets import load
    >>> splits = load("digits")
    >>> splits.input_shape, [len(part) for part in (splits.train, splits.val, splits.test)]
    ((8, 8, 1), [1258, 180, 359])
    """
    with np.load(Path(__file__).with_name("digits.npz"), allow_pickle=False) as file:
        images, labels = file["images"], file["labels"]  # uint8 (1797, 8, 8), (1797,)
    scale = Scale(16, *MOMENTS) if normalize else Scale(16)
    splits = from_arrays(
        images[..., np.newaxis],  # (1797, 8, 8, 1)
        labels.astype("int64"),
        val_size=val_size,
        test_size=test_size,
        seed=seed,
        batch_size=batch_size,
        transform=scale,
        name="digits",
    )
    splits.augment = augmentation(
        augment, scale=scale, shape=(8, 8, 1), classes=10, flips=False, who="digits"
    )
    splits.info["source"] = "https://doi.org/10.24432/C50P49"
    return splits
