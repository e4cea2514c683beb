"""Random numbers: one generator for each purpose, all derived from one seed.

firstlight never draws from NumPy's global generator. The purposes:

==========  ===============================================================================
``init``    initial weights, while a model is built
``dropout`` masks, drawn step by step
``order``   the order of the samples: a fresh generator for each (seed, epoch)
``augment`` random transforms: a fresh generator for each (seed, epoch, batch)
``draw``    random samples, such as blocks of a text: a fresh generator for each batch
==========  ===============================================================================

On a GPU, dropout is drawn on the device by Philox, as a function of the seed and the number of the
training step.

``init`` and ``dropout`` are streams: their state changes with each draw, and `state_dict` saves it.
The other purposes have no state: `derived` creates their generators from seed, epoch and batch, so
that any batch of any epoch can be reproduced alone.

The default seed is 0, so the same script gives the same numbers.
"""

import random
from typing import Any

import numpy as np
from numpy.random import Generator

from firstlight.support.arguments import plain_number
from firstlight.support.array import Array

STREAMS = ("init", "dropout")
PURPOSES = (*STREAMS, "order", "augment", "split", "draw")

_seed = 0
_streams = {}
_device = {"pass": 0, "call": 0, "capturing": False}
_passes = {}  # by GPU: the number of the pass, as an array on it


def seed_everything(seed: int | None = None) -> int:
    """Reset all random streams to a seed.

    Parameters
    ----------
    seed : int, optional
        Zero or positive. None draws a seed from the operating system.

    Returns
    -------
    int
        The seed in use.

    Raises
    ------
    TypeError, ValueError
        The seed is not an integer, or negative.

    Examples
    --------
    >>> import firstlight as fl
    >>> fl.seed_everything(7)
    7
    """
    global _seed
    if seed is None:
        seed = int(np.random.SeedSequence().generate_state(1)[0])
    seed = plain_number(seed)
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise TypeError(f"seed_everything: expected an integer seed, got {seed!r}")
    if seed < 0:
        raise ValueError(f"seed_everything: expected a seed of 0 or more, got {seed}")
    _seed = int(seed)
    _streams.update({name: derived(name, _seed) for name in STREAMS})
    _set_pass(0)
    return _seed


def current_seed() -> int:
    """Return the current seed."""
    return _seed


def stream(name: str) -> Generator:
    """Return the process-wide generator for a purpose, ``"init"`` or ``"dropout"``."""
    if _device["capturing"]:
        raise RuntimeError(f"numbers of the {name!r} stream come from the host")
    return _streams[name]


def begin_pass() -> None:
    """Begin the pass of a training step on a GPU; dropout there depends on its number."""
    _set_pass(_device["pass"] + 1)


def begin_call() -> None:
    """Reset the number of calls in this pass."""
    _device["call"] = 0


def device_key(x: Any) -> tuple[Array, int]:
    """Return the key of the next random numbers on the device of x.

    Returns
    -------
    pass_number : array of uint32, shape ()
        On the device, so that a captured graph draws new numbers each time.
    call : int
        Number of the call within the pass.
    """
    device = x.device.id
    if device not in _passes:
        _passes[device] = np.zeros_like(x, shape=(1,), dtype="uint32").reshape(())
        _passes[device].fill(_device["pass"])
    _device["call"] += 1
    return _passes[device], _device["call"]


def dropout_place() -> tuple[Any, int]:
    """Return the state of dropout: of the host's stream, and the calls of this pass on a GPU."""
    return _streams["dropout"].bit_generator.state, _device["call"]


def go_to(place: Any) -> None:
    """Restore the state of dropout that `dropout_place` returned."""
    _streams["dropout"].bit_generator.state, _device["call"] = place


def capturing(on: bool) -> None:
    """Refuse random numbers from the host during a capture, as the graph would repeat them."""
    _device["capturing"] = on


def is_capturing() -> bool:
    """Return whether the work of a step is being captured as a graph."""
    return _device["capturing"]


def _set_pass(number):
    _device.update({"pass": number, "call": 0})
    for array in _passes.values():
        with array.device:
            array.fill(number)


def derived(purpose: str, seed: int, *numbers: int) -> Generator:
    """Create the generator for a purpose, a seed and further numbers such as epoch and batch.

    Parameters
    ----------
    purpose : {"init", "dropout", "order", "augment", "split", "draw"}
    seed : int
    *numbers : int
        Further numbers that identify the generator.

    Returns
    -------
    numpy.random.Generator
        PCG64; the same for the same arguments, independent for different ones.
    """
    key = (PURPOSES.index(purpose), *numbers)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))


def state_dict() -> dict[str, Any]:
    """Return the state of all generators as a JSON-able dict.

    It includes the global generators of Python and NumPy, because a user's code may draw from them.
    """
    version, numbers, gauss = random.getstate()
    kind, key, *rest = np.random.get_state()  # noqa: NPY002
    return {
        "seed": _seed,
        "device_pass": _device["pass"],
        "streams": {name: stream.bit_generator.state for name, stream in _streams.items()},
        "python": [version, list(numbers), gauss],
        "numpy": [kind, key.tolist(), *rest],
    }


def load_state_dict(state: dict[str, Any]) -> None:
    """Restore the state that `state_dict` returned."""
    global _seed
    _seed = state["seed"]
    _set_pass(state.get("device_pass", 0))
    for name, saved in state["streams"].items():
        _streams[name].bit_generator.state = saved
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    kind, key, *rest = state["numpy"]
    np.random.set_state((kind, np.array(key, "uint32"), *rest))  # noqa: NPY002


seed_everything(0)
