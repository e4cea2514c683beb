"""firstlight: neural networks from scratch on NumPy and CuPy."""

import importlib
import sys
from importlib.machinery import ModuleSpec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from firstlight import callbacks, datasets, metrics, models, nn, optim, plugins, runs, testing
    from firstlight.callback import Callback, Role
    from firstlight.checkpoints.format import Checkpoint
    from firstlight.data import augment, tokenizers, transforms
    from firstlight.data.sampling import WeightedDataset
    from firstlight.data.splits import ArrayDataset, DataLoader, DataSplits
    from firstlight.hookspecs import hookimpl
    from firstlight.module import Module, StepOutput
    from firstlight.optim import schedules
    from firstlight.parameter import Buffer, Parameter
    from firstlight.runs.history import History
    from firstlight.support import forms, rng
    from firstlight.support.array import Array
    from firstlight.support.rng import seed_everything
    from firstlight.tools import diagnose, figures, onnx, report, sklearn, starters, sweeps
    from firstlight.tools.loading import load, load_data
    from firstlight.trainer import Trainer

__version__ = "0.1.0"

# The module of each public name. A name is imported on first use, so that the command line can set
# NumPy's environment before NumPy is imported.
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
    "WeightedDataset": "data.sampling",
    "hookimpl": "hookspecs",
    "load": "tools.loading",
    "load_data": "tools.loading",
    "seed_everything": "support.rng",
}
SHORT_NAMES = {
    "augment": "data.augment",
    "diagnose": "tools.diagnose",
    "figures": "tools.figures",
    "forms": "support.forms",
    "onnx": "tools.onnx",
    "report": "tools.report",
    "rng": "support.rng",
    "schedules": "optim.schedules",
    "sklearn": "tools.sklearn",
    "starters": "tools.starters",
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
    "WeightedDataset",
    "hookimpl",
    "load",
    "load_data",
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


class _ShortNames:
    """Import finder that maps ``firstlight.figures`` to ``firstlight.tools.figures``.

    Modules below it are mapped too. The module object is the same under both names.
    """

    def find_spec(self, name, path=None, target=None):
        package, *parts = name.split(".")
        if package != "firstlight" or not parts or parts[0] not in SHORT_NAMES:
            return None
        place = ".".join((package, SHORT_NAMES[parts[0]], *parts[1:]))
        return ModuleSpec(name, self, loader_state=place)

    def create_module(self, spec):
        module = importlib.import_module(spec.loader_state)
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module):
        module.__spec__ = module.__spec__.loader_state  # the import system replaced it


sys.meta_path.insert(0, _ShortNames())  # before the path finder, which would load a second copy
