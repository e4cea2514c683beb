"""mnist, fashion_mnist, kmnist: 70,000 grey images of 28 x 28 pixels in ten classes each."""

import numpy as np

from firstlight.data.augment import augmentation
from firstlight.data.remote_files import downloadable
from firstlight.data.splits import DataSplits
from firstlight.data.transforms import Scale
from firstlight.datasets.mnist_files import SETS, check_belongs, parse_idx, read_content

CLASSES = {
    "mnist": [str(digit) for digit in range(10)],
    "fashion_mnist": [
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ],
    "kmnist": ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"],
}
MOMENTS = {  # mean and standard deviation of the training pixels, divided by 255
    "mnist": (0.1307, 0.3081),
    "fashion_mnist": (0.2860, 0.3530),
    "kmnist": (0.1918, 0.3483),
}


@downloadable(SETS["mnist"])
def mnist(
    *,
    data_dir: str | None = None,
    val_size: int = 5000,
    normalize: bool = False,
    augment: tuple[str, ...] = (),
    batch_size: int = 128,
) -> DataSplits:
    """Load MNIST: handwritten digits, 60,000 images to train on and 10,000 to test on.

    Images are channels-last, (28, 28, 1), and uint8 in memory; batches are float32 from 0 to 1.
    The files are in a local folder, or are downloaded once to the user's cache folder.

    Parameters
    ----------
    data_dir : str, optional
        Folder with the four IDX files, raw or .gz, or with a folder "mnist" of them. By default
        the environment variable FIRSTLIGHT_DATA; if it has none they are downloaded.
    val_size : int
        Images at the end of the training set to validate on instead.
    normalize : bool
        Give the pixels mean 0 and standard deviation 1.
    augment : tuple of str
        Random changes of the training images, by name: affine (turned, shifted, scaled, sheared
        a little), elastic, crop, erase, mixup, cutmix; see `firstlight.data.augment.recipes`.
    batch_size : int
        Images in a batch.

    Returns
    -------
    DataSplits

    Raises
    ------
    FileNotFoundError, OSError
        Files are missing, or cannot be downloaded; the message names them and their folder.
    ValueError
        A file is corrupt, cut off or mislabelled.

    References
    ----------
    Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document
    recognition", Proc. IEEE 86(11), 1998.
    """
    return _load("mnist", data_dir, val_size, normalize, augment, batch_size)


@downloadable(SETS["fashion_mnist"])
def fashion_mnist(
    *,
    data_dir: str | None = None,
    val_size: int = 5000,
    normalize: bool = False,
    augment: tuple[str, ...] = (),
    batch_size: int = 128,
) -> DataSplits:
    """Load Fashion-MNIST: clothes in the format of MNIST, which are harder to classify.

    Parameters
    ----------
    data_dir : str, optional
        Folder with the four IDX files, or with a folder "fashion_mnist" of them; see `mnist`.
    val_size : int
        Images at the end of the training set to validate on instead.
    normalize : bool
        Give the pixels mean 0 and standard deviation 1.
    augment : tuple of str
        Random changes of the training images, by name; see `mnist`, and flip.
    batch_size : int
        Images in a batch.

    Returns
    -------
    DataSplits

    References
    ----------
    H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine
    learning algorithms", arXiv:1708.07747, 2017.
    """
    return _load("fashion_mnist", data_dir, val_size, normalize, augment, batch_size)


@downloadable(SETS["kmnist"])
def kmnist(
    *,
    data_dir: str | None = None,
    val_size: int = 5000,
    normalize: bool = False,
    augment: tuple[str, ...] = (),
    batch_size: int = 128,
) -> DataSplits:
    """Load Kuzushiji-MNIST: cursive Japanese characters in the format of MNIST.

    Parameters
    ----------
    data_dir : str, optional
        Folder with the four IDX files, or with a folder "kmnist" of them; see `mnist`.
    val_size : int
        Images at the end of the training set to validate on instead.
    normalize : bool
        Give the pixels mean 0 and standard deviation 1.
    augment : tuple of str
        Random changes of the training images, by name; see `mnist`.
    batch_size : int
        Images in a batch.

    Returns
    -------
    DataSplits

    References
    ----------
    T. Clanuwat et al., "Deep learning for classical Japanese literature", arXiv:1812.01718, 2018.
    """
    return _load("kmnist", data_dir, val_size, normalize, augment, batch_size)


def _load(name, data_dir, val_size, normalize, augment, batch_size):
    paths = SETS[name].find(data_dir)
    arrays = [_read(name, file, path) for file, path in paths.items()]
    x, y, x_test, y_test = arrays  # (N, H, W, 1) uint8, (N,) int64, and the same to test on
    folder, classes = next(iter(paths.values())).parent, CLASSES[name]
    for images, labels, part in ((x, y, "train"), (x_test, y_test, "t10k")):
        if len(images) != len(labels):
            raise ValueError(
                f"{name}: {len(images)} {part} images, but {len(labels)} {part} labels, in "
                f"{folder}; the files do not belong together"
            )
    if not 0 <= val_size < len(x):
        raise ValueError(
            f"{name}: expected val_size from 0 to {len(x) - 1}, as there are {len(x)} training "
            f"images, got {val_size}"
        )
    cut = len(x) - val_size
    scale = Scale(255, *MOMENTS[name]) if normalize else Scale(255)
    return DataSplits(
        train=(x[:cut], y[:cut]),
        val=(x[cut:], y[cut:]) if val_size else None,
        test=(x_test, y_test),
        name=name,
        classes=classes,
        batch_size=batch_size,
        transform=scale,
        augment=augmentation(
            augment,
            scale=scale,
            shape=x.shape[1:],
            classes=len(classes),
            flips=name == "fashion_mnist",
            who=name,
        ),
        info={"folder": str(folder)},
    )


def _read(name, file, path):
    content = read_content(path)
    if "images" in file:
        return parse_idx(content, 3, path)[..., np.newaxis]  # (N, H, W, 1)
    check_belongs(name, file, path, content)
    labels = parse_idx(content, 1, path)  # (N,)
    if labels.size and labels.max() > 9:
        raise ValueError(
            f"{path}: expected labels 0 ... 9, got {labels.max()} at position {labels.argmax()}"
        )
    return labels.astype("int64")
