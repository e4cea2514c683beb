"""Protocol buffers: encode the few messages that a training writes for TensorBoard.

tensorboardX has these messages, but importing any part of it imports PyTorch where it is installed,
which takes seconds. The numbers of the fields are those of TensorFlow's ``event.proto``,
``summary.proto`` and ``graph.proto``, and of TensorBoard's ``plugin_data.proto`` of the hparams
plugin. They never change, since old files must stay readable.

References
----------
https://protobuf.dev/programming-guides/encoding
"""

import struct
from collections.abc import Iterable

VARINT, EIGHT_BYTES, LENGTH, FOUR_BYTES = 0, 1, 2, 5  # types on the wire


def whole(field: int, value: int) -> bytes:
    """Encode a field with an integer, a bool or a number of an enum.

    Examples
    --------
    >>> from firstlight.callbacks.tensorboard.protobuf import whole
    >>> whole(1, 150).hex()
    '089601'
    """
    return _varint(field << 3 | VARINT) + _varint(value % 2**64)


def double(field: int, value: float) -> bytes:
    """Encode a field with a float64."""
    return _varint(field << 3 | EIGHT_BYTES) + struct.pack("<d", value)


def single(field: int, value: float) -> bytes:
    """Encode a field with a float32; larger numbers become infinite."""
    try:
        packed = struct.pack("<f", value)
    except OverflowError:
        packed = struct.pack("<f", float("inf") if value > 0 else float("-inf"))
    return _varint(field << 3 | FOUR_BYTES) + packed


def doubles(field: int, values: Iterable[float]) -> bytes:
    """Encode a repeated field with float64 numbers."""
    return text(field, b"".join(struct.pack("<d", value) for value in values))


def text(field: int, value: str | bytes) -> bytes:
    """Encode a field with a string, bytes, or another message."""
    content = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | LENGTH) + _varint(len(content)) + content


def _varint(value):
    """Return 7 bits a byte, the lowest first; all bytes but the last have their highest bit set."""
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)
