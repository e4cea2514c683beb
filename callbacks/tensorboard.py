"""TensorBoard: writes what is logged into the run folder, as TensorBoard reads it."""

import contextlib
import json
import os
import secrets
import struct
import time
from pathlib import Path

import numpy as np

from firstlight.backend import to_host
from firstlight.callback import Callback
from firstlight.files import forgiving

STAGES = ("train", "val", "test")
BINS = 64  # of a histogram: they take a ninth of the space of the usual ones


class TensorBoard(Callback):
    """Show the training in TensorBoard (``tensorboard --logdir runs``).

    Every logged value becomes a curve. Values of one kind share a group of charts, so that
    training and validation stand side by side::

        train_loss       loss/train
        train_loss_step  loss/train_step
        val_loss         loss/val
        test_loss        loss/test        of `Trainer.test` after the training
        lr               lr               all other names stay as they are

    The settings of the run and how it ended go to the HPARAMS tab. A Trainer that keeps no run
    (``runs_dir=None``) writes nothing.

    Parameters
    ----------
    histograms : bool
        Also write a histogram of each parameter after every epoch.

    Examples
    --------
    >>> from firstlight.callbacks import TensorBoard
    >>> tensorboard = TensorBoard(histograms=True)
    """

    rank_zero_only = True

    def __init__(self, histograms: bool = False):
        self.histograms = histograms
        self._events = None

    def on_fit_start(self, trainer):
        """Open an events file in the run folder, and write the settings."""
        if trainer.run is not None:
            self._events = EventsFile(trainer.run.path)
            if trainer.step:
                self._events.go_on_after(trainer.step)
            config = json.loads((trainer.run.path / "config.json").read_text(encoding="utf-8"))
            self._events.session_start(flatten(config))

    def on_log(self, record):
        """Write all values of a record."""
        if self._events is not None:
            self._events.scalars(record)

    def on_train_epoch_end(self, trainer, module):
        """Write the histograms."""
        if self._events is not None and self.histograms:
            for name, parameter in module.named_parameters():
                self._events.histogram(f"parameters/{name}", parameter.data, trainer.step)

    def on_validation_end(self, trainer, stage, metrics):
        """Add the results of a test to the latest run, in an events file of their own."""
        if stage == "test" and self._events is None and trainer.run is not None:
            events = EventsFile(trainer.run.path)
            events.scalars({"step": trainer.step, **metrics})
            events.close()

    def on_fit_end(self, trainer):
        """Write how the training ended, and close the file."""
        if self._events is not None:
            events, self._events = self._events, None
            events.session_end(trainer.status)
            events.close()


class EventsFile:
    """A file of TensorBoard events, each on the disk before the next line of code runs.

    tensorboardX's `SummaryWriter` hands events to a thread, through a queue that its ``flush``
    does not empty: a killed process then loses the last ones. Its `EventsWriter`, used here,
    writes at once, and is faster too: one event holds all values of a record.

    Parameters
    ----------
    folder : path-like
        Two files in one folder never collide: process and a random number are in the name.
    """

    def __init__(self, folder):
        # Here and not above: it takes most of a second, two where PyTorch is installed.
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto import event_pb2, plugin_hparams_pb2, summary_pb2, tensor_pb2

        self._Event, self._pb, self._hparams_pb = event_pb2.Event, summary_pb2, plugin_hparams_pb2
        self._Tensor = tensor_pb2.TensorProto
        self._SessionLog = event_pb2.SessionLog
        # TensorBoard reads files in the order of their names: second, host, then this count.
        count = len(list(Path(folder).glob("events.*")))
        suffix = f".{count:04d}.{os.getpid()}.{secrets.token_hex(4)}"
        self._folder, self._writer = folder, None
        with forgiving(f"TensorBoard events in {folder}"):
            self._writer = EventsWriter(os.path.join(folder, "events"), suffix)
            self._writer.flush()

    def scalars(self, record):
        """Write all numbers of a record, at its step."""
        values = [
            self._pb.Summary.Value(tag=tag(name), simple_value=value)
            for name, value in record.items()
            if name not in ("step", "epoch", "time")
        ]
        self._write(self._pb.Summary(value=values), record["step"])

    def histogram(self, name, array, step):
        """Write the distribution of an array's finite values."""
        values = to_host(array).ravel()
        values = values[np.isfinite(values)].astype(np.float64)
        if not values.size:
            return
        counts, edges = np.histogram(values, bins=BINS)
        histogram = self._pb.HistogramProto(
            min=values.min(),
            max=values.max(),
            num=values.size,
            sum=values.sum(),
            sum_squares=np.square(values).sum(),
            bucket_limit=edges[1:],
            bucket=counts,
        )
        value = self._pb.Summary.Value(tag=name, histo=histogram)
        self._write(self._pb.Summary(value=[value]), step)

    def image(self, name, png, step):
        """Write a picture, the bytes of a PNG file."""
        width, height = struct.unpack(">II", png[16:24])  # the header comes first in any PNG
        picture = self._pb.Summary.Image(
            width=width, height=height, colorspace=4, encoded_image_string=png
        )
        value = self._pb.Summary.Value(tag=name, image=picture)
        self._write(self._pb.Summary(value=[value]), step)

    def text(self, name, text, step):
        """Write a text; TensorBoard shows it as it is, not as Markdown."""
        indented = "".join(f"    {line}\n" for line in text.split("\n"))
        tensor = self._Tensor(
            dtype="DT_STRING",
            string_val=[indented.encode()],
            tensor_shape={"dim": [{"size": 1}]},
        )
        metadata = self._pb.SummaryMetadata(plugin_data={"plugin_name": "text"})
        value = self._pb.Summary.Value(tag=name, tensor=tensor, metadata=metadata)
        self._write(self._pb.Summary(value=[value]), step)

    def session_start(self, settings):
        """Write the settings, a dict of str to bool, float or str."""
        info = self._hparams_pb.SessionStartInfo(start_time_secs=time.time())
        for name, value in settings.items():
            kind = {bool: "bool_value", float: "number_value", str: "string_value"}[type(value)]
            setattr(info.hparams[name], kind, value)
        self._session(session_start_info=info)

    def session_end(self, status):
        """Write how the run ended: "finished", "failed" or another word for neither."""
        codes = {"finished": "STATUS_SUCCESS", "failed": "STATUS_FAILURE"}
        info = self._hparams_pb.SessionEndInfo(
            status=codes.get(status, "STATUS_UNKNOWN"), end_time_secs=time.time()
        )
        self._session(session_end_info=info)

    def go_on_after(self, step):
        """Have TensorBoard leave out what earlier files of the run have of later steps."""
        log = self._SessionLog(status=self._SessionLog.START)
        self._put(self._Event(wall_time=time.time(), step=step + 1, session_log=log))

    def close(self):
        """Close the file."""
        if self._writer is not None:
            with forgiving(self._folder):
                self._writer.close()

    def _session(self, **info):
        """Write a session summary.

        There is no "experiment" summary, on purpose: where one run has it, TensorBoard shows only
        the settings listed there, and hides those of all other runs.
        """
        data = self._hparams_pb.HParamsPluginData(version=0, **info)
        metadata = self._pb.SummaryMetadata(
            plugin_data=self._pb.SummaryMetadata.PluginData(
                plugin_name="hparams", content=data.SerializeToString()
            )
        )
        (kind,) = info
        value = self._pb.Summary.Value(tag=f"_hparams_/{kind}", metadata=metadata)
        self._write(self._pb.Summary(value=[value]), 0)

    def _write(self, summary, step):
        self._put(self._Event(wall_time=time.time(), step=step, summary=summary))

    def _put(self, event):
        """Write an event; the first that fails (disk full) is a warning, and the last one."""
        if self._writer is None:
            return
        with forgiving(f"TensorBoard events in {self._folder}") as problems:
            self._writer.write_event(event)
            self._writer.flush()
        if problems:
            writer, self._writer = self._writer, None
            with contextlib.suppress(OSError):  # it has been told
                writer._py_recordio_writer.close()  # its own `close` would flush first, and fail


def tag(name):
    """Return the tag of a logged name: ``val_loss`` -> ``loss/val``, see `TensorBoard`."""
    stage, _, metric = name.partition("_")
    if stage not in STAGES or not metric:
        return name
    if stage == "train" and metric.endswith("_step"):
        stage, metric = "train_step", metric.removesuffix("_step")
    return f"{metric}/{stage}"


def flatten(settings, prefix=""):
    """Return nested settings as a flat dict of bool, float and str, as the HPARAMS tab wants it.

    Examples
    --------
    >>> from firstlight.callbacks.tensorboard import flatten
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
