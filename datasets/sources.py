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
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
    "kmnist": (
        "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
    ),
}

# MD5 of the .gz files, as their authors publish them.
MD5 = {
    "mnist": (
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "d53e105ee54ea40749a09fcbcd1e9432",
        "9fb629c4189551a2d022fa330f9573f3",
        "ec29112dd5afa0611ce80d1b7f02629c",
    ),
    "fashion_mnist": (
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "25c81989df183df01b3e8a0aad5dffbe",
        "bef4ecab320f06d8554ea6380940ec79",
        "bb300cfdad3c16e7a12a480ee83cd310",
    ),
    "kmnist": (
        "bdb82020997e1d708af4cf47b453dcf7",
        "e144d726b3acfaa3e44228e80efcd344",
        "5c965bf0a639b31b8f53240b1b52f4d7",
        "7320c461ea6c1c855c0b718fb2a4b134",
    ),
}

# SHA-256 of the unpacked content, where it is known; MD5 alone does not stop a forger.
SHA256 = {
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
        file: _download(name, file, md5, mirrors, folder)
        for file, md5 in zip(FILES, MD5[name], strict=True)
    }


def check_content(name, file, content):
    """Raise a ValueError unless a downloaded file's content has the known SHA-256, if any."""
    expected = dict(zip(FILES, SHA256.get(name, ()), strict=False)).get(file)
    if expected is not None and hashlib.sha256(content).hexdigest() != expected:
        raise ValueError(
            f"{name}: checksum mismatch: the content of {file} has not the SHA-256 {expected}; "
            "delete it from the cache folder and try again"
        )


def how_to_provide(name):
    """Say which files to put where."""
    return (
        f"put these files, raw or as .gz, into a folder {Path('...') / name} and set "
        f"FIRSTLIGHT_DATA=... (or data_dir): {', '.join(FILES)}"
    )


def _variant(folder, file):
    """Return the path of a file under one of the names in use, or None."""
    for name in (file, file.replace("-idx", ".idx")):
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return path
    return None


def _download(name, file, md5, mirrors, folder):
    import pooch

    problems = []
    for mirror in list(mirrors):
        try:
            path = pooch.retrieve(
                f"{mirror}{file}.gz",
                known_hash=f"md5:{md5}",
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
