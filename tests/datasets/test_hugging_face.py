"""hf: data sets of Hugging Face, from memory, from folders, and errors."""

import sys
from pathlib import Path

import numpy as np
import pytest

from firstlight.datasets import from_hugging_face, from_table, load

ROOT = Path(__file__).parents[2]


@pytest.fixture
def library(tmp_path, monkeypatch):
    """Return Hugging Face's package, not our own folder of this name, without network and cache."""
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_DISABLE_PROGRESS_BARS"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    own = [place for place in sys.path if Path(place or ".").resolve() == ROOT]
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place not in own])
    if not hasattr(sys.modules.get("datasets"), "Dataset"):
        sys.modules.pop("datasets", None)
    library = pytest.importorskip("datasets", reason="reads data sets of Hugging Face")
    if not hasattr(library, "Dataset"):
        pytest.skip("the package datasets is hidden by another one")
    library.disable_progress_bars()
    return library


def pictures(library, count, shape=(4, 4, 3)):
    images = [np.full(shape, i, "uint8") for i in range(count)]
    names = library.Features(
        {"image": library.Image(), "label": library.ClassLabel(names=["cat", "dog"])}
    )
    return library.Dataset.from_dict({"image": images, "label": [0, 1] * (count // 2)}, names)


@pytest.mark.parametrize("shape", [(4, 4, 3), (4, 4)])
def test_images_with_labels(library, shape):
    splits = load(pictures(library, 20, shape))
    assert [len(part) for part in splits.parts.values()] == [16, 2, 2]
    assert (splits.classes, splits.input_shape) == (["cat", "dog"], (4, 4, 3 if shape[2:] else 1))
    assert splits.train.arrays[0].dtype == "uint8"
    assert splits.train[:][0].max() == pytest.approx(19 / 255, abs=2 / 255)


def test_given_splits_are_kept_and_missing_ones_taken_from_the_training(library):
    data = library.DatasetDict(train=pictures(library, 20), test=pictures(library, 6))
    splits = from_hugging_face(data, val_size=4)
    assert [len(part) for part in splits.parts.values()] == [16, 4, 6]
    assert splits.test.arrays[0][:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4, 5]
    data["validation"] = pictures(library, 2)
    assert [len(p) for p in from_hugging_face(data).parts.values()] == [20, 2, 6]
    assert from_hugging_face(data, columns=["image"], target="label").classes == ["cat", "dog"]


def test_a_table_is_encoded(library):
    table = {"age": [30.0, None, 50.0, 41.0] * 10, "sex": ["f", "m", "m", None] * 10}
    wins = ["no", "yes"] * 20
    data = library.Dataset.from_dict(table | {"won": wins})
    own = from_table(table | {"won": wins}, name="data")
    for splits in (load(data), load(data.to_pandas(), name="data"), load(data.data.table)):
        assert splits.info == own.info
        np.testing.assert_array_equal(splits.train[:][0], own.train[:][0])
    label = data.cast_column("won", library.ClassLabel(names=["no", "yes"]))
    found = load(library.DatasetDict(train=label, test=label.select(range(4))))
    assert (found.classes, found.test[:][1].tolist()) == (["no", "yes"], [0, 1, 0, 1])
    assert found.test[:][0].shape == (4, 5)


def test_folders(library, tmp_path, monkeypatch):
    data = library.DatasetDict(train=pictures(library, 20), test=pictures(library, 6))
    data.save_to_disk(tmp_path / "saved")
    splits = load(f"hf:{tmp_path / 'saved'}")
    assert (len(splits.test), splits.name, splits.loaded_as[0]) == (6, "saved", "hf")
    (tmp_path / "files").mkdir()
    table = library.Dataset.from_dict({"a": np.arange(40) / 3, "b": [0, 1] * 20})
    table.to_parquet(tmp_path / "files" / "train-00000-of-00001.parquet")
    table.select(range(8)).to_parquet(tmp_path / "files" / "test-00000-of-00001.parquet")
    splits = load(f"hf:{tmp_path / 'files'}", val_size=0)
    assert [len(part) for part in splits.parts.values()] == [40, 8]
    with pytest.raises(OSError, match="hf: nobody/nothing cannot be loaded .* write it with save_"):
        load("hf:nobody/nothing")


def test_what_cannot_be_used(library):
    data = pictures(library, 4)
    with pytest.raises(
        ValueError, match="there is no column 'picture'; the columns are image, lab"
    ):
        from_hugging_face(data, columns=["picture"])
    with pytest.raises(ValueError, match="data: expected a split train, got test"):
        load(library.DatasetDict(test=data))
    with pytest.raises(TypeError, match="expected a Dataset or DatasetDict .*, got list"):
        from_hugging_face([data])
    uneven = library.Dataset.from_dict({"x": [[1.0, 2.0], [3.0]], "y": [0, 1]})
    with pytest.raises(ValueError, match="expected one shape in the column x"):
        load(uneven)
    two = library.Dataset.from_dict({"x": [[1.0]] * 2, "z": [[1.0]] * 2, "y": [0, 1]})
    with pytest.raises(
        ValueError, match="columns x, z could be the input; say which with columns="
    ):
        load(two)


def test_another_package_of_this_name_is_named(tmp_path, monkeypatch):
    (tmp_path / "datasets.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "datasets", raising=False)
    with pytest.raises(ImportError, match="datasets.py hides the package datasets of Hugging Face"):
        load("hf:mnist")
    monkeypatch.delitem(sys.modules, "datasets")
