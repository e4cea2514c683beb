"""The images that the course trains on: MNIST where it is at hand, else the digits we bring."""

import os

import firstlight as fl
from firstlight.datasets.mnist_files import SETS


def load(**arguments):
    """Return MNIST if the folder FIRSTLIGHT_DATA has it, and the 8 x 8 digits otherwise."""
    folder = os.environ.get("FIRSTLIGHT_DATA")
    name = "mnist" if folder and SETS["mnist"].local(folder) else "digits"
    return fl.datasets.load(name, **arguments)
