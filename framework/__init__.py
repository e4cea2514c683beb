"""firstlight: neural networks from scratch on NumPy and CuPy."""

import importlib

from firstlight.training import waiting  # noqa: F401  first: it imports NumPy with a setting of its own

# isort: split
from firstlight import nn, optim
from firstlight.callback import Callback, Role
from firstlight.checkpoints.format import Checkpoint
from firstlight.data.splits import ArrayDataset, DataLoader, DataSplits
from firstlight.hookspecs import hookimpl
from firstlight.module import Module, StepOutput
from firstlight.parameter import Buffer, Parameter
from firstlight.runs.history import History
from firstlight.support.array import Array
from firstlight.support.rng import seed_everything
from firstlight.trainer import Trainer

__version__ = "0.1.0"

__all__ = [
    "Array",
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


# What is public by a shorter name than that of its place.
SHORT_NAMES = {
    "augment": "data.augment",
    "diagnose": "tools.diagnose",
    "figures": "tools.figures",
    "report": "tools.report",
    "rng": "support.rng",
    "sweeps": "tools.sweeps",
    "tokenizers": "data.tokenizers",
    "transforms": "data.transforms",
}


def __getattr__(name):
    """Import a sub-package such as ``firstlight.datasets`` when it is first used."""
    if name.startswith("_"):
        raise AttributeError(name)
    module = f"firstlight.{SHORT_NAMES.get(name, name)}"
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise AttributeError(f"module 'firstlight' has no attribute {name!r}") from None
