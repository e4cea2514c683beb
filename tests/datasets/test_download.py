"""Downloads, from a real server on this machine: mirrors, checksums, what is left behind."""

import gzip
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

import firstlight as fl
from firstlight import plugins
from firstlight.data.remote_files import RemoteFiles
from firstlight.datasets import load
from firstlight.datasets.mnist_files import SETS

FILES = list(SETS["mnist"].sha256)
FIRST = FILES[0]


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
    sums = {file: hashlib.sha256(packed[file]).hexdigest() for file in FILES}
    monkeypatch.setattr(SETS["mnist"], "sha256", sums)


@pytest.fixture
def mirrors(monkeypatch, checksums):
    """Return a function that sets the mirrors of mnist."""
    return lambda *urls: monkeypatch.setattr(SETS["mnist"], "mirrors", urls)


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
    at_hand = fl.datasets.mnist.files.at_hand
    monkeypatch.setenv("FIRSTLIGHT_DATA", str(folder))
    assert at_hand()
    load("mnist", val_size=5)
    monkeypatch.setenv("FIRSTLIGHT_DATA", str(folder / "nothing here"))
    assert not at_hand()
    assert server.asked == []
    load("mnist", val_size=5)
    assert len(server.asked) == 4
    assert at_hand()  # in the cache


def test_a_dead_mirror_is_passed_over(server, dead, mirrors, cache, packed):
    mirrors(dead, server.url)
    assert len(load("mnist", val_size=5).train) == 55
    assert names(cache) == sorted(packed)


def test_a_mirror_with_other_content_is_passed_over(server, serve, packed, mirrors, cache):
    forged = serve({name: content[:-1] + b"x" for name, content in packed.items()})
    mirrors(forged.url, server.url)
    assert len(load("mnist", val_size=5).train) == 55
    assert forged.asked == [FIRST]  # it failed once, and was not asked again
    assert (cache / FIRST).read_bytes() == packed[FIRST]


def test_a_wrong_checksum_everywhere_is_an_error_and_leaves_nothing(server, mirrors, cache):
    server.files[FIRST] = b"something else"
    mirrors(server.url)
    with pytest.raises(OSError, match=r"mnist: .* could not be downloaded") as caught:
        load("mnist")
    assert f"{FIRST}: it has another content of 14 bytes, with a wrong checksum" in str(
        caught.value
    )
    assert names(cache) == []


def test_every_file_has_a_sha256_and_comes_by_https():
    registry = plugins.registry("dataset")
    sets = {name: getattr(registry.get(name), "files", None) for name in registry.names()}
    sets = {name: files for name, files in sets.items() if isinstance(files, RemoteFiles)}
    assert sets.keys() >= {*SETS, "cifar10", "cifar100", "tiny_shakespeare"}
    for name, files in sets.items():
        assert files.name == name
        assert files.mirrors
        assert all(m.startswith("https://") and m.endswith("/") for m in files.mirrors)
        assert all(len(bytes.fromhex(digest)) == 32 for digest in files.sha256.values())
    for files in SETS.values():
        assert len(files.sha256) == 4
        assert files.unpacked.keys() <= files.sha256.keys()
        assert all(len(bytes.fromhex(digest)) == 32 for digest in files.unpacked.values())


def test_a_download_that_breaks_off_leaves_no_half_file(server, mirrors, cache, packed):
    second = FILES[1]
    server.cut.add(second)
    mirrors(server.url)
    with pytest.raises(OSError, match=f"mnist: {second} could not be downloaded"):
        load("mnist")
    assert names(cache) == [FIRST]
    server.cut.clear()
    assert len(load("mnist", val_size=5).train) == 55  # goes on where it stopped
    assert server.asked.count(FIRST) == 1


def test_a_cached_file_that_went_bad_is_downloaded_again(server, mirrors, cache, packed):
    mirrors(server.url)
    load("mnist", val_size=5)
    (cache / FIRST).write_bytes(b"rotten")
    assert len(load("mnist", val_size=5).train) == 55
    assert (cache / FIRST).read_bytes() == packed[FIRST]


def test_thirty_fetch_to_one_folder_at_once(server, mirrors, tmp_path, packed):
    mirrors(server.url)
    with ThreadPoolExecutor(30) as pool:
        fetched = list(pool.map(lambda _: list(SETS["mnist"].fetch(tmp_path / "d")), range(30)))
    for paths in fetched:
        assert [path.name for path, _ in paths] == FILES
    assert {p.name: p.read_bytes() for p in (tmp_path / "d" / "mnist").iterdir()} == packed


def test_a_file_packed_again_or_unpacked_is_whole(server, mirrors, tmp_path, contents, monkeypatch):
    sums = {f"{file}.gz": hashlib.sha256(content).hexdigest() for file, content in contents.items()}
    monkeypatch.setattr(SETS["mnist"], "unpacked", sums)
    mirrors(server.url)
    place = tmp_path / "d" / "mnist"
    place.mkdir(parents=True)
    for number, (file, content) in enumerate(contents.items()):
        if number % 2:
            (place / file).write_bytes(content)
        else:
            (place / f"{file}.gz").write_bytes(gzip.compress(content, 1, mtime=7))
    assert [origin for _, origin in SETS["mnist"].fetch(tmp_path / "d")] == [""] * 4
    assert server.asked == []
    raw = place / FILES[1].removesuffix(".gz")
    raw.write_bytes(b"damaged")
    with pytest.raises(OSError, match="would be read instead of .*; delete it"):
        list(SETS["mnist"].fetch(tmp_path / "d"))


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read all")
@pytest.mark.parametrize("closed", ["mnist", f"mnist/{FILES[2]}"])
def test_a_folder_that_others_may_not_read(server, mirrors, tmp_path, monkeypatch, closed):
    mirrors(server.url)
    list(SETS["mnist"].fetch(tmp_path / "d"))
    monkeypatch.setenv("FIRSTLIGHT_DATA", str(tmp_path / "d"))
    (tmp_path / "d" / closed).chmod(0)
    try:
        with pytest.raises(OSError, match=r"mnist: .* cannot be read .*; its owner can let") as got:
            load("mnist")
        assert "chmod -R a+rX" in str(got.value)
    finally:
        (tmp_path / "d" / closed).chmod(0o755)


def test_offline_one_error_says_what_to_put_where(dead, server, mirrors):
    server.files.clear()  # answers, but has nothing: 404
    mirrors(dead, server.url)
    with pytest.raises(
        OSError, match=f"mnist: {FIRST} could not be downloaded to .*mnist"
    ) as caught:
        load("mnist")
    lines = str(caught.value).splitlines()[1:]
    assert lines[0].startswith(f"  {dead}{FIRST}: Failed to establish a new connection: [Errno")
    assert lines[1] == f"  {server.url}{FIRST}: 404 Client Error: Not Found"
    advice = "\n".join(caught.value.__notes__)
    assert "firstlight data download mnist --to DIR" in advice
    assert "FIRSTLIGHT_DATA=DIR" in advice
    assert all(file in advice for file in FILES)
