"""Tiny IDX files for the tests of the MNIST family, and a server to download from."""

import gzip
import http.server
import struct
import threading

import numpy as np
import pytest

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


class Server:
    """Serves files over HTTP; ``cut`` names those that break off in the middle."""

    def __init__(self, files):
        self.files, self.cut, self.asked = dict(files), set(), []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                name = self.path.rpartition("/")[2]
                server.asked.append(name)
                if name not in server.files:
                    self.send_error(404)
                    return
                content = server.files[name]
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) // 2] if name in server.cut else content)

            def log_message(self, *args):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.02,))
        self.thread.start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


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
    monkeypatch.delenv("http_proxy", raising=False)
    monkeypatch.delenv("HTTP_PROXY", raising=False)
