"""Run somebody's training script without its training, and find out what it would train."""

import contextlib
import os
import sys
import traceback
import types
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from firstlight.data.splits import DataSplits
from firstlight.module import Module
from firstlight.tools.diagnose.bench import unburdened
from firstlight.tools.diagnose.checking import NEEDED
from firstlight.tools.diagnose.watch import Enough, watching
from firstlight.trainer import Trainer
from firstlight.training import hook_manager


@dataclass
class Training:
    """One training of a script.

    Attributes
    ----------
    model : Module
        As it was before.
    data
        As given to fit, or as a loop by hand was seen to use it; None if there is none.
    place : str
        Where it was found.
    looped : bool
        Whether by a loop written by hand.
    findings : list of Finding
        About the loop itself.
    """

    model: Module
    data: object
    place: str = ""
    looped: bool = False
    findings: list = field(default_factory=list)


class _Writes(BaseException):
    """Ends a script that, after a fit which was none, would write a file."""


class _Script:
    """A script on its way."""

    def __init__(self, path):
        self.path, self.trainings, self.fitted = path, [], []
        self.ended, self.names = "", {}

    @property
    def line(self):
        """The line of the script that runs now."""
        frame = sys._getframe()
        while frame is not None and frame.f_code.co_filename != str(self.path):
            frame = frame.f_back
        return 0 if frame is None else frame.f_lineno


def trainings(path, arguments=()):
    """Return ``(trainings, how far the script was followed)``.

    Instead of each `Trainer.fit` a single step is made, without callbacks, and the script goes on;
    it ends where it would then write a file, such as weights that were never trained. A loop
    written by hand runs, and is watched.

    Parameters
    ----------
    path : path-like
        A Python file.
    arguments : list of str
        Its command line.

    Returns
    -------
    list of Training
        At least one.
    str
        "" for to the end, else a sentence.

    Raises
    ------
    ValueError
        No such file; nothing that is trained in it, or several models and no loop.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"no script {path}")
    script = _Script(path)
    with watching() as watch:
        _run(script, watch, arguments)
    found = script.trainings + [
        _of_loop(loop, script.names)
        for loop in watch.trained
        if not any(loop.module is module for module in script.fitted)
    ]
    if found:
        return found, script.ended
    data = next((value for value in script.names.values() if isinstance(value, DataSplits)), None)
    return [Training(_only_model(script.names, path), data)], script.ended


def model_and_data(path):
    """Return ``(model, data)`` of the first training of a script; see `trainings`."""
    first = trainings(path)[0][0]
    return first.model, first.data


def _run(script, watch, arguments):
    """Run a script; its namespace stays, however it ends."""
    path, fit, argv, main = script.path, Trainer.fit, sys.argv, sys.modules["__main__"]
    module = types.ModuleType("__main__")
    module.__file__, script.names = str(path), vars(module)

    def instead(trainer, module, data=None, val_data=None, **_):
        if val_data is not None and isinstance(data, tuple) and isinstance(val_data, tuple):
            splits = DataSplits(data, val=val_data, name=path.name)
        else:
            splits = data
        fresh = unburdened(module) if isinstance(module, Module) else module
        script.trainings.append(Training(fresh, splits, f"Trainer.fit in line {script.line}"))
        script.fitted.append(module)
        trainer.callbacks, trainer.hooks = [], hook_manager.attach([])
        trainer.runs_dir, trainer.max_epochs, trainer.max_steps = None, 1, 1
        trainer.limits = dict.fromkeys(trainer.limits, 1)
        with watch.paused():
            return fit(trainer, module, data, val_data)

    def without_checkpoint(evaluate):  # none was written
        return lambda trainer, module, data, **_: evaluate(trainer, module, data)

    evaluations = {name: vars(Trainer)[name] for name in ("validate", "test", "predict")}
    for name, evaluate in evaluations.items():
        setattr(Trainer, name, without_checkpoint(evaluate))
    sys.path.insert(0, str(path.resolve().parent))
    sys.argv, Trainer.fit, sys.modules["__main__"] = [str(path), *arguments], instead, module
    _guard(script)
    try:
        with contextlib.redirect_stdout(sys.stderr), contextlib.suppress(SystemExit):
            exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), vars(module))
    except Enough:
        script.ended = "its loop was watched for some steps only"
    except _Writes as stop:
        script.ended = f"it was followed until it would write {stop}"
    except Exception as error:
        if not script.trainings and not watch.trained:
            raise
        lines = [
            f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)
        ]
        script.ended = (
            f"it was followed to line {lines[-1] if lines else '?'}, which raises "
            f"{type(error).__name__}: {error}"
        )
    finally:
        _guard(None)
        for name, evaluate in evaluations.items():
            setattr(Trainer, name, evaluate)
        sys.argv, Trainer.fit, sys.modules["__main__"] = argv, fit, main
        sys.path.remove(str(path.resolve().parent))


_GUARD = {"script": None, "hooked": False}
_CHANGES = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "shutil.rmtree")


def _guard(script):
    """Have a script end where it would write after a fit; None ends the guard."""
    if not _GUARD["hooked"]:
        sys.addaudithook(_audit)
    _GUARD.update(script=script, hooked=True)


def _audit(event, details):
    script = _GUARD["script"]
    if script is None or not script.trainings:
        return
    if event == "open":
        name, _, flags = details
        writes = flags & (os.O_WRONLY | os.O_RDWR) and isinstance(name, (str, bytes))
        name = os.fsdecode(name) if writes else ""
    else:
        name = str(details[0]) if event in _CHANGES else ""
    if not name or "__pycache__" in name or name.startswith("/dev/"):
        return
    _GUARD["script"] = None
    raise _Writes(name)


def _of_loop(loop, names):
    """Return the `Training` of a loop written by hand."""
    model, targets = loop.fresh, [y for _, y in loop.batches if y is not None]
    if loop.loss is not None and not hasattr(model, "loss"):
        model.loss = unburdened(loop.loss)
    if loop.optimizer is not None and type(model).configure_optimizer is Module.configure_optimizer:
        _give_optimizer(model, loop)
    data = _joined(loop.batches) if len(targets) == len(loop.batches) else loop.batches[0][0]
    findings = [one for one in [loop.finding()] if one is not None]
    name = next((k for k, v in names.items() if v is loop.module), type(model).__name__)
    return Training(model, data, f"the loop that trains {name}", True, findings)


def _give_optimizer(model, loop):
    """Let a copy of a model be trained by an optimizer like the loop's."""
    names = {id(p): name for name, p in loop.module.named_parameters()}
    kind, groups = type(loop.optimizer), loop.optimizer.param_groups
    wanted = [
        ({k: v for k, v in g.items() if k != "params"}, [names.get(id(p)) for p in g["params"]])
        for g in groups
    ]

    def configure_optimizer(self):
        own = dict(self.named_parameters())
        return kind(
            [
                {**options, "params": [own[n] for n in members if n in own]}
                for options, members in wanted
            ]
        )

    model.configure_optimizer = types.MethodType(configure_optimizer, model)


def _joined(batches):
    """Return ``(x, y)`` of all batches, each sample once."""
    alike = [
        (x, y)
        for x, y in batches
        if x.shape[1:] == batches[0][0].shape[1:]
        and y.shape[1:] == batches[0][1].shape[1:]
        and y.ndim
        and len(x) == len(y)
    ]
    if not alike:
        return batches[0]
    x, y = (np.concatenate(parts) for parts in zip(*alike, strict=True))
    first = {row.tobytes(): index for index, row in reversed(list(enumerate(x)))}
    chosen = sorted(first.values())
    return x[chosen], y[chosen]


def _only_model(names, path):
    found = {id(v): v for v in names.values() if isinstance(v, Module)}
    inside = {id(part) for model in found.values() for part in model.modules() if part is not model}
    tops = [model for key, model in found.items() if key not in inside]
    models = [model for model in tops if model.parameters()]
    if len(models) != 1:
        raise ValueError(
            f"{path} never calls Trainer.fit, and has {len(models)} models among its names; "
            f"name one: --model {path}:Class{_plain_classes(names)}"
        )
    losses = [module for module in tops if module is not models[0]]
    if len(losses) == 1 and not hasattr(models[0], "loss"):
        models[0].loss = losses[0]
    return models[0]


def _plain_classes(names):
    """Say of classes with a backward that are no modules what they need to be checked."""
    plain = [
        name
        for name, value in names.items()
        if isinstance(value, type) and hasattr(value, "backward") and not issubclass(value, Module)
    ]
    if not plain:
        return ""
    return f". {', '.join(plain)}: no firstlight.Module; {NEEDED}"
