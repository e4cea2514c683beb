"""The writer of TensorBoard's files: tensorboardX's, on an events file of our own."""

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest

from firstlight.callbacks.tensorboard.writer import Writer

reader = pytest.importorskip(
    "tensorboard.backend.event_processing.event_accumulator",
    reason="needs TensorBoard: pip install 'firstlight[tensorboard]'",
)


def read(folder):
    return reader.EventAccumulator(str(folder), size_guidance={"tensors": 0, "images": 0}).Reload()


def test_all_of_tensorboardx_goes_to_the_one_events_file(tmp_path):
    """Fails where another tensorboardX does not write through `Writer` any more."""
    pixels = np.zeros((8, 8, 3), np.uint8)
    with Writer(tmp_path) as writer:
        writer.add_scalar("scalar", 1.5, 1)
        writer.add_histogram("histogram", np.arange(9.0), 2)
        writer.add_image("image", pixels, 3, dataformats="HWC")
        writer.add_text("text", "some", 4)
        writer.add_pr_curve("curve", np.array([1, 0]), np.array([0.9, 0.1]), 5)
        writer.add_mesh("mesh", np.zeros((1, 3, 3)), global_step=6)
        (path,) = tmp_path.iterdir()
        tags = read(tmp_path).Tags()  # before anything is flushed or closed
    assert [path] == list(tmp_path.iterdir())
    assert (tags["scalars"], tags["histograms"]) == (["scalar"], ["histogram"])
    assert tags["images"] == ["image"]
    assert {"text/text_summary", "curve"} < set(tags["tensors"])  # and the mesh


def test_what_is_added_after_closing_goes_to_another_file(tmp_path):
    writer = Writer(tmp_path)
    writer.add_scalar("first", 1.0, 1)
    writer.close()
    writer.add_scalar("second", 2.0, 2)
    del writer  # closes its file
    assert len(list(tmp_path.iterdir())) == 2
    assert read(tmp_path).Tags()["scalars"] == ["first", "second"]


def test_a_full_disk_is_one_warning_and_no_wait(tmp_path):
    code = """
import resource, sys, warnings
import numpy
from firstlight.callbacks.tensorboard.writer import Writer
writer = Writer(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
with warnings.catch_warnings(record=True) as caught:
    for step in range(2000):
        writer.add_scalar("a", 1.0, step)
    writer.add_histogram("b", numpy.arange(1e4), 1, bins=5000)  # more than a pipe holds
    writer.close()
print(len(caught), caught[0].message)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1 TensorBoard events in ")
    steps = [event.step for event in read(tmp_path).Scalars("a")]
    assert len(steps) > 100
    assert all(after == before + 1 for before, after in pairwise(steps))
