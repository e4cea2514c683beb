"""Precision-recall curves and the projector's files, against counting by hand."""

import subprocess
import sys

import numpy as np
import pytest

from firstlight.callbacks.tensorboard.events import write_projector
from firstlight.callbacks.tensorboard.events.events_file import precision_recall


def test_precision_and_recall_are_those_of_counting():
    rng = np.random.default_rng(0)
    target, scores = rng.random(500) < 0.3, rng.random(500)
    table = precision_recall(target, scores, thresholds=11)
    for index in range(11):
        said = scores >= index / 10 - 1e-12
        counts = [(said & target), (said & ~target), (~said & ~target), (~said & target)]
        tp, fp, tn, fn = (int(group.sum()) for group in counts)
        assert list(table[:4, index]) == [tp, fp, tn, fn]
        assert table[4, index] == pytest.approx(tp / max(tp + fp, 1))
        assert table[5, index] == pytest.approx(tp / max(tp + fn, 1))


def test_a_class_without_samples_has_a_curve_of_zeros():
    table = precision_recall(np.zeros(4, bool), np.linspace(0, 1, 4))
    assert np.isfinite(table).all()
    assert not table[[0, 3, 4, 5]].any()


def test_the_projector_gets_vectors_labels_and_images(tmp_path):
    from matplotlib.image import imread

    vectors = np.arange(15.0).reshape(5, 3)
    images = np.linspace(0, 1, 5 * 4 * 2).reshape(5, 4, 2, 1)
    write_projector(tmp_path, vectors, ["a", "b", "two words", "", "e\tf"], images)
    read = np.loadtxt(tmp_path / "projector/vectors.tsv", delimiter="\t")
    np.testing.assert_array_equal(read, vectors)
    labels = (tmp_path / "projector/labels.tsv").read_text().splitlines()
    assert labels == ["a", "b", "two words", "-", "e f"]
    sheet = imread(tmp_path / "projector/images.png")[..., 0]
    assert sheet.shape == (3 * 4, 3 * 2)  # three in a row
    first, last = sheet[:4, :2], sheet[4:8, 2:4]
    np.testing.assert_allclose(1 - first, images[0, ..., 0], atol=0.01)  # dark is large
    np.testing.assert_allclose(1 - last, images[4, ..., 0], atol=0.01)
    config = (tmp_path / "projector_config.pbtxt").read_text()
    assert "single_image_dim: 2\n    single_image_dim: 4" in config


def test_without_images_there_is_no_sheet(tmp_path):
    write_projector(tmp_path, np.ones((2, 2)), ["a", "b"])
    assert "sprite" not in (tmp_path / "projector_config.pbtxt").read_text()
    assert not (tmp_path / "projector/images.png").exists()


def test_what_does_not_belong_together_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"vectors \(N, D\) and N labels, got \(2, 2\) and 1"):
        write_projector(tmp_path, np.ones((2, 2)), ["a"])
    with pytest.raises(ValueError, match="expected 2 images, got 3"):
        write_projector(tmp_path, np.ones((2, 2)), ["a", "b"], np.ones((3, 4, 4, 1)))


def test_formats_come_without_tensorboardx_itself_and_leave_it_whole(tmp_path):
    code = (
        "import sys\n"
        "from firstlight.callbacks.tensorboard.events.formats import formats\n"
        "formats()\n"
        "assert not {'tensorboardX', 'torch'} & set(sys.modules)\n"
        "import tensorboardX\n"
        "with tensorboardX.SummaryWriter(sys.argv[1]) as writer:\n"
        "    writer.add_scalar('a', 1.0, 2)\n"
        "assert type(tensorboardX.proto.event_pb2.Event()) is formats().Event\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    assert list(tmp_path.glob("events.*"))
