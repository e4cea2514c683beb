"""The writer of TensorBoard's files, and tensorboardX's on the same file."""

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.graph_pb2 import GraphDef
from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData
from tensorboardX.record_writer import masked_crc32c
from tensorboardX.summary import hparams
from tensorboardX.summary import text as summary_of_text

from firstlight.callbacks.tensorboard.events_file import masked_checksum
from firstlight.callbacks.tensorboard.graph import Node
from firstlight.callbacks.tensorboard.protobuf import whole
from firstlight.callbacks.tensorboard.writer import Writer

reader = pytest.importorskip(
    "tensorboard.backend.event_processing.event_accumulator",
    reason="needs TensorBoard: pip install 'firstlight[tensorboard]'",
)


def read(folder):
    return reader.EventAccumulator(str(folder), size_guidance={"tensors": 0, "images": 0}).Reload()


def events(folder):
    """Return the events in a folder's one file, as tensorboardX's messages."""
    (path,) = folder.iterdir()
    data, found = path.read_bytes(), []
    while data:
        length = int.from_bytes(data[:8], "little")
        content = data[12 : 12 + length]
        assert int.from_bytes(data[8:12], "little") == masked_crc32c(data[:8])
        assert int.from_bytes(data[12 + length : 16 + length], "little") == masked_crc32c(content)
        found.append(Event.FromString(content))
        data = data[16 + length :]
    return found


def test_the_messages_are_those_of_tensorboardx(tmp_path):
    writer = Writer(tmp_path, purge_step=7)
    writer.add_record({"step": 2**40, "epoch": 1, "train_loss": 0.5, "lr": 1e300, "n": np.int64(3)})
    writer.add_plain_text("plain", "a\n\u00e4", 5)
    settings = {"word": "\u00e4" * 200, "yes": True, "no": False, "rate": -1.5}
    writer.add_settings(settings)
    writer.add_end("failed")
    node = Node("a/b", "Linear", ["x", "y"], (2, 300), 12345678901)
    writer.add_model_graph([node, Node("x", "input")])
    first, purge, record, plain, start, end, graph = events(tmp_path)
    assert first.file_version == "brain.Event:2"
    assert (purge.step, purge.session_log.status) == (7, 1)
    assert record.step == 2**40
    assert [(value.tag, value.simple_value) for value in record.summary.value] == [
        ("loss/train", 0.5),
        ("lr", np.inf),
        ("n", 3),
    ]
    expected = summary_of_text("plain", "    a\n    \u00e4\n")
    expected.value[0].tag = "plain"
    expected.value[0].metadata.plugin_data.content = b""
    assert plain.summary == expected
    found, right = (
        summary.value[0].metadata.plugin_data
        for summary in (start.summary, hparams(settings, {})[1])
    )
    assert found.plugin_name == right.plugin_name == "hparams"
    assert HParamsPluginData.FromString(found.content) == HParamsPluginData.FromString(
        right.content
    )
    content = end.summary.value[0].metadata.plugin_data.content
    assert HParamsPluginData.FromString(content).session_end_info.status == 2
    found = GraphDef.FromString(graph.graph_def)
    assert found.versions.producer == 22
    linear, source = found.node
    assert (linear.name, linear.op, list(linear.input)) == ("a/b", "Linear", ["x", "y"])
    assert linear.attr["parameters"].i == 12345678901
    (shape,) = linear.attr["_output_shapes"].list.shape
    assert [dim.size for dim in shape.dim] == [2, 300]
    assert (source.name, "parameters" in source.attr) == ("x", False)


def test_distributions_and_pictures_are_those_of_tensorboardx(tmp_path):
    writer = Writer(tmp_path)
    values = np.random.default_rng(0).standard_normal(1000)
    writer.add_values("some", values, 3)
    png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes([0, 0, 1, 0, 0, 0, 0, 2]) + b"rest"
    writer.add_png("picture", png, 3)
    _, some, picture = events(tmp_path)
    found = some.summary.value[0].histo
    counts, edges = np.histogram(values, bins=64)
    assert list(found.bucket_limit) == edges[1:].tolist()
    assert list(found.bucket) == counts.tolist()
    facts = (found.min, found.max, found.num, found.sum)
    assert facts == (values.min(), values.max(), 1000, values.sum())
    image = picture.summary.value[0].image
    assert (image.width, image.height, image.colorspace) == (256, 2, 4)
    assert image.encoded_image_string == png


def test_negative_numbers_and_checksums():
    assert Event.FromString(whole(2, -3)).step == -3
    for size in (0, 1, 300):
        data = np.random.default_rng(size).bytes(size)
        assert masked_checksum(data) == masked_crc32c(data)


def test_all_of_tensorboardx_goes_to_the_one_events_file(tmp_path):
    """Fails where another tensorboardX does not write through `FileSummaryWriter` any more."""
    pixels = np.zeros((8, 8, 3), np.uint8)
    ours = Writer(tmp_path)
    with ours.summary_writer as writer:
        writer.add_scalar("scalar", 1.5, 1)
        writer.add_histogram("histogram", np.arange(9.0), 2)
        writer.add_image("image", pixels, 3, dataformats="HWC")
        writer.add_text("text", "some", 4)
        writer.add_pr_curve("curve", np.array([1, 0]), np.array([0.9, 0.1]), 5)
        writer.add_mesh("mesh", np.zeros((1, 3, 3)), global_step=6)
        (path,) = tmp_path.iterdir()
        tags = read(tmp_path).Tags()  # before anything is flushed or closed
        ours.add_record({"step": 7, "lr": 1.0})
    assert [path] == list(tmp_path.iterdir())
    assert (tags["scalars"], tags["histograms"]) == (["scalar"], ["histogram"])
    assert tags["images"] == ["image"]
    assert {"text/text_summary", "curve"} < set(tags["tensors"])  # and the mesh


def test_what_is_added_after_closing_goes_to_another_file(tmp_path):
    writer = Writer(tmp_path).summary_writer
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
writer = Writer(sys.argv[1]).summary_writer
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
