"""cifar10, cifar100: made archives of the same format, from a folder and a server."""

import hashlib
import io
import tarfile

import numpy as np
import pytest

from firstlight.datasets import load
from firstlight.datasets.cifar import CIFAR10, CIFAR100

COUNT = 4  # images in each file


def record(labels, image):
    """Return the bytes of one image (32, 32, 3) in the binary format."""
    planes = [image[:, :, channel].tobytes() for channel in range(3)]
    return bytes(labels) + b"".join(planes)


def images(number):
    return np.random.default_rng(number).integers(0, 256, (COUNT, 32, 32, 3)).astype("uint8")


def binary(files):
    """Return a small set as ``{file: bytes}``: image k of a file has the labels k and 2 k."""
    coarse = files is CIFAR100
    found = {}
    for number, file in enumerate((*files.train, *files.test)):
        labels = [(k, 2 * k) if coarse else (2 * k,) for k in range(COUNT)]
        rows = zip(labels, images(number), strict=True)
        found[file] = b"".join(record(*row) for row in rows)
    if coarse:
        return found | {
            "coarse_label_names.txt": b"\n".join(b"coarse%d" % k for k in range(20)) + b"\n",
            "fine_label_names.txt": b"\n".join(b"fine%d" % k for k in range(100)) + b"\n",
        }
    return found | {"batches.meta.txt": b"\n".join(b"thing%d" % k for k in range(10)) + b"\n\n"}


def packed(files, contents, kind=tarfile.REGTYPE):
    """Return the bytes of an archive of files, ``kind`` being the type of the first."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo(f"{files.unpacked}/../../outside"))
        for number, (file, content) in enumerate(contents.items()):
            info = tarfile.TarInfo(f"{files.unpacked}/{file}")
            info.type, info.linkname = (tarfile.REGTYPE if number else kind), "/etc/passwd"
            info.size = len(content) if info.isreg() else 0
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


@pytest.fixture(params=[CIFAR10, CIFAR100], ids=lambda files: files.name)
def files(request):
    return request.param


@pytest.fixture
def folder(files, tmp_path):
    (archive,) = files.sha256
    (tmp_path / "data" / files.name).mkdir(parents=True)
    (tmp_path / "data" / files.name / archive).write_bytes(packed(files, binary(files)))
    return tmp_path / "data"


def test_a_local_archive_is_read(folder, files):
    splits = load(files.name, data_dir=str(folder), val_size=3, batch_size=2, normalize=True)
    count = COUNT * len(files.train)
    assert [len(part) for part in splits.parts.values()] == [count - 3, 3, COUNT]
    assert (splits.input_shape, len(splits.classes)) == (
        (32, 32, 3),
        100 if files is CIFAR100 else 10,
    )
    x = np.concatenate([splits.train.arrays[0], splits.val.arrays[0]])
    np.testing.assert_array_equal(x, np.concatenate([images(k) for k in range(len(files.train))]))
    assert (x.dtype, splits.test.arrays[1].tolist()) == ("uint8", [0, 2, 4, 6])
    scaled, _ = splits.test[np.arange(COUNT)]
    mean, std = splits.transform.mean, splits.transform.std
    expected = (images(len(files.train)) / 255 - np.array(mean)) / np.array(std)
    np.testing.assert_allclose(scaled, expected, atol=1e-5)


def test_superclasses_and_names(tmp_path):
    (archive,) = CIFAR100.sha256
    (tmp_path / archive).write_bytes(packed(CIFAR100, binary(CIFAR100)))
    splits = load("cifar100", data_dir=str(tmp_path), val_size=0, coarse=True)
    assert (splits.classes[3], splits.test.arrays[1].tolist()) == ("coarse3", [0, 1, 2, 3])


@pytest.mark.parametrize("where", ["", "mine/", "itself"])
def test_an_unpacked_folder_is_read(files, tmp_path, where):
    place = tmp_path / where.replace("itself", "") / files.unpacked
    place.mkdir(parents=True)
    for file, content in binary(files).items():
        (place / file).write_bytes(content)
    folder = place if where == "itself" else place.parent
    assert len(load(files.name, data_dir=str(folder), val_size=0).test) == COUNT


def test_a_download_is_checked_and_kept(files, serve, monkeypatch):
    (archive,) = files.sha256
    content = packed(files, binary(files))
    server = serve({archive: content})
    monkeypatch.setattr(files, "mirrors", [server.url])
    with pytest.raises(OSError, match=f"{archive}: it has another content"):
        load(files.name)
    monkeypatch.setattr(files, "sha256", {archive: hashlib.sha256(content).hexdigest()})
    assert len(load(files.name, val_size=0).test) == COUNT
    server.files.clear()
    assert len(load(files.name, val_size=0).test) == COUNT


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f, c: packed(f, c)[:-2000], "corrupt archive"),
        (lambda f, c: b"no archive at all", "corrupt archive"),
        (lambda f, c: packed(f, c, tarfile.SYMTYPE), "is not a regular file of at most"),
        (
            lambda f, c: packed(f, {k: c[k] for k in c if k != f.test[0]}),
            "expected test.* in folder",
        ),
        (
            lambda f, c: packed(f, c | {f.test[0]: c[f.test[0]][:-1]}),
            "expected records of 307. bytes",
        ),
        (
            lambda f, c: packed(f, c | {f.test[0]: b"\xff" * len(c[f.test[0]])}),
            "got 255 at image 0",
        ),
    ],
)
def test_archives_that_cannot_be(folder, files, change, message):
    (archive,) = files.sha256
    (folder / files.name / archive).write_bytes(change(files, binary(files)))
    with pytest.raises(ValueError, match=message) as caught:
        load(files.name, data_dir=str(folder), val_size=0)
    assert archive in str(caught.value)


def test_crop_shifts_by_up_to_four_pixels_and_val_size_is_checked(folder, files):
    splits = load(files.name, data_dir=str(folder), val_size=0, augment=("crop", "flip"))
    assert splits.augment.transforms[0].padding == 4
    with pytest.raises(ValueError, match=f"{files.name}: expected val_size from 0 to .*, got 99"):
        load(files.name, data_dir=str(folder), val_size=99)
