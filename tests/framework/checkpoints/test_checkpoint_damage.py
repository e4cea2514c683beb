"""Two thousand damaged checkpoints: each is refused with a message, none loads silently wrong."""

import json
import struct

import numpy as np
import pytest

import firstlight as fl
from firstlight.checkpoints.format import Checkpoint

ROUNDS = 250  # of each of the eight kinds of damage


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "c.safetensors"
    rng = np.random.default_rng(0)
    model = {name: rng.normal(size=(4, 3)).astype("float32") for name in ("a", "b", "c")}
    optimizer = {"steps": 3, "groups": [{"lr": 0.1}], "arrays": {"m.0": np.ones(5, "float32")}}
    Checkpoint(model, optimizer, step=6, epoch=2, rng=fl.rng.state_dict()).save(path)
    return path.read_bytes()


def split(content):
    """Return the header as a dict, and the bytes of the arrays."""
    (size,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def join(header, data):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def flip_a_bit(content, rng):
    content = bytearray(content)
    content[rng.integers(len(content))] ^= 1 << rng.integers(8)
    return bytes(content)


def overwrite_bytes(content, rng):
    content, size = bytearray(content), int(rng.integers(1, 40))
    start = int(rng.integers(len(content) - size))
    content[start : start + size] = rng.bytes(size)
    return bytes(content)


def truncate(content, rng):
    return content[: rng.integers(len(content))]


def append(content, rng):
    return content + rng.bytes(int(rng.integers(1, 50)))


def swap_two_arrays(content, rng):
    header, data = split(content)
    one, two = rng.choice(["model/a", "model/b", "model/c"], 2, replace=False)
    header[one], header[two] = header[two], header[one]
    return join(header, data)


def change_a_shape(content, rng):
    header, data = split(content)
    name = rng.choice(["model/a", "model/b", "model/c"])
    header[name]["shape"] = [[3, 4], [12], [2, 6], [4, 4], [0, 3], [-4, -3]][rng.integers(6)]
    return join(header, data)


def change_the_version(content, rng):
    header, data = split(content)
    header["__metadata__"]["format"] = str(rng.choice(["0", "2", "99", "", "one"]))
    return join(header, data)


def change_the_state(content, rng):
    header, data = split(content)
    state = json.loads(header["__metadata__"]["firstlight"])
    state[str(rng.choice(["step", "epoch", "new"]))] = int(rng.integers(7, 100))
    header["__metadata__"]["firstlight"] = json.dumps(state)
    return join(header, data)


DAMAGES = [
    flip_a_bit,
    overwrite_bytes,
    truncate,
    append,
    swap_two_arrays,
    change_a_shape,
    change_the_version,
    change_the_state,
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damage_is_refused(damage, content, tmp_path):
    rng, path = np.random.default_rng(1), tmp_path / "damaged.safetensors"
    for _ in range(ROUNDS):
        damaged = damage(content, rng)
        if damaged == content:
            continue
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"damaged|not a firstlight checkpoint|has format"):
            Checkpoint.load(path)
