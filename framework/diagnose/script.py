"""Run somebody's training script up to its `Trainer.fit`, and take from there what it would fit."""

import contextlib
import runpy
import sys
from pathlib import Path

from firstlight.data import DataSplits
from firstlight.module import Module
from firstlight.trainer import Trainer


class _Caught(BaseException):
    """Ends a script where it would start to train."""


def model_and_data(path):
    """Return ``(model, data)`` of a script.

    The script runs until it calls `Trainer.fit`. One that never does, such as a hand-written
    loop, runs to its end; then the only model, and the only `DataSplits`, among its names count.

    Parameters
    ----------
    path : path-like
        A Python file.

    Returns
    -------
    model : Module
    data
        As given to fit; None if there is none.

    Raises
    ------
    ValueError
        No such file; no model in it, or several.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"no script {path}")
    caught, fit, argv, names = [], Trainer.fit, sys.argv, {}

    def catch(trainer, module, data=None, val_data=None, **_):
        caught.append((module, data, val_data))
        raise _Caught

    sys.path.insert(0, str(path.resolve().parent))
    sys.argv, Trainer.fit = [str(path)], catch
    try:
        with contextlib.redirect_stdout(sys.stderr), contextlib.suppress(_Caught, SystemExit):
            names = runpy.run_path(str(path), run_name="__main__")
    finally:
        sys.argv, Trainer.fit = argv, fit
        sys.path.remove(str(path.resolve().parent))
    if caught:
        module, data, val_data = caught[0]
        if val_data is not None and isinstance(data, tuple) and isinstance(val_data, tuple):
            data = DataSplits(data, val=val_data, name=path.name)
        return module, data
    return _only_model(names, path), next(
        (value for value in names.values() if isinstance(value, DataSplits)), None
    )


def _only_model(names, path):
    found = {id(v): v for v in names.values() if isinstance(v, Module)}
    inside = {id(part) for model in found.values() for part in model.modules() if part is not model}
    tops = [model for key, model in found.items() if key not in inside]
    models = [model for model in tops if model.parameters()]
    if len(models) != 1:
        raise ValueError(
            f"{path} never calls Trainer.fit, and has {len(models)} models among its names; "
            f"name one: --model {path}:Class"
        )
    losses = [module for module in tops if module is not models[0]]
    if len(losses) == 1 and not hasattr(models[0], "loss"):
        models[0].loss = losses[0]
    return models[0]
