"""Downloads, from a real server on this machine: mirrors, checksums, what is left behind."""

import hashlib
import importlib

import pytest

from firstlight.datasets import load
from firstlight.datasets.mnist_files import FILES, SOURCES

tiny_shakespeare = importlib.import_module("firstlight.datasets.tiny_shakespeare")
FIRST = "train-images-idx3-ubyte"


@pytest.fixture
def server(packed, serve):
    return serve(packed)


@pytest.fixture
def dead(packed, serve):
    """Return the address of a server that is no longer there."""
    server = serve(packed)
    server.close()
    return server.url


@pytest.fixture
def checksums(monkeypatch, packed):
    """Put the small set's checksums into the table."""
    sums = {file: hashlib.sha256(packed[f"{file}.gz"]).hexdigest() for file in FILES}
    monkeypatch.setitem(SOURCES["mnist"], "sha256", sums)


@pytest.fixture
def mirrors(monkeypatch, checksums):
    """Return a function that sets the mirrors of mnist."""
    return lambda *urls: monkeypatch.setitem(SOURCES["mnist"], "mirrors", urls)


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache" / "firstlight" / "mnist"


def names(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_files_are_downloaded_once(server, mirrors, cache, packed):
    mirrors(server.url)
    assert len(load("mnist", val_size=5).train) == 55
    assert names(cache) == sorted(packed)
    assert sorted(server.asked) == sorted(packed)
    load("mnist", val_size=5)
    assert len(server.asked) == 4


def test_a_local_folder_goes_before_the_network(folder, server, mirrors, monkeypatch):
    mirrors(server.url)
    monkeypatch.setenv("FIRSTLIGHT_DATA", str(folder))
    load("mnist", val_size=5)
    monkeypatch.setenv("FIRSTLIGHT_DATA", str(folder / "nothing here"))
    assert server.asked == []
    load("mnist", val_size=5)
    assert len(server.asked) == 4


def test_a_dead_mirror_is_passed_over(server, dead, mirrors, cache, packed):
    mirrors(dead, server.url)
    assert len(load("mnist", val_size=5).train) == 55
    assert names(cache) == sorted(packed)


def test_a_mirror_with_other_content_is_passed_over(server, serve, packed, mirrors, cache):
    forged = serve({name: content[:-1] + b"x" for name, content in packed.items()})
    mirrors(forged.url, server.url)
    assert len(load("mnist", val_size=5).train) == 55
    assert forged.asked == [f"{FIRST}.gz"]  # it failed once, and was not asked again
    assert (cache / f"{FIRST}.gz").read_bytes() == packed[f"{FIRST}.gz"]


def test_a_wrong_checksum_everywhere_is_an_error_and_leaves_nothing(server, mirrors, cache):
    server.files[f"{FIRST}.gz"] = b"something else"
    mirrors(server.url)
    with pytest.raises(OSError, match=r"mnist: .* could not be downloaded") as caught:
        load("mnist")
    assert "hash of downloaded file" in str(caught.value)
    assert names(cache) == []


def test_every_file_has_a_sha256_and_comes_by_https():
    for source in SOURCES.values():
        assert source["mirrors"]
        assert all(mirror.startswith("https://") for mirror in source["mirrors"])
        assert source["sha256"].keys() == set(FILES)
        assert source["sha256_unpacked"].keys() <= set(FILES)
        sums = (*source["sha256"].values(), *source["sha256_unpacked"].values())
        assert all(len(bytes.fromhex(digest)) == 32 for digest in sums)
    assert tiny_shakespeare.URL.startswith("https://")
    assert len(bytes.fromhex(tiny_shakespeare.SHA256)) == 32


def test_a_download_that_breaks_off_leaves_no_half_file(server, mirrors, cache, packed):
    second = FILES[1]
    server.cut.add(f"{second}.gz")
    mirrors(server.url)
    with pytest.raises(OSError, match=f"mnist: {second}.gz could not be downloaded"):
        load("mnist")
    assert names(cache) == [f"{FIRST}.gz"]
    server.cut.clear()
    assert len(load("mnist", val_size=5).train) == 55  # goes on where it stopped
    assert server.asked.count(f"{FIRST}.gz") == 1


def test_a_cached_file_that_went_bad_is_downloaded_again(server, mirrors, cache, packed):
    mirrors(server.url)
    load("mnist", val_size=5)
    (cache / f"{FIRST}.gz").write_bytes(b"rotten")
    assert len(load("mnist", val_size=5).train) == 55
    assert (cache / f"{FIRST}.gz").read_bytes() == packed[f"{FIRST}.gz"]


def test_offline_one_error_says_what_to_put_where(dead, server, mirrors):
    server.files.clear()  # answers, but has nothing: 404
    mirrors(dead, server.url)
    with pytest.raises(OSError, match="could not be downloaded; put these files") as caught:
        load("mnist")
    message = str(caught.value)
    assert all(file in message for file in FILES)
    assert "FIRSTLIGHT_DATA" in message
    assert f"{dead}: " in message
    assert f"{server.url}: 404" in message
