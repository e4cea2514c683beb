"""images: folders and tables of image files, of all modes; where the decoded images are kept."""

import csv
import os

import numpy as np
import pytest

import firstlight as fl
from firstlight.data.dataset import ArrayDataset
from firstlight.datasets import _image_decoding, load
from firstlight.datasets._image_decoding import decode, size_of

Image = pytest.importorskip("PIL.Image")
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def save(path, colour=RED, size=(6, 4), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path, **options)
    return path


@pytest.fixture
def folder(tmp_path):
    """Return a folder of 10 red, 10 green and 10 blue images, and files that are none."""
    for name, colour in (("red", RED), ("green", GREEN), ("blue", BLUE)):
        for number in range(10):
            save(tmp_path / "photos" / name / f"{number // 5}" / f"{number}.png", colour)
    (tmp_path / "photos" / "red" / "notes.txt").write_text("not an image")
    (tmp_path / "photos" / "red" / "._1.png").write_bytes(b"of another system")
    (tmp_path / "photos" / ".hidden").mkdir()
    return tmp_path / "photos"


def colours(data):
    """Return the set of (class, red, green, blue) of a data set's first pixels."""
    x, y = data[np.arange(len(data))]
    return {(int(label), *pixel.tolist()) for label, pixel in zip(y, x[:, 0, 0], strict=True)}


@pytest.mark.parametrize("keep", ["auto", "memory", "file", "none"])
def test_a_folder_of_classes_wherever_images_are_kept(folder, keep, tmp_path):
    splits = load(f"images:{folder}", keep=keep, val_size=3, test_size=6, cache_dir=str(tmp_path))
    assert splits.classes == ["blue", "green", "red"]
    assert [len(part) for part in splits.parts.values()] == [21, 3, 6]
    assert splits.input_shape == (4, 6, 3)
    for part in splits.parts.values():
        assert type(part) is ArrayDataset
        assert colours(part) == {(0, 0, 0, 1), (1, 0, 1, 0), (2, 1, 0, 0)}
        assert (part.arrays[0].dtype, part.arrays[0].shape[1:]) == ("uint8", (4, 6, 3))
    x, y = next(iter(splits.loader("train")))
    assert (x.dtype, x.shape, y.dtype) == ("float32", (21, 4, 6, 3), "int64")
    assert bool(splits.num_workers) == (keep == "none")


def test_a_large_folder_is_not_kept(folder, monkeypatch):
    monkeypatch.setitem(fl.datasets.images.__globals__, "MEMORY", 100)
    assert load(f"images:{folder}").info["decoded images"] == "none"


def test_the_file_of_decoded_images_is_used_again(folder, tmp_path, monkeypatch):
    first = load(f"images:{folder}", keep="file", cache_dir=str(tmp_path / "kept"))
    monkeypatch.setattr(_image_decoding, "decode", None)
    again = load(f"images:{folder}", keep="file", cache_dir=str(tmp_path / "kept"), seed=1)
    assert colours(again.train) == colours(first.train)
    monkeypatch.undo()
    save(folder / "red" / "0" / "0.png", GREEN)
    os.utime(folder / "red" / "0" / "0.png", ns=(1, 1))
    load(f"images:{folder}", keep="file", cache_dir=str(tmp_path / "kept"))
    assert len(list((tmp_path / "kept").iterdir())) == 2


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Training", "valid"), ("train",)])
def test_folders_of_splits(tmp_path, names):
    for count, split in zip((8, 4, 2), names, strict=False):
        for label in ("10", "9"):
            for number in range(count):
                save(tmp_path / split / label / f"{number}.png")
    splits = load(f"images:{tmp_path}", val_size=2)
    assert splits.classes == ["9", "10"]
    expected = {1: [14, 2], 2: [16, 8], 3: [16, 8, 4]}[len(names)]
    assert [len(part) for part in splits.parts.values()] == expected


def test_a_table(folder, tmp_path):
    rows = [
        (f"photos/{c}/0/{k}.png", "warm" if c == "red" else "cold")
        for c in ("red", "blue")
        for k in range(5)
    ]
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("label", "file", "split"))
        writer.writerows((label, name, "test" if "4.png" in name else "") for name, label in rows)
    splits = load(f"images:{tmp_path / 'labels.csv'}", val_size=2)
    assert (splits.classes, splits.name) == (["cold", "warm"], "labels")
    assert [len(part) for part in splits.parts.values()] == [6, 2, 2]
    assert colours(splits.test) == {(0, 0, 0, 1), (1, 1, 0, 0)}


def array(path, values, mode=None):
    Image.fromarray(np.asarray(values), mode).save(path)


def test_modes_of_images(tmp_path):
    path = tmp_path / "a.png"

    def pixels(channels=3):
        return decode(path, (1, 2, channels)).reshape(2, channels).tolist()

    Image.new("L", (2, 1), 77).save(path)
    assert pixels() == [[77] * 3] * 2
    Image.new("RGB", (2, 1), RED).save(path)
    assert pixels(1) == [[76]] * 2
    palette = Image.new("P", (2, 1))
    palette.putpalette([*RED, *BLUE])
    palette.putpixel((1, 0), 1)
    palette.save(path)
    assert pixels() == [[*RED], [*BLUE]]
    palette.save(path, transparency=1)
    assert pixels() == [[*RED], [255] * 3]
    Image.fromarray(np.array([[[255, 0, 0, 255], [255, 0, 0, 0]]], "uint8")).save(path)
    assert pixels() == [[*RED], [255] * 3]  # not the colour under a transparent pixel
    Image.fromarray(np.array([[0, 65535]], "uint16")).save(path)
    assert pixels(1) == [[0], [255]]
    Image.fromarray(np.array([[128 * 257, 257]], "uint16")).save(path)
    assert pixels(1) == [[128], [1]]
    Image.new("1", (2, 1), 1).save(path)
    assert pixels(1) == [[255]] * 2
    Image.new("CMYK", (2, 1), (0, 255, 255, 0)).save(tmp_path / "a.tif")
    assert decode(tmp_path / "a.tif", (1, 2, 3))[0, 0].tolist() == [*RED]
    Image.new("P", (2, 1)).save(
        tmp_path / "a.gif", save_all=True, append_images=[Image.new("P", (2, 1), 9)]
    )
    assert decode(tmp_path / "a.gif", (1, 2, 3)).shape == (1, 2, 3)
    for mode, message in (("F", "floating-point"), ("I", "32 bits")):
        Image.new(mode, (2, 1), -3).save(tmp_path / "b.tif")
        with pytest.raises(ValueError, match=f"b.tif cannot be read as an image .*{message}"):
            decode(tmp_path / "b.tif", (1, 2, 3))


def test_rotation_by_exif_and_size(tmp_path):
    image = Image.new("RGB", (40, 20), BLUE)
    image.paste(RED, (0, 0, 20, 20))  # red on the left
    exif = image.getexif()
    exif[274] = 6  # to be turned clockwise: red comes to the top
    image.save(tmp_path / "turned.png", exif=exif)
    assert size_of(tmp_path / "turned.png") == (40, 20)
    found = decode(tmp_path / "turned.png", (40, 20, 3))
    assert (found[5, 10].tolist(), found[35, 10].tolist()) == ([*RED], [*BLUE])


@pytest.mark.parametrize("size", [(8, 8), (30, 10), (300, 200)])
def test_other_sizes_are_cropped_to_the_ratio_and_resized(tmp_path, size):
    wide = Image.new("RGB", (900, 300), BLUE)
    wide.paste(RED, (300, 0, 600, 300))
    wide.save(tmp_path / "wide.jpg", quality=95)
    found = decode(tmp_path / "wide.jpg", (*size, 3))
    assert found.shape == (*size, 3)
    middle = found[size[0] // 2, size[1] // 2].astype(int)
    assert abs(middle - RED).max() < 8
    if size == (8, 8):
        assert abs(found.astype(int) - RED)[:, 1:-1].max() < 40  # blue is cropped


def test_normalize_augment_grey_and_a_trained_network(folder, tmp_path):
    arguments = {"size": 8, "channels": 1, "normalize": True, "augment": ("flip", "crop")}
    splits = load(f"images:{folder}", test_size=6, **arguments)
    x = splits.train[np.arange(len(splits.train))][0]
    assert x.shape[1:] == (8, 8, 1)
    assert abs(x.mean()) < 1e-3
    assert abs(x.std() - 1) < 1e-3
    net = fl.models.MLP(64, 3, hidden=(8,), lr=0.03)
    trainer = fl.Trainer(max_epochs=20, default_callbacks=False, runs_dir=str(tmp_path / "runs"))
    trainer.fit(net, splits)
    assert trainer.test(net, splits)["test_acc"] == 1
    (tmp_path / "new" / "red").mkdir(parents=True)
    (tmp_path / "new" / "green").mkdir()
    save(tmp_path / "new" / "red" / "a.png", RED, (20, 20))
    save(tmp_path / "new" / "green" / "b.png", GREEN, (20, 20))
    run = str(trainer.run.path)
    new = load(f"images:{tmp_path / 'new'}", like=run, val_size=0, test_size=0)
    assert new.classes == ["blue", "green", "red"]
    assert new.train.arrays[1].tolist() == [1, 2]
    assert trainer.test(net, new.train)["test_acc"] == 1
    save(tmp_path / "loose" / "c.png", RED)
    loose = load(f"images:{tmp_path / 'loose'}", like=run, val_size=0, test_size=0)
    assert trainer.predict(net, loose.train).argmax() == 2


@pytest.mark.parametrize("keep", ["memory", "none"])
def test_a_damaged_file_is_named(folder, keep):
    damaged = folder / "red" / "0" / "0.png"
    damaged.write_bytes(damaged.read_bytes()[:40])

    def read_all():
        splits = load(f"images:{folder}", keep=keep, size=4)
        return [list(splits.loader(split)) for split in splits.parts]

    with pytest.raises(ValueError, match=r"images: .*0\.png cannot be read as an image") as caught:
        read_all()
    if keep == "none":
        assert "by sample" in str(caught.value.__notes__)


@pytest.mark.parametrize(
    ("make", "arguments", "error", "message"),
    [
        (
            lambda p: None,
            {},
            FileNotFoundError,
            "there is no folder .*; expected one with a folder",
        ),
        (lambda p: (p / "a").mkdir(parents=True), {}, FileNotFoundError, "no images in folder"),
        (lambda p: save(p / "a.png"), {}, ValueError, "expected a folder of images for each class"),
        (
            lambda p: [save(p / "a.png"), save(p / "x" / "a.png")],
            {},
            ValueError,
            "is in no class's",
        ),
        (
            lambda p: save(p / "x" / "a.png", size=(600, 2)),
            {},
            ValueError,
            "2 x 600 pixels; choose",
        ),
        (lambda p: save(p / "x" / "a.png"), {"size": (1, 2, 3)}, ValueError, "expected size as"),
        (lambda p: save(p / "x" / "a.png"), {"channels": 4}, ValueError, "expected channels of 3"),
        (lambda p: save(p / "x" / "a.png"), {"keep": "files"}, ValueError, "did you mean .file"),
    ],
)
def test_what_is_refused(tmp_path, make, arguments, error, message):
    make(tmp_path / "photos")
    with pytest.raises(error, match=message):
        load(f"images:{tmp_path / 'photos'}", **arguments)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,label\na.png,x", "expected the columns file and label"),
        ("file,label\na.png,", "line 2: file or label is missing"),
        ("file,label\nb.png,x", "line 2: there is no file"),
        ("file,label,split\na.png,x,most", "line 2: expected train, val or test as split"),
    ],
)
def test_tables_that_cannot_be(tmp_path, text, message):
    save(tmp_path / "a.png")
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        load(f"images:{tmp_path / 't.csv'}")


def test_a_folder_of_a_class_without_images_is_a_warning(folder):
    (folder / "yellow").mkdir()
    with pytest.warns(UserWarning, match="yellow has no image that can be read"):
        assert load(f"images:{folder}", size=4).classes == ["blue", "green", "red"]
