"""firstlight: neural networks from scratch on NumPy and CuPy."""

import importlib

from firstlight import waiting  # noqa: F401  first: it imports NumPy with a setting of its own

# isort: split
from firstlight import nn, optim
from firstlight.callback import Callback, Role
from firstlight.checkpoint import Checkpoint
from firstlight.data import ArrayDataset, DataLoader, DataSplits
from firstlight.history import History
from firstlight.hookspecs import hookimpl
from firstlight.module import Module, StepOutput
from firstlight.parameter import Buffer, Parameter
from firstlight.rng import seed_everything
from firstlight.trainer import Trainer

__version__ = "0.1.0"

__all__ = [
    "ArrayDataset",
    "Buffer",
    "Callback",
    "Checkpoint",
    "DataLoader",
    "DataSplits",
    "History",
    "Module",
    "Parameter",
    "Role",
    "StepOutput",
    "Trainer",
    "hookimpl",
    "nn",
    "optim",
    "seed_everything",
]


def __getattr__(name):
    """Import a sub-package such as ``firstlight.datasets`` when it is first used."""
    if name.startswith("_"):
        raise AttributeError(name)
    try:
        return importlib.import_module(f"firstlight.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"firstlight.{name}":
            raise
        raise AttributeError(f"module 'firstlight' has no attribute {name!r}") from None
