"""Writer: tensorboardX's `SummaryWriter` on a run's folder.

tensorboardX imports PyTorch where it is installed, which takes a second. So this module is
imported when a training starts to write.
"""

import contextlib
import os
import secrets
import socket
import struct
import time
import weakref
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from tensorboardX import FileWriter, SummaryWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.graph_pb2 import GraphDef
from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData, SessionEndInfo
from tensorboardX.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboardX.record_writer import masked_crc32c
from tensorboardX.summary import hparams
from tensorboardX.summary import text as summary_of_text

from firstlight.support.array import Array
from firstlight.support.backend import to_host
from firstlight.support.files import forgiving
from firstlight.tools.layer_graph import Node

BINS = 64  # of a histogram: they take a ninth of the space of tensorboardX's


class EventsFile:
    """An events file that is written synchronously: `add_event` returns after the write.

    It replaces tensorboardX's ``EventFileWriter``, whose thread dies when a disk is full; the
    process then hangs. Its queue also loses up to ``flush_secs`` of events when a process is
    killed. Here the first event that cannot be written causes a warning and closes the file.

    Parameters
    ----------
    folder : str or path-like
        Two files in one folder never collide: process and a random number are in the name.
    """

    def __init__(self, folder: str | PathLike[str]) -> None:
        # TensorBoard reads files in the order of their names: second, host, then this count.
        count = len(list(Path(folder).glob("events.*")))
        name = f"events.out.tfevents.{int(time.time())}.{socket.gethostname()}"
        path = Path(folder) / f"{name}.{count:04d}.{os.getpid()}.{secrets.token_hex(4)}"
        self._folder, self._file = folder, None
        with forgiving(f"TensorBoard events in {folder}"):
            self._file = path.open("ab")
            weakref.finalize(self, self._file.close)  # of a writer used after a training
        self.add_event(Event(wall_time=time.time(), file_version="brain.Event:2"))

    def get_logdir(self) -> str:
        """Return the folder."""
        return str(self._folder)

    def add_event(self, event: Any) -> None:
        """Write an event as a TFRecord: length and its checksum, data and their checksum."""
        if self._file is None:
            return
        data = event.SerializeToString()
        length = struct.pack("<Q", len(data))
        ends = [struct.pack("<I", masked_crc32c(part)) for part in (length, data)]
        with forgiving(f"TensorBoard events in {self._folder}") as problems:
            self._file.write(length + ends[0] + data + ends[1])
            self._file.flush()
        if problems:
            self.close()

    def flush(self) -> None:
        """Do nothing: every event is in the file."""

    def close(self) -> None:
        """Close the file."""
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):  # add_event has already warned
                file.close()


class _RunFile(FileWriter):
    def __init__(self, folder: str) -> None:
        self.event_writer, self._default_metadata = EventsFile(folder), {}


class Writer(SummaryWriter):
    """tensorboardX's `SummaryWriter`, with methods for records, arrays, texts and settings.

    Parameters
    ----------
    folder : path-like
    purge_step : int, optional
        TensorBoard ignores this step and later ones in earlier files of the folder.
    """

    def __init__(self, folder: str | PathLike[str], purge_step: int | None = None) -> None:
        super().__init__(str(folder))
        if purge_step is not None:
            log = SessionLog(status=SessionLog.START)
            self._get_file_writer().add_event(Event(session_log=log), purge_step)

    def _get_file_writer(self) -> FileWriter:
        if self.file_writer is None:
            self.file_writer: FileWriter | None = _RunFile(self.logdir)
            self.all_writers: dict[str, FileWriter] | None = {self.logdir: self.file_writer}
        return self.file_writer

    def add_record(self, record: Mapping[str, Any]) -> None:
        """Write all numbers of a record at its step, as one event."""
        values = [
            Summary.Value(tag=tag(name), simple_value=value)
            for name, value in record.items()
            if name not in ("step", "epoch", "time")
        ]
        self._get_file_writer().add_summary(Summary(value=values), record["step"])

    def add_values(self, name: str, array: Array, step: int) -> None:
        """Write the distribution of an array's finite values."""
        values = to_host(array).ravel()
        values = values[np.isfinite(values)].astype(np.float64)
        if values.size:
            counts, edges = np.histogram(values, bins=BINS)
            self.add_histogram_raw(
                name,
                min=values.min(),
                max=values.max(),
                num=values.size,
                sum=values.sum(),
                sum_squares=np.square(values).sum(),
                bucket_limits=edges[1:],
                bucket_counts=counts,
                global_step=step,
            )

    def add_png(self, name: str, png: bytes, step: int) -> None:
        """Write the bytes of a PNG file as they are."""
        width, height = struct.unpack(">II", png[16:24])  # the header comes first in any PNG
        image = Summary.Image(width=width, height=height, colorspace=4, encoded_image_string=png)
        value = Summary.Value(tag=name, image=image)
        self._get_file_writer().add_summary(Summary(value=[value]), step)

    def add_plain_text(self, name: str, text: str, step: int) -> None:
        """Write a text that TensorBoard shows as it is, not as Markdown.

        Its tag is the name alone, as in earlier runs; ``add_text`` appends "/text_summary".
        """
        summary = summary_of_text(name, "".join(f"    {line}\n" for line in text.split("\n")))
        summary.value[0].tag = name
        self._get_file_writer().add_summary(summary, step)

    def add_model_graph(self, nodes: Iterable[Node]) -> None:
        """Write the nodes of `firstlight.tools.layer_graph.model_graph`.

        tensorboardX's ``add_graph`` traces a model of PyTorch.
        """
        graph = GraphDef(versions={"producer": 22})
        for node in nodes:
            added = graph.node.add(name=node.name, op=node.op, input=node.inputs)
            shape = added.attr["_output_shapes"].list.shape.add()
            shape.dim.extend([type(shape).Dim(size=size) for size in node.shape])
            if node.parameters:
                added.attr["parameters"].i = node.parameters
        self._get_file_writer().add_event(Event(graph_def=graph.SerializeToString()))

    def add_settings(self, settings: Mapping[str, Any]) -> None:
        """Write the settings at the start of a run.

        No "experiment" summary is written: if one run has it, TensorBoard shows only
        the settings listed there, and hides those of all other runs.
        """
        _, start, _ = hparams(flatten(settings), {})
        self._get_file_writer().add_summary(start, 0)

    def add_end(self, status: str) -> None:
        """Write how the run ended: "finished", "failed" or another word for neither."""
        codes = {"finished": "STATUS_SUCCESS", "failed": "STATUS_FAILURE"}
        code = codes.get(status, "STATUS_UNKNOWN")
        data = HParamsPluginData(
            version=0, session_end_info=SessionEndInfo(status=code, end_time_secs=time.time())
        )
        plugin = SummaryMetadata.PluginData(plugin_name="hparams", content=data.SerializeToString())
        value = Summary.Value(
            tag="_hparams_/session_end_info", metadata=SummaryMetadata(plugin_data=plugin)
        )
        self._get_file_writer().add_summary(Summary(value=[value]), 0)


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
