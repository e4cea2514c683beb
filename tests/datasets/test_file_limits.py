"""Files that claim, or unpack to, more than they have are refused before memory is taken."""

import io
import os
import tracemalloc
import zipfile
from contextlib import contextmanager

import numpy as np
import pytest

from firstlight.datasets import from_arrays, load, prepare_tokens

X = np.arange(40.0).reshape(20, 2)


@contextmanager
def little_memory(most=2**24):
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


def npz(path, **members):
    """Write an .npz file of raw bytes by name."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)


def npy(array, shape=None):
    """Return an array as the bytes of an .npy file, whose header may claim another shape."""
    file = io.BytesIO()
    header = {"descr": array.dtype.str, "fortran_order": False, "shape": shape or array.shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + array.tobytes()


def test_one_label_of_a_billion_makes_no_billion_names(tmp_path):
    y = np.arange(20)
    y[3] = 10**9
    np.savez(tmp_path / "a.npz", x=X, y=y)
    np.savez(tmp_path / "b.npz", x_train=X, y_train=y)
    message = "label 1000000000 at position 3 would mean 1,000,000,001 classes; number the classes"
    with little_memory():
        for name in ("a", "b"):
            with pytest.raises(ValueError, match=f"{name}: {message}"):
                load(tmp_path / f"{name}.npz")
        with pytest.raises(ValueError, match=f"data: {message}"):
            from_arrays(X, y)


def test_a_few_samples_have_no_million_classes(tmp_path):
    """A network with so many outputs, and an optimizer's state of them, take 5 GB."""
    y = np.arange(20)
    y[3] = 2**16
    with pytest.raises(ValueError, match="label 65536 at position 3 would mean 65,537 classes"):
        from_arrays(X, y)
    assert len(from_arrays(X, np.where(y == 2**16, 2**16 - 1, y)).classes) == 2**16
    many = np.arange(2**16 + 1)
    assert len(from_arrays(many[:, None].astype("f4"), many, regression=False).classes) == 2**16 + 1


def test_elements_without_bytes_are_refused(tmp_path):
    npz(tmp_path / "a.npz", x=npy(X), y=npy(np.zeros(0, "V0"), shape=(10**10,)))
    with little_memory(), pytest.raises(ValueError, match=r"a.npz: .* y.npy claims 10,000,000,0"):
        load(tmp_path / "a.npz")


def test_an_array_that_claims_more_than_there_is(tmp_path):
    npz(tmp_path / "a.npz", x=npy(X, shape=(10**11, 2)), y=npy(np.arange(20)))
    with little_memory(), pytest.raises(ValueError, match=r"a.npz: .* x.npy claims 1,600,000,0"):
        load(tmp_path / "a.npz")


def test_a_file_that_unpacks_to_far_more_than_its_size(tmp_path, monkeypatch):
    monkeypatch.setattr("firstlight.datasets._file_limits.ROOM", 2**20)
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros((2**20, 8)), y=np.zeros(2**20, int))
    with little_memory(), pytest.raises(ValueError, match=r"a.npz: .* unpack to 75,.* np.savez "):
        load(tmp_path / "a.npz")


def test_an_array_that_is_there_twice(tmp_path):
    np.savez(tmp_path / "a.npz", x=X, y=np.arange(20))
    with (
        zipfile.ZipFile(tmp_path / "a.npz", "a") as archive,
        pytest.warns(UserWarning, match="Duplicate"),
    ):
        archive.writestr("x.npy", npy(X + 1))
    with pytest.raises(ValueError, match="it holds x.npy twice"):
        load(tmp_path / "a.npz")


def test_tokens_are_not_written_through_a_link(tmp_path):
    (tmp_path / "text.txt").write_text("to be or not to be, " * 10)
    victim = tmp_path / "victim"
    victim.write_text("mine")
    for planted in (".tokens.npy.part", "tokens.npy", "tokens.json"):
        os.symlink(victim, tmp_path / planted)
    assert prepare_tokens("text.txt", "tokens.npy") == 200
    assert victim.read_text() == "mine"
    assert not (tmp_path / "tokens.npy").is_symlink()
    assert load("text", path="tokens.npy", block_size=4).info["tokens"] == 200


def test_tokens_of_another_width_are_no_token_file(tmp_path):
    (tmp_path / "text.txt").write_text("to be or not to be, " * 10)
    prepare_tokens("text.txt", "tokens.npy")
    np.save("tokens.npy", np.load("tokens.npy").astype("uint64"))
    with pytest.raises(ValueError, match="expected uint16 or uint32 of shape .n,., got uint64"):
        load("text", path="tokens.npy", block_size=4)
