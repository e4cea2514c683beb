"""Writer: what a training writes for TensorBoard, on an events file in the run's folder.

It needs no tensorboardX, which imports PyTorch where it is installed. `Writer.summary_writer` gives
tensorboardX's `SummaryWriter` on the same file to those who want its other methods.
"""

import struct
import time
from collections.abc import Iterable, Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.callbacks.tensorboard.events_file import EventsFile
from firstlight.callbacks.tensorboard.graph import Node
from firstlight.callbacks.tensorboard.protobuf import double, doubles, single, text, whole
from firstlight.support.array import Array
from firstlight.support.backend import to_host

if TYPE_CHECKING:
    from tensorboardX import SummaryWriter

BINS = 64  # of a histogram: they take a ninth of the space of tensorboardX's

# The numbers of fields, by message.
GRAPH, SUMMARY, SESSION_LOG = 4, 5, 7  # Event
VALUE = 1  # Summary
TAG, NUMBER, IMAGE, HISTOGRAM, TENSOR, METADATA = 1, 2, 4, 5, 8, 9  # Summary.Value
PLUGIN_DATA, PLUGIN_NAME, PLUGIN_CONTENT = 1, 1, 2  # SummaryMetadata, SummaryMetadata.PluginData
HEIGHT, WIDTH, COLORSPACE, ENCODED = 1, 2, 3, 4  # Summary.Image
DTYPE, SHAPE, STRINGS = 1, 2, 8  # TensorProto
DIMENSION, SIZE = 2, 1  # TensorShapeProto, TensorShapeProto.Dim
SESSION_START, SESSION_END = 3, 4  # HParamsPluginData
SETTINGS = 1  # SessionStartInfo: a map; in each of its entries, KEY and CONTENT
STATUS, END_TIME = 1, 2  # SessionEndInfo
KEY, CONTENT = 1, 2
DOUBLE, STRING, BOOL = 2, 3, 4  # google.protobuf.Value
NODE, VERSIONS = 1, 4  # GraphDef
NAME, OP, INPUT, ATTRIBUTES = 1, 2, 3, 5  # NodeDef
LIST, INTEGER, SHAPES = 1, 3, 7  # AttrValue, AttrValue.ListValue

START = 1  # of SessionLog's states
DT_STRING = 7
RGBA = 4
STATUSES = {"finished": 1, "failed": 2}  # STATUS_SUCCESS, STATUS_FAILURE; other words are 0
PRODUCER = whole(1, 22)  # of a GraphDef


class Writer:
    """Write records, distributions, pictures, texts, a graph and settings.

    Parameters
    ----------
    folder : path-like
    purge_step : int, optional
        TensorBoard ignores this step and later ones in earlier files of the folder.
    """

    def __init__(self, folder: str | PathLike[str], purge_step: int | None = None) -> None:
        self.logdir: str = str(folder)
        self._file = EventsFile(folder)
        self._summary_writer: SummaryWriter | None = None
        if purge_step is not None:
            self._file.add(text(SESSION_LOG, whole(1, START)), purge_step)

    @property
    def summary_writer(self) -> "SummaryWriter":
        """TensorboardX's ``SummaryWriter`` on the same file."""
        if self._summary_writer is None:
            from firstlight.callbacks.tensorboard.summary_writer import FileSummaryWriter

            self._summary_writer = FileSummaryWriter(self._file)
        return self._summary_writer

    def close(self) -> None:
        """Close the file; a `summary_writer` that is used later opens another one."""
        if self._summary_writer is not None:
            self._summary_writer.close()
        self._file.close()

    def add_record(self, record: Mapping[str, Any]) -> None:
        """Write all numbers of a record at its step, as one event."""
        values = [
            _value(tag(name), single(NUMBER, value))
            for name, value in record.items()
            if name not in ("step", "epoch", "time")
        ]
        self._add(*values, step=record["step"])

    def add_values(self, name: str, array: Array, step: int) -> None:
        """Write the distribution of an array's finite values."""
        values = to_host(array).ravel()
        values = values[np.isfinite(values)].astype(np.float64)
        if values.size:
            counts, edges = np.histogram(values, bins=BINS)
            facts = (values.min(), values.max(), values.size, values.sum(), (values**2).sum())
            numbers = b"".join(double(field, fact) for field, fact in enumerate(facts, 1))
            bins = doubles(6, edges[1:]) + doubles(7, counts)
            self._add(_value(name, text(HISTOGRAM, numbers + bins)), step=step)

    def add_png(self, name: str, png: bytes, step: int) -> None:
        """Write the bytes of a PNG file as they are."""
        width, height = struct.unpack(">II", png[16:24])  # the header comes first in any PNG
        size = whole(HEIGHT, height) + whole(WIDTH, width) + whole(COLORSPACE, RGBA)
        self._add(_value(name, text(IMAGE, size + text(ENCODED, png))), step=step)

    def add_plain_text(self, name: str, plain: str, step: int) -> None:
        """Write a text that TensorBoard shows as it is, not as Markdown.

        Its tag is the name alone; tensorboardX's ``add_text`` appends "/text_summary".
        """
        indented = "".join(f"    {line}\n" for line in plain.split("\n"))
        tensor = whole(DTYPE, DT_STRING) + text(SHAPE, _shape([1])) + text(STRINGS, indented)
        self._add(_value(name, text(TENSOR, tensor), _of_plugin("text", b"")), step=step)

    def add_model_graph(self, nodes: Iterable[Node]) -> None:
        """Write the nodes of `firstlight.callbacks.tensorboard.graph.model_graph`."""
        graph = b"".join(text(NODE, _node(node)) for node in nodes)
        self._file.add(text(GRAPH, graph + text(VERSIONS, PRODUCER)))

    def add_settings(self, settings: Mapping[str, Any]) -> None:
        """Write the settings at the start of a run.

        No "experiment" summary is written: if one run has it, TensorBoard shows only
        the settings listed there, and hides those of all other runs.
        """
        entries = [
            text(SETTINGS, text(KEY, name) + text(CONTENT, _setting(value)))
            for name, value in flatten(settings).items()
        ]
        plugin = _of_plugin("hparams", text(SESSION_START, b"".join(entries)))
        self._add(_value("_hparams_/session_start_info", plugin), step=0)

    def add_end(self, status: str) -> None:
        """Write how the run ended: "finished", "failed" or another word for neither."""
        end = whole(STATUS, STATUSES.get(status, 0)) + double(END_TIME, time.time())
        plugin = _of_plugin("hparams", text(SESSION_END, end))
        self._add(_value("_hparams_/session_end_info", plugin), step=0)

    def _add(self, *values, step):
        self._file.add(text(SUMMARY, b"".join(text(VALUE, value) for value in values)), step)


def _value(name, *fields):
    return text(TAG, name) + b"".join(fields)


def _of_plugin(name, content):
    data = text(PLUGIN_NAME, name) + text(PLUGIN_CONTENT, content)
    return text(METADATA, text(PLUGIN_DATA, data))


def _setting(value):
    if isinstance(value, bool):
        return whole(BOOL, value)
    return double(DOUBLE, value) if isinstance(value, float) else text(STRING, value)


def _shape(sizes):
    return b"".join(text(DIMENSION, whole(SIZE, size)) for size in sizes)


def _node(node):
    fields = text(NAME, node.name) + text(OP, node.op)
    fields += b"".join(text(INPUT, name) for name in node.inputs)
    attributes = {"_output_shapes": text(LIST, text(SHAPES, _shape(node.shape)))}
    if node.parameters:
        attributes["parameters"] = whole(INTEGER, node.parameters)
    entries = [text(KEY, name) + text(CONTENT, value) for name, value in attributes.items()]
    return fields + b"".join(text(ATTRIBUTES, entry) for entry in entries)


def tag(name: str) -> str:
    """Return the tag of a logged name: ``val_loss`` -> ``loss/val``."""
    stage, _, metric = name.partition("_")
    if stage not in ("train", "val", "test") or not metric:
        return name
    if stage == "train" and metric.endswith("_step"):
        stage, metric = "train_step", metric.removesuffix("_step")
    return f"{metric}/{stage}"


def flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, bool | float | str]:
    """Return nested settings as a flat dict of bool, float and str, as the HPARAMS tab requires.

    Examples
    --------
    >>> from firstlight.callbacks.tensorboard.writer import flatten
    >>> flatten({"model": {"hidden": [512, 256], "bias": True}, "seed": 1, "name": None})
    {'model.hidden': '512,256', 'model.bias': True, 'seed': 1.0}
    """
    flat = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{name}.")
        elif isinstance(value, (list, tuple)):
            flat[prefix + name] = ",".join(map(str, value))
        elif isinstance(value, bool):
            flat[prefix + name] = value
        elif isinstance(value, (int, float)):
            flat[prefix + name] = float(value)
        elif value is not None:
            flat[prefix + name] = " ".join(str(value).split())
    return flat
