"""cifar10, cifar100: 60,000 colour photographs of 32 x 32 pixels in 10 or 100 classes."""

import numpy as np

from firstlight.data.augment import augmentation
from firstlight.data.remote_files import downloadable
from firstlight.data.splits import DataSplits
from firstlight.data.transforms import Scale
from firstlight.datasets.cifar_files import CifarArchive, parse_records

# The SHA-256 sums are those of TensorFlow Datasets; the MD5 sums of the data's own page are
# c32a1d4ab5d03f1284b67883e8d87530 and 03b5dce01913d631647c71ecec9e9cb8.
TORONTO = ("https://www.cs.toronto.edu/~kriz/", "https://cave.cs.toronto.edu/kriz/")
CIFAR10 = CifarArchive(
    "cifar10",
    mirrors=[*TORONTO, "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/"],
    sha256={
        "cifar-10-binary.tar.gz": "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
    },
    unpacked="cifar-10-batches-bin",
    train=[f"data_batch_{k}.bin" for k in range(1, 6)],
    test=["test_batch.bin"],
)
CIFAR100 = CifarArchive(
    "cifar100",
    mirrors=TORONTO,
    sha256={
        "cifar-100-binary.tar.gz": "58a81ae192c23a4be8b1804d68e518ed"
        "807d710a4eb253b1f2a199162a40d8ec"
    },
    unpacked="cifar-100-binary",
    train=["train.bin"],
    test=["test.bin"],
)
MOMENTS = {  # mean and standard deviation of the training pixels, divided by 255, by channel
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar100": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
}
PADDING = 4  # pixels by which the recipe "crop" shifts at most, as in the papers on this data


@downloadable(CIFAR10)
def cifar10(
    *,
    data_dir: str | None = None,
    val_size: int = 5000,
    normalize: bool = False,
    augment: tuple[str, ...] = (),
    batch_size: int = 128,
) -> DataSplits:
    """Load CIFAR-10: photographs of ten things, 50,000 to train on and 10,000 to test on.

    Images are channels-last, (32, 32, 3), and uint8 in memory; batches are float32 from 0 to 1.
    The archive is in a local folder, or is downloaded once (170 MB) to the user's cache folder.

    Parameters
    ----------
    data_dir : str, optional
        Folder with cifar-10-binary.tar.gz, or with the folder cifar-10-batches-bin that it unpacks
        to, or with a folder "cifar10" of either. By default the environment variable
        FIRSTLIGHT_DATA; if it has none the archive is downloaded.
    val_size : int
        Images at the end of the training set to validate on instead.
    normalize : bool
        Give each channel mean 0 and standard deviation 1.
    augment : tuple of str
        Random changes of the training images, by name: flip, crop (shifted by up to 4 pixels),
        affine, erase, mixup, cutmix; see `firstlight.data.augment.recipes`.
    batch_size : int
        Images in a batch.

    Returns
    -------
    DataSplits

    Raises
    ------
    FileNotFoundError, OSError
        The archive is missing, or cannot be downloaded; the message says where to put it.
    ValueError
        It is corrupt, or another archive.

    References
    ----------
    A. Krizhevsky, "Learning multiple layers of features from tiny images", University of Toronto,
    2009.
    """
    return _load(CIFAR10, "batches.meta.txt", 0, data_dir, val_size, normalize, augment, batch_size)


@downloadable(CIFAR100)
def cifar100(
    *,
    data_dir: str | None = None,
    coarse: bool = False,
    val_size: int = 5000,
    normalize: bool = False,
    augment: tuple[str, ...] = (),
    batch_size: int = 128,
) -> DataSplits:
    """Load CIFAR-100: photographs in the format of CIFAR-10, in 100 classes of 20 superclasses.

    Parameters
    ----------
    data_dir : str, optional
        Folder with cifar-100-binary.tar.gz, or with the folder cifar-100-binary; see `cifar10`.
    coarse : bool
        Take the 20 superclasses as labels.
    val_size : int
        Images at the end of the training set to validate on instead.
    normalize : bool
        Give each channel mean 0 and standard deviation 1.
    augment : tuple of str
        Random changes of the training images, by name; see `cifar10`.
    batch_size : int
        Images in a batch.

    Returns
    -------
    DataSplits

    References
    ----------
    A. Krizhevsky, "Learning multiple layers of features from tiny images", University of Toronto,
    2009.
    """
    names, column = ("coarse_label_names.txt", 0) if coarse else ("fine_label_names.txt", 1)
    return _load(CIFAR100, names, column, data_dir, val_size, normalize, augment, batch_size)


def _load(files, names, column, data_dir, val_size, normalize, augment, batch_size):
    (path,) = files.find(data_dir).values()
    bins = [*files.train, *files.test]
    *contents, text = files.read(path, [*bins, names])
    classes = text.decode().split()
    parts = [
        _arrays(content, column, classes, f"{path}: {file}", labels=1 + (files is CIFAR100))
        for file, content in zip(bins, contents, strict=True)
    ]
    x_test, y_test = parts.pop()
    x, y = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    if not 0 <= val_size < len(x):
        raise ValueError(
            f"{files.name}: expected val_size from 0 to {len(x) - 1}, as there are {len(x)} "
            f"training images, got {val_size}"
        )
    cut = len(x) - val_size
    scale = Scale(255, *MOMENTS[files.name]) if normalize else Scale(255)
    return DataSplits(
        train=(x[:cut], y[:cut]),
        val=(x[cut:], y[cut:]) if val_size else None,
        test=(x_test, y_test),
        name=files.name,
        classes=classes,
        batch_size=batch_size,
        transform=scale,
        augment=augmentation(
            augment,
            scale=scale,
            shape=x.shape[1:],
            classes=len(classes),
            padding=PADDING,
            who=files.name,
        ),
        info={"folder": str(path.parent)},
    )


def _arrays(content, column, classes, where, labels):
    """Return the images of a file and one column of their labels."""
    x, y = parse_records(content, labels, where)
    y = y[:, column]
    if y.max() >= len(classes):
        raise ValueError(
            f"{where}: expected labels 0 ... {len(classes) - 1}, got {y.max()} at image "
            f"{y.argmax()}; get the file again"
        )
    return x, y
