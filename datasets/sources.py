"""Where the files of the MNIST family are: a local folder, or mirrors to download from."""

import hashlib
from pathlib import Path

# In the order of the checksums below.
FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)

MIRRORS = {
    "mnist": (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    "fashion_mnist": (
        "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
    "kmnist": ("https://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
}

# SHA-256 of the .gz files. Those of Fashion-MNIST and KMNIST are the ones that TensorFlow Datasets
# publishes (tensorflow_datasets/url_checksums), for the sizes that the authors give.
SHA256 = {
    "mnist": (
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
    "fashion_mnist": (
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    ),
    "kmnist": (
        "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
        "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
        "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
        "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
    ),
}

# SHA-256 of the unpacked content, where it is known: it accepts files that were repacked.
UNPACKED = {
    "mnist": (
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
}


def local_files(name, folder):
    """Return ``{file: path}`` of a data set in ``<folder>/<name>`` or ``<folder>``, or None.

    Raises
    ------
    FileNotFoundError
        Some of the files are there, and some are missing.
    """
    folder = Path(folder).expanduser()
    for place in (folder / name, folder):
        found = {file: _variant(place, file) for file in FILES}
        missing = [file for file, path in found.items() if path is None]
        if not missing:
            return found
        if len(missing) < len(FILES):
            raise FileNotFoundError(f"{name}: {place} lacks {', '.join(missing)} (raw or .gz)")
    return None


def downloaded_files(name):
    """Download what is not in the cache folder yet, and return ``{file: path}``.

    A file appears in the cache when it is whole and its checksum is right; a mirror that fails
    is asked last from then on.

    Raises
    ------
    OSError
        No mirror has the file; the message says how to provide the files by hand.
    """
    import pooch

    folder = Path(pooch.os_cache("firstlight")) / name
    mirrors = list(MIRRORS[name])
    return {
        file: _download(name, file, sha256, mirrors, folder)
        for file, sha256 in zip(FILES, SHA256[name], strict=True)
    }


def how_to_provide(name):
    """Say which files to put where."""
    return (
        f"put these files, raw or as .gz, into a folder {Path('...') / name} and set "
        f"FIRSTLIGHT_DATA=... (or data_dir): {', '.join(FILES)}"
    )


def owners(file, packed, content):
    """Return the names of the data sets that a file is known to belong to.

    Parameters
    ----------
    file : str
        One of `FILES`.
    packed, content : bytes
        As it lies on the disk, and unpacked.
    """
    place, digests = FILES.index(file), {_sha256(packed), _sha256(content)}
    tables = (*SHA256.items(), *UNPACKED.items())
    return {name for name, sums in tables if sums[place] in digests}


def _sha256(content):
    return hashlib.sha256(content).hexdigest()


def _variant(folder, file):
    """Return the path of a file under one of the names in use, or None."""
    for name in (file, file.replace("-idx", ".idx")):
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return path
    return None


def _download(name, file, sha256, mirrors, folder):
    import pooch

    problems = []
    for mirror in list(mirrors):
        try:
            path = pooch.retrieve(
                f"{mirror}{file}.gz",
                known_hash=f"sha256:{sha256}",
                fname=f"{file}.gz",
                path=folder,
                downloader=pooch.HTTPDownloader(timeout=30),
            )
            return Path(path)
        except (OSError, ValueError) as error:  # the network's are OSErrors, a checksum's is not
            problems.append(f"{mirror}: {error}")
            mirrors.remove(mirror)
            mirrors.append(mirror)
    raise OSError(
        f"{name}: {file}.gz could not be downloaded; {how_to_provide(name)}\n" + "\n".join(problems)
    )
