"""EventsFile: a file that TensorBoard reads."""

import contextlib
import os
import secrets
import socket
import struct
import time
from pathlib import Path

import numpy as np

from firstlight.callbacks.tensorboard.events.formats import formats
from firstlight.callbacks.tensorboard.events.names import tag
from firstlight.support.backend import to_host
from firstlight.support.files import forgiving

BINS = 64  # of a histogram: they take a ninth of the space of the usual ones


class EventsFile:
    """A file of TensorBoard events, each with the system before the next line of code runs.

    tensorboardX's `SummaryWriter` hands events to a thread, through a queue that its ``flush``
    does not empty: a killed process then loses the last ones. Its `EventsWriter` waits for the disk
    at each event, 6 ms here. So only its formats are used: a record is handed to the system at
    once, which keeps it if this process dies, and one event holds all values of a record.

    Parameters
    ----------
    folder : path-like
        Two files in one folder never collide: process and a random number are in the name.
    """

    def __init__(self, folder):
        self._formats = formats()
        # TensorBoard reads files in the order of their names: second, host, then this count.
        count = len(list(Path(folder).glob("events.*")))
        name = f"events.out.tfevents.{int(time.time())}.{socket.gethostname()}"
        self._path = Path(folder) / f"{name}.{count:04d}.{os.getpid()}.{secrets.token_hex(4)}"
        self._folder, self._file = folder, None
        with forgiving(f"TensorBoard events in {folder}"):
            self._file = self._path.open("ab")
        self._put(self._formats.Event(wall_time=time.time(), file_version="brain.Event:2"))

    def scalars(self, record):
        """Write all numbers of a record, at its step."""
        values = [
            self._formats.Summary.Value(tag=tag(name), simple_value=value)
            for name, value in record.items()
            if name not in ("step", "epoch", "time")
        ]
        self._write(self._formats.Summary(value=values), record["step"])

    def histogram(self, name, array, step):
        """Write the distribution of an array's finite values."""
        values = to_host(array).ravel()
        values = values[np.isfinite(values)].astype(np.float64)
        if not values.size:
            return
        counts, edges = np.histogram(values, bins=BINS)
        histogram = self._formats.HistogramProto(
            min=values.min(),
            max=values.max(),
            num=values.size,
            sum=values.sum(),
            sum_squares=np.square(values).sum(),
            bucket_limit=edges[1:],
            bucket=counts,
        )
        value = self._formats.Summary.Value(tag=name, histo=histogram)
        self._write(self._formats.Summary(value=[value]), step)

    def image(self, name, png, step):
        """Write a picture, the bytes of a PNG file."""
        width, height = struct.unpack(">II", png[16:24])  # the header comes first in any PNG
        picture = self._formats.Summary.Image(
            width=width, height=height, colorspace=4, encoded_image_string=png
        )
        value = self._formats.Summary.Value(tag=name, image=picture)
        self._write(self._formats.Summary(value=[value]), step)

    def text(self, name, text, step):
        """Write a text; TensorBoard shows it as it is, not as Markdown."""
        indented = "".join(f"    {line}\n" for line in text.split("\n"))
        tensor = self._formats.TensorProto(
            dtype="DT_STRING",
            string_val=[indented.encode()],
            tensor_shape={"dim": [{"size": 1}]},
        )
        metadata = self._formats.SummaryMetadata(plugin_data={"plugin_name": "text"})
        value = self._formats.Summary.Value(tag=name, tensor=tensor, metadata=metadata)
        self._write(self._formats.Summary(value=[value]), step)

    def pr_curve(self, name, target, scores, step):
        """Write precision and recall for 127 thresholds.

        Parameters
        ----------
        name : str
        target : array of bool, shape (N,)
            Whether a sample is of the class.
        scores : array, shape (N,)
            How surely the model says so, from 0 to 1; NaN is 0.
        step : int
        """
        table = precision_recall(target, scores)
        content = self._formats.PrCurvePluginData(version=0, num_thresholds=table.shape[1])
        metadata = self._formats.SummaryMetadata(
            plugin_data={"plugin_name": "pr_curves", "content": content.SerializeToString()}
        )
        tensor = self._formats.TensorProto(
            dtype="DT_FLOAT",
            float_val=table.ravel().tolist(),
            tensor_shape={"dim": [{"size": size} for size in table.shape]},
        )
        value = self._formats.Summary.Value(tag=name, tensor=tensor, metadata=metadata)
        self._write(self._formats.Summary(value=[value]), step)

    def graph(self, nodes):
        """Write the model's graph, from `firstlight.callbacks.tensorboard.events.model_graph`.

        tensorboardX's own ``add_graph`` needs PyTorch; this is TensorFlow's format by hand.
        """
        graph = self._formats.GraphDef(versions={"producer": 22})
        for node in nodes:
            added = graph.node.add(name=node.name, op=node.op, input=node.inputs)
            shape = added.attr["_output_shapes"].list.shape.add()
            shape.dim.extend([type(shape).Dim(size=size) for size in node.shape])
            if node.parameters:
                added.attr["parameters"].i = node.parameters
        self._put(self._formats.Event(wall_time=time.time(), graph_def=graph.SerializeToString()))

    def session_start(self, settings):
        """Write the settings, a dict of str to bool, float or str."""
        info = self._formats.SessionStartInfo(start_time_secs=time.time())
        for name, value in settings.items():
            kind = {bool: "bool_value", float: "number_value", str: "string_value"}[type(value)]
            setattr(info.hparams[name], kind, value)
        self._session(session_start_info=info)

    def session_end(self, status):
        """Write how the run ended: "finished", "failed" or another word for neither."""
        codes = {"finished": "STATUS_SUCCESS", "failed": "STATUS_FAILURE"}
        info = self._formats.SessionEndInfo(
            status=codes.get(status, "STATUS_UNKNOWN"), end_time_secs=time.time()
        )
        self._session(session_end_info=info)

    def go_on_after(self, step):
        """Have TensorBoard leave out what earlier files of the run have of later steps."""
        log = self._formats.SessionLog(status=self._formats.SessionLog.START)
        self._put(self._formats.Event(wall_time=time.time(), step=step + 1, session_log=log))

    def close(self):
        """Close the file."""
        if self._file is not None:
            with forgiving(self._folder):
                self._file.close()

    def _session(self, **info):
        """Write a session summary.

        There is no "experiment" summary, on purpose: where one run has it, TensorBoard shows only
        the settings listed there, and hides those of all other runs.
        """
        data = self._formats.HParamsPluginData(version=0, **info)
        metadata = self._formats.SummaryMetadata(
            plugin_data=self._formats.SummaryMetadata.PluginData(
                plugin_name="hparams", content=data.SerializeToString()
            )
        )
        (kind,) = info
        value = self._formats.Summary.Value(tag=f"_hparams_/{kind}", metadata=metadata)
        self._write(self._formats.Summary(value=[value]), 0)

    def _write(self, summary, step):
        self._put(self._formats.Event(wall_time=time.time(), step=step, summary=summary))

    def _put(self, event):
        """Write an event; the first that fails (disk full) is a warning, and the last one.

        The record's form is TFRecord: length and its checksum, then data and their checksum.
        """
        if self._file is None:
            return
        data = event.SerializeToString()
        length = struct.pack("<Q", len(data))
        ends = [struct.pack("<I", self._formats.checksum(part)) for part in (length, data)]
        with forgiving(f"TensorBoard events in {self._folder}") as problems:
            self._file.write(length + ends[0] + data + ends[1])
            self._file.flush()
        if problems:
            file, self._file = self._file, None
            with contextlib.suppress(OSError):  # it has been told
                file.close()


def precision_recall(target, scores, thresholds=127):
    """Return what TensorBoard draws precision and recall from.

    Returns
    -------
    array, shape (6, thresholds)
        True positives, false positives, true negatives, false negatives, precision, recall, for
        thresholds that rise evenly from 0 to 1.
    """
    target, scores = np.asarray(target, bool), np.nan_to_num(scores)
    reached = np.clip(scores * (thresholds - 1), 0, thresholds - 1).astype(int)  # (N,)

    def at_least(chosen):  # how many reach each threshold
        return np.bincount(reached[chosen], minlength=thresholds)[::-1].cumsum()[::-1]

    tp, fp = at_least(target), at_least(~target)
    tn, fn = (~target).sum() - fp, target.sum() - tp
    precision, recall = tp / np.maximum(tp + fp, 1), tp / np.maximum(tp + fn, 1)
    return np.stack([tp, fp, tn, fn, precision, recall])
