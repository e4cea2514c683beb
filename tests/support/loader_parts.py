"""Data sets and transforms that worker processes of a DataLoader can import."""

import os
import signal
import time

import numpy as np


class Squares:
    """A data set of the user's own; ``bad`` names a sample that cannot be read."""

    name = "squares"

    def __init__(self, count=23, bad=None):
        self.count, self.bad = count, bad

    def __len__(self):
        return self.count

    def __getitem__(self, indices):
        if self.bad is not None and self.bad in indices:
            raise OSError("photo.jpg is damaged")
        return {"x": (indices**2).astype("float32")[:, None], "parts": (indices, indices * 2.0)}


def noisy(batch, rng):
    x, y = batch
    return x + rng.normal(size=x.shape).astype("float32"), y


def longer(batch, rng):
    """Return batches of growing size: the shared memory has to grow with them."""
    x, y = batch
    return np.repeat(x, 1 + int(y.min()) * 50, axis=1), y


def slow(batch, rng):
    time.sleep(0.2)
    return batch


def where(batch, rng):
    return batch[0], np.full(len(batch[0]), os.getpid())


def die(batch, rng):
    os.kill(os.getpid(), signal.SIGKILL)


class OddError(Exception):
    """An error that cannot be loaded from a pickle."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def odd(batch, rng):
    raise OddError("one", "two")
