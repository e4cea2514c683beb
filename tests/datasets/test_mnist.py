"""mnist, fashion_mnist, kmnist from local folders; IDX files that cannot be; the real files."""

import gzip
import hashlib
import os

import numpy as np
import pytest

from firstlight.datasets import load
from firstlight.datasets.mnist_files import SETS, parse_idx, read_content

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
T10K_LABELS = "t10k-labels-idx1-ubyte"


def test_a_local_folder_is_read(folder, arrays):
    splits = load("mnist", data_dir=str(folder), val_size=10, batch_size=16)
    assert [len(part) for part in (splits.train, splits.val, splits.test)] == [50, 10, 20]
    assert (splits.input_shape, splits.classes[3], splits.batch_size) == ((5, 4, 1), "3", 16)
    images, labels = splits.train.arrays
    np.testing.assert_array_equal(images[..., 0], arrays[IMAGES][:50])
    assert (images.dtype, labels.dtype) == (np.uint8, np.int64)
    np.testing.assert_array_equal(splits.val.arrays[1], arrays[LABELS][50:])
    np.testing.assert_array_equal(splits.test.arrays[1], arrays[T10K_LABELS])
    x, y = next(iter(splits.loader("val")))
    np.testing.assert_allclose(x[..., 0], arrays[IMAGES][50:] / 255, rtol=1e-6)
    assert x.dtype == np.float32


def test_normalize(folder, arrays):
    splits = load("mnist", data_dir=str(folder), val_size=10, normalize=True)
    x, _ = next(iter(splits.loader("val")))
    np.testing.assert_allclose(x[..., 0], (arrays[IMAGES][50:] / 255 - 0.1307) / 0.3081, atol=1e-5)


@pytest.mark.parametrize("place", ["data_dir", "inside", "environment", "environment_inside"])
def test_where_the_folder_may_be(folder, monkeypatch, place):
    where = folder / "mnist" if "inside" in place else folder
    if "environment" in place:
        monkeypatch.setenv("FIRSTLIGHT_DATA", str(where))
        assert len(load("mnist", val_size=0).train) == 60
    else:
        assert len(load("mnist", val_size=0, data_dir=str(where)).train) == 60


def test_gzip_is_told_by_its_content_and_other_spellings_are_found(tmp_path, contents):
    for file, content in contents.items():
        packed = gzip.compress(content)
        name = {IMAGES: IMAGES, LABELS: f"{LABELS}.gz"}.get(file, file.replace("-idx", ".idx"))
        (tmp_path / name).write_bytes(packed if file in (IMAGES, LABELS) else content)
    assert len(load("kmnist", data_dir=str(tmp_path), val_size=1).train) == 59


@pytest.mark.parametrize(("name", "third"), [("fashion_mnist", "Dress"), ("kmnist", "tsu")])
def test_the_relatives_have_names_of_their_own(folder, name, third):
    (folder / "mnist").rename(folder / name)
    splits = load(name, data_dir=str(folder), val_size=5)
    assert (splits.name, splits.classes[3], len(splits.classes)) == (name, third, 10)


@pytest.mark.parametrize("size", [-1, 60])
def test_validation_sizes_that_do_not_fit(folder, size):
    with pytest.raises(ValueError, match=f"mnist: expected val_size from 0 to 59, .*, got {size}"):
        load("mnist", data_dir=str(folder), val_size=size)


def test_a_folder_without_the_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="kmnist: .* which are downloaded") as caught:
        load("kmnist", data_dir=str(tmp_path))
    assert str(tmp_path) in str(caught.value)
    assert all(file in str(caught.value) for file in SETS["kmnist"].sha256)


def test_a_folder_with_some_of_the_files(folder):
    (folder / "mnist" / LABELS).unlink()
    with pytest.raises(FileNotFoundError, match=f"mnist lacks {LABELS}.gz$"):
        load("mnist", data_dir=str(folder), val_size=0)


# --- files that cannot be right ------------------------------------------------------------------


def broken(folder, file, content):
    (folder / "mnist" / file).write_bytes(content)
    with pytest.raises(ValueError, match=file) as caught:
        load("mnist", data_dir=str(folder), val_size=0)
    return str(caught.value)


def test_images_where_labels_belong(folder, contents):
    message = broken(folder, LABELS, contents[IMAGES])
    assert "expected 1 axis (labels), got 3 axes (images); is the file misnamed?" in message
    (folder / "mnist" / LABELS).write_bytes(contents[LABELS])
    message = broken(folder, IMAGES, contents[LABELS])
    assert "expected 3 axes (images), got 1 axis (labels)" in message


def test_labels_of_the_other_part(folder, contents):
    (folder / "mnist" / LABELS).write_bytes(contents[T10K_LABELS])
    with pytest.raises(ValueError, match="60 train images, but 20 train labels, in .*mnist; the f"):
        load("mnist", data_dir=str(folder))


def test_labels_beyond_the_classes(folder, arrays, idx_bytes):
    arrays[LABELS][7] = 10
    message = broken(folder, LABELS, idx_bytes(arrays[LABELS]))
    assert "expected labels 0 ... 9, got 10 at position 7" in message


def test_truncated_files(folder, contents):
    message = broken(folder, IMAGES, contents[IMAGES][:-1])
    assert "cut off: expected 1216 bytes, got 1215 bytes; get the file again" in message
    assert "cut off: expected its header" in broken(folder, IMAGES, contents[IMAGES][:11])


def test_trailing_bytes(folder, contents):
    message = broken(folder, LABELS, contents[LABELS] + b"xy")
    assert "2 bytes too many after the 60 values of shape (60,)" in message


def test_other_types_of_values(folder, arrays, idx_bytes):
    message = broken(folder, LABELS, idx_bytes(arrays[LABELS], kind=0x0D))
    assert "expected unsigned bytes (uint8), got values of type float32" in message


@pytest.mark.parametrize("content", [b"", b"\0\0", b"<html>not found</html>", b"\0\0\x07\x01abcd"])
def test_what_is_no_idx_file(folder, content):
    message = broken(folder, LABELS, content)
    assert "not an IDX file: expected it to start with 00 00 08 01, got" in message


@pytest.mark.parametrize("damage", ["cut", "flip", "tail"])
def test_corrupt_gzip(folder, packed, damage):
    data = bytearray(packed[f"{LABELS}.gz"])
    if damage == "cut":
        data = data[:-10]
    elif damage == "flip":
        data[-6] ^= 1  # the checksum
    else:
        data += b"tail"
    assert "corrupt gzip file" in broken(folder, LABELS, bytes(data))


def test_another_sets_files_in_the_folder_are_noticed(folder, monkeypatch, contents):
    digest = hashlib.sha256(contents[T10K_LABELS]).hexdigest()
    monkeypatch.setattr(SETS["mnist"], "unpacked", {f"{T10K_LABELS}.gz": digest})
    assert len(load("mnist", data_dir=str(folder / "mnist"), val_size=0).train) == 60
    with pytest.raises(ValueError, match="these are the labels of mnist, not of kmnist; give each"):
        load("kmnist", data_dir=str(folder / "mnist"), val_size=0)


@pytest.mark.slow
def test_a_file_that_unpacks_to_far_more_than_its_size_is_refused(folder, monkeypatch):
    monkeypatch.setattr("firstlight.datasets._file_limits.ROOM", 2**20)
    bomb = gzip.compress(b"\0\0\x08\x01" + (2**28).to_bytes(4, "big") + bytes(2**28))
    message = broken(folder, LABELS, bomb)
    assert f"{len(bomb):,} bytes unpack to more than" in message
    assert "unpack the file first" in message


def test_idx_of_any_shape(tmp_path, idx_bytes):
    array = np.random.default_rng(0).integers(0, 256, (3, 2, 5))
    (tmp_path / "a").write_bytes(idx_bytes(array))
    content = read_content(tmp_path / "a")
    np.testing.assert_array_equal(parse_idx(content, 3, tmp_path / "a"), array)
    assert parse_idx(idx_bytes(np.zeros(0)), 1, "empty").shape == (0,)


AUTHORS_MD5 = (
    "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "d53e105ee54ea40749a09fcbcd1e9432",
    "9fb629c4189551a2d022fa330f9573f3",
    "ec29112dd5afa0611ce80d1b7f02629c",
)


# --- the real ones -------------------------------------------------------------------------------


@pytest.fixture
def real_data():
    folder = os.environ.get("FIRSTLIGHT_DATA")
    if not folder or SETS["mnist"].local(folder) is None:
        pytest.skip("set FIRSTLIGHT_DATA to a folder with mnist/ to read the real MNIST")


@pytest.mark.usefixtures("real_data")
def test_the_real_mnist():
    splits = load("mnist")
    assert [len(part) for part in (splits.train, splits.val, splits.test)] == [55000, 5000, 10000]
    assert splits.train.arrays[1][:5].tolist() == [5, 0, 4, 1, 9]
    assert splits.test.arrays[1][:5].tolist() == [7, 2, 1, 0, 4]
    pixels = splits.train.arrays[0]
    assert pixels.shape == (55000, 28, 28, 1)
    assert abs(pixels.mean() / 255 - 0.1307) < 1e-3
    assert abs((pixels / np.float32(255)).std() - 0.3081) < 1e-3


@pytest.mark.usefixtures("real_data")
def test_the_checksums_of_the_real_mnist():
    folder = os.environ["FIRSTLIGHT_DATA"]
    for file, path in SETS["mnist"].local(folder).items():
        content = read_content(path)
        assert hashlib.sha256(content).hexdigest() == SETS["mnist"].unpacked[file]
        if hashlib.md5(path.read_bytes()).hexdigest() in AUTHORS_MD5:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            assert digest == SETS["mnist"].sha256[file]
    with pytest.raises(ValueError, match="these are the labels of mnist, not of fashion_mnist"):
        load("fashion_mnist", data_dir=os.path.join(folder, "mnist"))
