"""Tiny IDX files for the tests of the MNIST family, and a server to download from."""

import gzip
import struct

import numpy as np
import pytest
from file_server import Server

COUNTS = {
    "train-images-idx3-ubyte": 60,
    "train-labels-idx1-ubyte": 60,
    "t10k-images-idx3-ubyte": 20,
    "t10k-labels-idx1-ubyte": 20,
}


@pytest.fixture(scope="session")
def idx_bytes():
    """Return a function that packs an array as IDX."""

    def pack(array, kind=8):
        header = struct.pack(f">BBBB{array.ndim}I", 0, 0, kind, array.ndim, *array.shape)
        return header + array.astype("uint8").tobytes()

    return pack


@pytest.fixture
def arrays():
    """Return the arrays of a small set in MNIST's format, with images of 5 x 4 pixels."""
    rng = np.random.default_rng(0)
    return {
        file: rng.integers(0, 256, (count, 5, 4)) if "images" in file else np.arange(count) % 10
        for file, count in COUNTS.items()
    }


@pytest.fixture
def contents(arrays, idx_bytes):
    """Return the same set as ``{file name: bytes}``."""
    return {file: idx_bytes(array) for file, array in arrays.items()}


@pytest.fixture
def folder(tmp_path, contents):
    """Return a folder with a sub-folder "mnist" of the small set, unpacked."""
    (tmp_path / "data" / "mnist").mkdir(parents=True)
    for file, content in contents.items():
        (tmp_path / "data" / "mnist" / file).write_bytes(content)
    return tmp_path / "data"


@pytest.fixture
def packed(contents):
    """Return the same set as ``{file name with .gz: bytes}``."""
    return {f"{file}.gz": gzip.compress(c, mtime=0) for file, c in contents.items()}


@pytest.fixture
def serve():
    """Return a function that starts a `Server` of files, given as ``{name: bytes}``."""
    servers = []

    def start(files):
        servers.append(Server(files))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture(autouse=True)
def _no_local_data(monkeypatch, tmp_path, request):
    """Keep the tests away from this machine's data and cache, except where real data are meant."""
    if "real_data" not in request.fixturenames:
        monkeypatch.delenv("FIRSTLIGHT_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
