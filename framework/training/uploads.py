"""Uploads: copy each batch to the GPU while the previous one is computed.

The host launches the work of a step and does not wait for it. Meanwhile it copies the next batch,
on a separate stream and from pinned memory, which the GPU reads without the host. Two slots
alternate. Events keep the order:

=========  ======================================  ===========================================
event      recorded                                waited for by
=========  ======================================  ===========================================
``copied`` after a slot's copies                   the GPU's work, before it uses the batch; and
                                                   the host, two batches later, before it fills
                                                   the pinned memory again
``used``   after the work on a slot's batch        the next copy into this slot
=========  ======================================  ===========================================

Batches that are already on the GPU are passed through.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from firstlight.support.array import Array
from firstlight.support.backend import load_cupy, to_device
from firstlight.support.batches import placed


@contextmanager
def uploading(device: str, dtype: Any) -> Iterator[Callable[[Any], Any]]:
    """Yield a function that puts a batch on a device, floating arrays as ``dtype``.

    A returned batch is overwritten two batches later. All copies are complete when the context
    ends.
    """
    if device == "cpu":
        yield lambda batch: placed(batch, device, dtype)
        return
    uploads = Uploads(device, dtype)
    try:
        yield uploads
    finally:
        uploads.finish()


class Uploads:
    """Copy batches to a GPU.

    Parameters
    ----------
    device : str
    dtype : str or numpy.dtype
        Dtype of floating arrays.
    """

    def __init__(self, device: str, dtype: Any):
        self._device, self._dtype = device, dtype
        self._slots, self._turn, self._stream = [], 0, None
        self._part = None  # index of the next array of the current batch; None before the first

    def __call__(self, batch: Any) -> Any:
        """Return the batch on the GPU; work launched next waits for its copies."""
        self._part = None
        found = placed(batch, self._device, self._dtype, self._send)
        if self._part is not None:
            copied = self._slots[self._turn].copied
            copied.record(self._stream)
            load_cupy().cuda.get_current_stream().wait_event(copied)
        return found

    def finish(self) -> None:
        """Wait until all copies from pinned memory are complete."""
        for slot in self._slots:
            slot.copied.synchronize()

    def _send(self, array):
        if not isinstance(array, np.ndarray):
            return to_device(array, self._device)
        if self._part is None:
            self._take_turn()
        pinned, target = self._slots[self._turn].memory(self._part, array.nbytes, self._stream)
        self._part += 1
        pinned = pinned.view(array.dtype).reshape(array.shape)
        np.copyto(pinned, array)
        target = target.view(array.dtype).reshape(array.shape)
        target.set(pinned, stream=self._stream)
        return target

    def _take_turn(self):
        cuda = load_cupy().cuda
        if self._stream is None:
            self._stream = cuda.Stream(non_blocking=True)
            self._slots = [Slot(), Slot()]
        self._slots[self._turn].used.record(cuda.get_current_stream())
        self._turn, self._part = 1 - self._turn, 0
        slot = self._slots[self._turn]
        slot.copied.synchronize()
        self._stream.wait_event(slot.used)


class Slot:
    """Memory for one batch, pinned and on the GPU, with the events that protect it."""

    def __init__(self):
        cuda = load_cupy().cuda
        self.copied: Any = cuda.Event(disable_timing=True)
        self.used: Any = cuda.Event(disable_timing=True)
        self._parts = []  # (pinned, on the GPU), arrays of bytes

    def memory(self, part: int, size: int, stream: Any) -> tuple[Array, Array]:
        """Return ``size`` bytes of pinned memory and of GPU memory for an array of the batch."""
        if part == len(self._parts):
            self._parts.append(None)
        if self._parts[part] is None or len(self._parts[part][0]) < size:
            cupy = load_cupy()
            room = max(size, 1)
            pinned = np.frombuffer(cupy.cuda.alloc_pinned_memory(room), "uint8", room)
            target = cupy.empty(room, "uint8")
            # The current stream may still use this memory for an array that was just freed.
            self.used.record(cupy.cuda.get_current_stream())
            stream.wait_event(self.used)
            self._parts[part] = pinned, target
        pinned, target = self._parts[part]
        return pinned[:size], target[:size]
