"""``data download``: to a folder that others may share, from servers, folders and the cache."""

import hashlib
import os
import re

import pytest
from file_server import Server

from firstlight.data.remote_files import RemoteFiles
from firstlight.datasets import load

CONTENTS = {"a.npy": b"one" * 100, "b.npy": b"two" * 50}
MINE = """
import firstlight as fl
import numpy as np
from firstlight.data.remote_files import RemoteFiles, downloadable

FILES = RemoteFiles("moons", mirrors=["{url}"], sha256={sums})

@downloadable(FILES)
def moons(*, data_dir: str | None = None) -> fl.DataSplits:
    return fl.datasets.from_arrays(*map(np.load, FILES.find(data_dir).values()))
"""


@pytest.fixture
def server():
    server = Server(CONTENTS)
    yield server
    server.close()


@pytest.fixture(autouse=True)
def mine(server, tmp_path, monkeypatch):
    """Write a data set of one's own, whose files the server has."""
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENTS.items()}
    (tmp_path / "mine.py").write_text(MINE.format(url=server.url, sums=sums))
    monkeypatch.delenv("FIRSTLIGHT_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def files_in(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


MOONS = {f"moons/{name}": content for name, content in CONTENTS.items()}


def test_files_are_downloaded_and_then_kept(cli, server, tmp_path):
    folder = tmp_path / "shared data"
    code, out, _ = cli("data", "download", "mine:moons", "--to", folder)
    assert code == 0
    assert f"{folder / 'moons' / 'a.npy'}  300 bytes  from {server.url}a.npy\n" in out
    assert f"use it: export FIRSTLIGHT_DATA='{folder}'\n" in out
    assert files_in(folder) == MOONS
    assert server.asked == ["a.npy", "b.npy"]
    code, out, err = cli("data", "download", "mine:moons", "--to", folder)
    assert (code, err) == (0, "")
    assert out.count("  was here\n") == 2
    assert server.asked == ["a.npy", "b.npy"]


def test_without_a_folder_the_cache_is_filled(cli, server, tmp_path):
    assert cli("data", "download", "mine:moons")[0] == 0
    assert files_in(tmp_path / "cache" / "firstlight") == MOONS
    server.files.clear()
    assert cli("data", "download", "mine:moons", "--to", "here")[0] == 0  # from the cache
    assert files_in(tmp_path / "here") == MOONS
    assert server.asked == ["a.npy", "b.npy"]


def test_a_stick_is_copied_without_network(cli, server, tmp_path, monkeypatch):
    (tmp_path / "stick" / "moons").mkdir(parents=True)
    for name, content in CONTENTS.items():
        (tmp_path / "stick" / "moons" / name).write_bytes(content)
    monkeypatch.setenv("FIRSTLIGHT_DATA", "stick")
    code, out, err = cli("data", "download", "mine:moons", "--to", "home")
    assert (code, err, server.asked) == (0, "", [])
    assert f"from {os.path.join('stick', 'moons', 'a.npy')}" in out
    assert files_in(tmp_path / "home") == MOONS


def test_a_damaged_file_is_replaced_and_never_copied(cli, server, tmp_path, monkeypatch):
    for folder in ("stick", "home"):
        (tmp_path / folder / "moons").mkdir(parents=True)
        (tmp_path / folder / "moons" / "a.npy").write_bytes(b"damaged")
    monkeypatch.setenv("FIRSTLIGHT_DATA", "stick")
    assert cli("data", "download", "mine:moons", "--to", "home")[0] == 0
    assert files_in(tmp_path / "home") == MOONS


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_everybody_may_read_what_is_downloaded(cli, tmp_path):
    before = os.umask(0o077)
    try:
        code, out, _ = cli("data", "download", "mine:moons", "--to", tmp_path / "new" / "data")
    finally:
        os.umask(before)
    assert code == 0
    for path in (tmp_path / "new").rglob("*"):
        assert path.stat().st_mode & 0o555 == (0o444 if path.is_file() else 0o555)
    assert str(tmp_path / "new") not in "".join(re.findall("cannot read .*", out))
    (tmp_path / "new").chmod(0o750)
    (tmp_path / "new" / "data" / "moons" / "a.npy").chmod(0o600)
    out = cli("data", "download", "mine:moons", "--to", tmp_path / "new" / "data")[1]
    assert f"other users cannot read {tmp_path / 'new'} (drwxr-x---)" in out
    assert f"cannot read {tmp_path / 'new' / 'data' / 'moons' / 'a.npy'} (-rw-------)" in out


def test_links_to_folders_and_files(cli, tmp_path, server):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk")
    assert cli("data", "download", "mine:moons", "--to", "link")[0] == 0
    assert files_in(tmp_path / "disk") == MOONS
    a = tmp_path / "disk" / "moons" / "a.npy"
    a.rename(tmp_path / "elsewhere")
    a.symlink_to(tmp_path / "elsewhere")
    assert cli("data", "download", "mine:moons", "--to", "link")[1].count("was here") == 2
    (tmp_path / "elsewhere").write_bytes(b"damaged")
    assert cli("data", "download", "mine:moons", "--to", "link")[0] == 0
    assert not a.is_symlink()  # the link was replaced, not the file behind it
    assert (tmp_path / "elsewhere").read_bytes() == b"damaged"


def test_temporary_files_of_killed_processes_are_deleted(cli, tmp_path):
    place = tmp_path / "home" / "moons"
    place.mkdir(parents=True)
    old, new = place / ".a.npy.0badcafe", place / ".a.npy.1badcafe"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    assert cli("data", "download", "mine:moons", "--to", "home")[0] == 0
    assert sorted(p.name for p in place.iterdir()) == [".a.npy.1badcafe", "a.npy", "b.npy"]


def test_all_fetches_the_others_though_one_fails(cli, tmp_path, monkeypatch):
    from firstlight import plugins

    for name in plugins.registry("dataset").names():
        files = getattr(plugins.registry("dataset").get(name), "files", None)
        if isinstance(files, RemoteFiles):
            monkeypatch.setattr(files, "mirrors", ["http://127.0.0.1:9/"])
    (tmp_path / "stick" / "tinyshakespeare").mkdir(parents=True)
    (tmp_path / "stick" / "tinyshakespeare" / "input.txt").write_bytes(b"Speak.")
    shakespeare = load.__globals__["tiny_shakespeare"].files
    digest = {"input.txt": hashlib.sha256(b"Speak.").hexdigest()}
    monkeypatch.setattr(shakespeare, "sha256", digest)
    monkeypatch.setenv("FIRSTLIGHT_DATA", "stick")
    code, out, err = cli("data", "download", "all", "--to", "home")
    assert code == 1
    assert list(files_in(tmp_path / "home").values()) == [b"Speak."]
    assert "failed: cifar10: cifar-10-binary.tar.gz could not be downloaded to" in err
    assert "\nkmnist: train-images-idx3-ubyte.gz could not be downloaded to" in err
    names = "cifar10 cifar100 fashion_mnist kmnist mnist"
    assert f"run: firstlight data download {names} --to DIR\n" in err


def failure(cli, *words):
    code, _, err = cli("data", "download", "mine:moons", *words)
    assert code == 1
    assert "Traceback" not in err
    return err


def test_a_login_page_of_a_network(cli, server):
    server.files["a.npy"] = b"\n<html>Please log in</html>"
    message = failure(cli, "--to", "home")
    assert "a.npy: it has a web page, such as the login of a network, of 27 bytes, with" in message


def test_a_proxy_that_is_not_there(cli, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    message = failure(cli, "--to", "home")
    assert "a.npy: the proxy that https_proxy or http_proxy names: Failed to establish" in message
    assert "Connection refused\n" in message


@pytest.mark.parametrize("origin", ["server", "folder"])
def test_a_full_disk(cli, tmp_path, monkeypatch, origin):
    resource = pytest.importorskip("resource")
    if origin == "folder":
        cli("data", "download", "mine:moons", "--to", "stick")
        monkeypatch.setenv("FIRSTLIGHT_DATA", "stick")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, hard))  # a.npy has 300 bytes
    try:
        message = failure(cli, "--to", "home")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "a.npy cannot be written (File too large); choose a folder with enough space" in message
    assert files_in(tmp_path / "home") == {}


def test_folders_that_cannot_be(cli, tmp_path):
    (tmp_path / "file").write_text("")
    assert "a.npy cannot be written (Not a directory)" in failure(cli, "--to", "file")
    (tmp_path / "home" / "moons" / "a.npy").mkdir(parents=True)
    message = failure(cli, "--to", "home")
    assert "a.npy cannot be written (expected the name of a file, got a folder)" in message


def test_wrong_names(refused):
    assert "digits: this data set has no files" in refused("data", "download", "digits")
    assert "did you mean 'mnist'?" in refused("data", "download", "minst")
    assert "--to: expected a folder" in refused("data", "download", "mnist", "--to", "")
    assert "required: NAME" in refused("data", "download")
