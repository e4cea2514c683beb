"""firstlight: neural networks from scratch on NumPy and CuPy."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from firstlight import callbacks, datasets, models, nn, optim, plugins, runs, testing
    from firstlight.callback import Callback, Role
    from firstlight.checkpoints.format import Checkpoint
    from firstlight.data import augment, tokenizers, transforms
    from firstlight.data.splits import ArrayDataset, DataLoader, DataSplits
    from firstlight.hookspecs import hookimpl
    from firstlight.module import Module, StepOutput
    from firstlight.parameter import Buffer, Parameter
    from firstlight.runs.history import History
    from firstlight.support import rng
    from firstlight.support.array import Array
    from firstlight.support.rng import seed_everything
    from firstlight.tools import diagnose, figures, report, sweeps
    from firstlight.trainer import Trainer

__version__ = "0.1.0"

# Where the public names are. Each is imported when it is first used, so that the command line can
# set NumPy's environment before NumPy is imported.
PLACES = {
    "Array": "support.array",
    "ArrayDataset": "data.splits",
    "Buffer": "parameter",
    "Callback": "callback",
    "Checkpoint": "checkpoints.format",
    "DataLoader": "data.splits",
    "DataSplits": "data.splits",
    "History": "runs.history",
    "Module": "module",
    "Parameter": "parameter",
    "Role": "callback",
    "StepOutput": "module",
    "Trainer": "trainer",
    "hookimpl": "hookspecs",
    "seed_everything": "support.rng",
}
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


def __getattr__(name: str) -> Any:
    """Import a public name, or a sub-package such as ``firstlight.datasets``, on first use."""
    if name in PLACES:
        value = getattr(importlib.import_module(f"firstlight.{PLACES[name]}"), name)
        globals()[name] = value
        return value
    if name.startswith("_"):
        raise AttributeError(name)
    module = f"firstlight.{SHORT_NAMES.get(name, name)}"
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise AttributeError(f"module 'firstlight' has no attribute {name!r}") from None


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *SHORT_NAMES})
