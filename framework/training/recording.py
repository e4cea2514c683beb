"""What a run records of a training that a script has set up: settings, data, and source files.

`describe` returns the settings in the layout of the command line, for people and for
``firstlight runs list --where``. `rebuild_record` returns what `firstlight.load` needs.
"""

from __future__ import annotations

import hashlib
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import PurePath
from types import NoneType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from firstlight import plugins
from firstlight.data.dataset import ArrayDataset, transform_of
from firstlight.data.loader import DataLoader
from firstlight.data.splits import DataSplits
from firstlight.runs import sources
from firstlight.runs.masking import is_secret, masked_words
from firstlight.runs.values import (
    COLLECTIONS,
    encode,
    is_unkept,
    plainly,
    reference,
    short,
)
from firstlight.support import rng
from firstlight.support.construction import NAMESPACES
from firstlight.support.files import working_directory

if TYPE_CHECKING:
    from types import FrameType

    from firstlight.trainer import Trainer

Files: TypeAlias = dict[str, str]  # text by name
PLAIN = (bool, int, float, str, NoneType, np.generic, *COLLECTIONS, PurePath, *NAMESPACES)
FRAMES = 5  # callers of `fit` whose values are recorded
OF_COMMANDS = {"model", "data", "callbacks", "trainer", "facts"}  # which all their settings have
SAMPLES = 16  # of each split, by which its data are recognised


def of_training(trainer: Trainer, data: Any) -> tuple[dict[str, Any], Files]:
    """Return the content of ``config.json``, and the files of the folder ``source``.

    The command line gives all settings itself, and its runs need no source. A script may add
    settings in ``trainer.config``. What cannot be recorded never ends a training.
    """
    if trainer.config.keys() >= OF_COMMANDS:
        return trainer.config, {}
    try:
        config = describe(trainer, data)
        return config, rebuild_record(trainer, data)
    except Exception as error:  # of a user's __repr__, __len__ or property
        warnings.warn(
            f"the settings of this training cannot be recorded ({type(error).__name__}: {error}); "
            "the run keeps the model's text alone, and cannot be loaded without the script",
            stacklevel=2,
        )
        told = {"model": repr(trainer.module), "seed": rng.current_seed()}
        return _with_own(told, trainer.config), {}


def describe(trainer: Trainer, data: Any) -> dict[str, Any]:
    """Return the content of ``config.json`` for a training that a script has set up.

    Parameters
    ----------
    trainer : Trainer
        With its module, optimizer and loaders.
    data
        The argument of its `fit`.
    """
    module = trainer.module
    callbacks = {}
    for callback in trainer.callbacks:
        name = _name("callback", type(callback))
        same = sum(type(other) is type(callback) for other in trainer.callbacks[: len(callbacks)])
        callbacks[f"{name}_{same + 1}" if same else name] = _arguments(callback)
    settings = {
        "model": _named(_name("model", type(module)), _arguments(module)),
        "data": _data(trainer, data),
        "callbacks": callbacks,
        "optimizer": _optimizer(trainer.optimizer),
        "trainer": _trainer(trainer),
        "seed": rng.current_seed(),
        "facts": {"structure": repr(module), **_facts(trainer, data)},
    }
    return _with_own(settings, trainer.config)


def _with_own(settings, own):
    """Return recorded settings and a script's own; those of the same names are in ``config``."""
    taken = {name: value for name, value in own.items() if name in (*settings, "config")}
    others = {name: value for name, value in own.items() if name not in taken}
    return settings | others | ({"config": taken} if taken else {})


def rebuild_record(trainer: Trainer, data: Any) -> Files:
    """Return the files of a run's folder ``source``, by name; see `firstlight.runs.sources`."""
    modules, texts, left_out = sources.collect()
    main = sys.modules.get(sources.MAIN)
    model = encode(trainer.module)
    record = {
        "model": model,
        "data": _loaded_as(trainer, data),
        "batch_size": getattr(trainer.train_loader, "batch_size", None),
        "samples": fingerprints(_parts(trainer, data)),
        "modules": modules,
        "left_out": left_out | _of_other_runs(model),
        "main": os.path.abspath(main.__file__) if sources.MAIN in modules else None,
        "globals": _values(vars(main)) if sources.MAIN in modules else {},
        "calls": list(_calls()) if modules else [],
        "argv": masked_words(sys.argv),
        "cwd": str(working_directory()),
        "seed": rng.current_seed(),
    }
    return sources.as_files(record, texts)


def _of_other_runs(model):
    """Return why classes that `firstlight.load` took from another run's source are not kept."""
    names = {name.partition(":")[0] for name in sources.references(model)}
    return {
        name: "the training took it from the source of another run; load the model of that run, "
        "and these weights: model.load_state_dict(Checkpoint.load(FILE).model)"
        for name in names
        if name == sources.SCRIPT or name not in sys.modules
    }


def fingerprints(parts: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return ``{split: [number of samples, hash of some of them]}`` of data sets by split."""
    return {name: [len(part), _hash(part)] for name, part in parts.items()}


def _parts(trainer, data):
    """Return the data sets of a training by split; loaders of other classes are left out."""
    loaders = {"train": trainer.train_loader, "val": trainer.val_loader}
    found = {n: one.data for n, one in loaders.items() if isinstance(one, DataLoader)}
    test = data.test if isinstance(data, DataSplits) else None
    return found if test is None else found | {"test": test}


def _hash(data):
    if not isinstance(data, ArrayDataset):
        return None  # reading samples may be slow
    found = hashlib.sha256()
    for array in data.arrays:
        some = array[np.linspace(0, len(array) - 1, SAMPLES).astype(int)]
        found.update(f"{array.dtype} {array.shape}".encode())
        found.update(np.ascontiguousarray(some).tobytes())
    return found.hexdigest()[:16]


def _name(kind, target):
    """Return the registered name of a class, or ``"module:Class"``."""
    module, name = target.__module__, target.__qualname__
    if module == sources.MAIN:
        return f"{_main_file()}:{name}"
    path = getattr(sys.modules.get(module), "__file__", None) or ""
    installed = sources.is_installed(module, path)  # others are not registered
    return (plugins.registry(kind).name_of(target) if installed else None) or reference(target)


def _main_file():
    path = getattr(sys.modules.get(sources.MAIN), "__file__", None)
    return os.path.basename(path) if path else sources.MAIN


def _named(name, arguments):
    """Return name and arguments; an argument that is called ``name``, too, is in ``init_args``."""
    found = {"name": name} | arguments | {"name": name}
    return found | {"init_args": {"name": arguments["name"]}} if "name" in arguments else found


def _arguments(made):
    """Return the arguments that an object was created with, as ``config.json`` shows them."""
    construction = getattr(made, "_construction", None)
    if construction is None:  # of a class with marked hooks
        return {}
    named, unnamed = construction.by_name(type(made))
    found = {name: plainly(encode(value)) for name, value in named.items()}
    return found | ({"*": [plainly(encode(value)) for value in unnamed]} if unnamed else {})


def _trainer(trainer):
    """Return the arguments of the Trainer, as the command line names them."""
    limits, windows = trainer.limits, trainer.accumulation.schedule
    return {
        "max_epochs": trainer.max_epochs,
        "max_steps": trainer.max_steps,
        "max_time": trainer.max_time,
        "min_epochs": limits.min_epochs,
        "min_steps": limits.min_steps,
        "device": trainer.device,
        "precision": trainer.precision,
        "accumulate_grad_batches": windows[1] if windows.keys() == {1} else windows,
        **{f"limit_{stage}_batches": number for stage, number in limits.batches.items()},
        "val_every": limits.describe_val_every(),
        "num_sanity_val_steps": limits.num_sanity_val_steps,
        "log_every_n_steps": trainer.log_every_n_steps,
    }


def _optimizer(optimizer):
    """Return name and hyper-parameters; of further groups those that differ.

    Several optimizers are under their names.
    """
    if "" not in optimizer.by_name():
        return {name: _optimizer(one) for name, one in optimizer.by_name().items()}
    first, *others = [
        {name: plainly(encode(value)) for name, value in group.items() if name != "params"}
        for group in optimizer.param_groups
    ]
    differing = [{n: v for n, v in one.items() if first.get(n) != v} for one in others]
    groups = {"groups": differing} if any(differing) else {}
    return {"name": type(optimizer).__name__, **first, **groups}


def _data(trainer, data):
    name, arguments = getattr(data, "loaded_as", None) or (None, {})
    loader = trainer.train_loader
    if name is not None:
        found = _named(name, {n: plainly(encode(v)) for n, v in arguments.items()})
        return found | {"batch_size": loader.batch_size}
    found = {"name": data.name if isinstance(data, DataSplits) else type(data).__name__}
    if not isinstance(loader, DataLoader):
        return found | {"batches": len(loader)}
    found["batch_size"] = loader.batch_size
    found |= {split: len(part) for split, part in _parts(trainer, data).items()}
    changes = {"transform": transform_of(loader.data), "augment": loader.transform}
    return found | {n: short(change) for n, change in changes.items() if change is not None}


def _facts(trainer, data):
    parts = _parts(trainer, data)
    first = parts.get("train")
    if not isinstance(first, ArrayDataset):
        return {}
    x = first.arrays[0]
    samples = {name: len(part) for name, part in parts.items()}
    return {"input_shape": list(x.shape[1:]), "dtype": x.dtype.name, "samples": samples}


def _loaded_as(trainer, data):
    """Return the registered name of data and its arguments, or None."""
    loaded = getattr(data, "loaded_as", None)
    validation = getattr(trainer.val_loader, "data", None)
    if loaded is None or not any(validation is part for part in (data.val, data.train)):
        return None
    encoded = {name: encode(value) for name, value in loaded[1].items()}
    return None if is_unkept(list(encoded.values())) else {"name": loaded[0], "arguments": encoded}


def _calls() -> Iterator[dict[str, Any]]:
    """Yield the calls that have led to `fit`, the innermost first, with their plain values."""
    frame: FrameType | None = sys._getframe(1)
    own = ("firstlight", "contextlib")
    while frame is not None and _module(frame).partition(".")[0] in own:
        frame = frame.f_back
    for _ in range(FRAMES):
        if frame is None:
            return
        _, end_line, _, end_column = _position(frame)
        code, outermost = frame.f_code, frame.f_code.co_name == "<module>"
        yield {
            "module": _module(frame),
            "function": None if outermost else code.co_qualname,
            "end": [end_line, end_column],
            "values": {} if outermost else _values(frame.f_locals),
        }
        if outermost:
            return
        frame = frame.f_back


def _position(frame):
    """Return ``(line, end line, column, end column)`` of the call that a frame is in."""
    return next(islice(frame.f_code.co_positions(), frame.f_lasti // 2, None))


def _module(frame):
    return frame.f_globals.get("__name__", "")


def _values(names):
    """Return the plain values of names: numbers, texts, parsed arguments and lists of such."""
    found = {}
    for name, value in list(names.items()):
        if name.startswith("__") or is_secret(name) or not isinstance(value, PLAIN):
            continue
        encoded = encode(value)
        if not _has_objects(encoded):
            found[name] = encoded
    return found


def _has_objects(encoded):
    if isinstance(encoded, dict):
        named = {"unkept", "object", "reference", "array"} & encoded.keys()
        return bool(named) or any(map(_has_objects, encoded.values()))
    return isinstance(encoded, list) and any(map(_has_objects, encoded))
