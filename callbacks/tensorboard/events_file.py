"""The events file: records that TensorBoard reads, each written when it is added."""

import contextlib
import os
import secrets
import socket
import struct
import time
import weakref
from os import PathLike
from pathlib import Path

from firstlight.callbacks.tensorboard.protobuf import double, text, whole
from firstlight.support.files import forgiving

WALL_TIME, STEP, FILE_VERSION = 1, 2, 3  # fields of an event
POLYNOMIAL = 0x82F63B78  # of CRC-32C, with its bits reversed


class EventsFile:
    """An events file that is written synchronously: `add` returns after the write.

    tensorboardX's ``EventFileWriter`` has a queue and a thread, which dies when a disk is full; the
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
        self.folder: str = str(folder)
        self._file = None
        with forgiving(f"TensorBoard events in {folder}"):
            self._file = path.open("ab")
            weakref.finalize(self, self._file.close)  # of a writer used after a training
        self.add(text(FILE_VERSION, "brain.Event:2"))

    def add(self, content: bytes, step: int | None = None) -> None:
        """Write an event with a field of its content, such as a summary, and the present time."""
        place = b"" if step is None else whole(STEP, step)
        self.add_encoded(double(WALL_TIME, time.time()) + place + content)

    def add_encoded(self, event: bytes) -> None:
        """Write an event as a TFRecord: length and its checksum, data and their checksum."""
        if self._file is None:
            return
        length = struct.pack("<Q", len(event))
        ends = [struct.pack("<I", masked_checksum(part)) for part in (length, event)]
        with forgiving(f"TensorBoard events in {self.folder}") as problems:
            self._file.write(length + ends[0] + event + ends[1])
            self._file.flush()
        if problems:
            self.close()

    def close(self) -> None:
        """Close the file."""
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):  # add_encoded has already warned
                file.close()


def masked_checksum(data: bytes) -> int:
    """Return the checksum of a TFRecord: CRC-32C, rotated and shifted.

    Examples
    --------
    >>> from firstlight.callbacks.tensorboard.events_file import masked_checksum
    >>> hex(masked_checksum(b"123456789"))  # CRC-32C: e3069283
    '0xc78ab0e5'
    """
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _table():
    """Return the remainder of each byte."""
    table = list(range(256))
    for _ in range(8):
        table = [value >> 1 ^ (POLYNOMIAL if value & 1 else 0) for value in table]
    return table


_TABLE = _table()
