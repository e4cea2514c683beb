"""The trainings of a user's script: it runs, but each training is replaced by a single step."""

import contextlib
import os
import sys
import traceback
import types
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from firstlight.data.splits import DataSplits
from firstlight.module import Module
from firstlight.tools.diagnose._hand_written_loops import Loop, Observer, StopObserving, observing
from firstlight.tools.diagnose.checking import NEEDED
from firstlight.tools.diagnose.findings import Finding
from firstlight.tools.diagnose.module_state import detached_copy
from firstlight.trainer import Trainer

CHANGES = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "shutil.rmtree")  # audit events


@dataclass
class Training:
    """One training of a script.

    Attributes
    ----------
    model : Module
        As it was before.
    data
        As given to fit, or as a hand-written loop used it; None if there is none.
    place : str
        Where it was found.
    looped : bool
        Whether by a hand-written loop.
    findings : list of Finding
        About the loop itself.
    """

    model: Module
    data: Any
    place: str = ""
    looped: bool = False
    findings: list[Finding] = field(default_factory=list)


def trainings(
    path: str | os.PathLike[str], arguments: Sequence[str] = ()
) -> tuple[list[Training], str]:
    """Return ``(trainings, how far the script was followed)``.

    Each `Trainer.fit` makes a single step without callbacks, and the script goes on; it ends where
    it would then write a file, such as weights that were never trained. A hand-written loop runs
    and is observed.

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
        "" if the script ran to its end, else a sentence.

    Raises
    ------
    ValueError
        No such file; the script trains nothing, or has several models and no loop.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"no script {path}")
    script = _Script(path, arguments)
    with observing() as observer:
        script.run(observer)
    fitted = [id(module) for module in script.fitted]
    loops = [loop for loop in observer.trained if id(loop.module) not in fitted]
    found = script.trainings + [_of_loop(loop, script.names) for loop in loops]
    if found:
        return found, script.ended
    data = next((value for value in script.names.values() if isinstance(value, DataSplits)), None)
    return [Training(_only_model(script.names, path), data)], script.ended


class _WouldWriteFile(BaseException):
    """Ends a script that would write a file after a fit that was only a step."""


class _Script:
    """A script, and what it trained up to its end."""

    def __init__(self, path, arguments):
        self.path, self.argv = path, [str(path), *arguments]
        self.trainings, self.fitted, self.ended, self.names = [], [], "", {}

    def run(self, observer):
        module = types.ModuleType("__main__")
        module.__file__, self.names = str(self.path), vars(module)  # stays, however it ends
        folder = str(self.path.resolve().parent)
        code = compile(self.path.read_text(encoding="utf-8"), str(self.path), "exec")
        replacements = {name: _without_checkpoint(name) for name in ("validate", "test", "predict")}
        main, sys.modules["__main__"] = sys.modules["__main__"], module
        try:
            with (
                mock.patch.multiple(Trainer, fit=self._replaced_fit(observer), **replacements),
                mock.patch.object(sys, "argv", self.argv),
                mock.patch.object(sys, "path", [folder, *sys.path]),
                _writes_end(self),
                contextlib.redirect_stdout(sys.stderr),
                contextlib.suppress(SystemExit),
            ):
                exec(code, vars(module))
        except StopObserving:
            self.ended = "its loop was observed for its first steps only"
        except _WouldWriteFile as stop:
            self.ended = f"it ran until it would write {stop}"
        except Exception as error:
            if not self.trainings and not observer.trained:
                raise
            frames = traceback.extract_tb(error.__traceback__)
            lines = [frame.lineno for frame in frames if frame.filename == str(self.path)]
            self.ended = (
                f"it ran to line {lines[-1] if lines else '?'}, which raises "
                f"{type(error).__name__}: {error}"
            )
        finally:
            sys.modules["__main__"] = main

    def _replaced_fit(self, observer: Observer):
        fit = Trainer.fit

        def one_step(trainer, module, data=None, val_data=None, **_):
            splits = data
            if val_data is not None and isinstance(data, tuple) and isinstance(val_data, tuple):
                splits = DataSplits(data, val=val_data, name=self.path.name)
            fresh = detached_copy(module) if isinstance(module, Module) else module
            self.trainings.append(Training(fresh, splits, f"Trainer.fit in line {self._line()}"))
            self.fitted.append(module)
            where = {"device": trainer.device, "precision": trainer.precision}
            Trainer.__init__(trainer, **where, fast_dev_run=True)
            with observer.paused():
                return fit(trainer, module, data, val_data)

        return one_step

    def _line(self):
        frame = sys._getframe()
        while frame is not None and frame.f_code.co_filename != str(self.path):
            frame = frame.f_back
        return 0 if frame is None else frame.f_lineno


def _without_checkpoint(name):
    evaluate = getattr(Trainer, name)
    return lambda trainer, module, data, **_: evaluate(trainer, module, data)  # none was written


_GUARDED: dict[str, Any] = {"script": None, "hooked": False}


@contextlib.contextmanager
def _writes_end(script):
    """End a script where it would write a file after a fit."""
    if not _GUARDED["hooked"]:
        sys.addaudithook(_audit)  # for good: no hook can be removed
    _GUARDED.update(script=script, hooked=True)
    try:
        yield
    finally:
        _GUARDED["script"] = None


def _audit(event, details):
    script = _GUARDED["script"]
    if script is None or not script.trainings:
        return
    name = str(details[0]) if event in CHANGES else ""
    if event == "open":
        name, _, flags = details
        writes = flags & (os.O_WRONLY | os.O_RDWR) and isinstance(name, (str, bytes))
        name = os.fsdecode(name) if writes else ""
    if not name or "__pycache__" in name or name.startswith("/dev/"):
        return
    _GUARDED["script"] = None
    raise _WouldWriteFile(name)


def _of_loop(loop: Loop, names: dict[str, Any]) -> Training:
    """Return the training of a hand-written loop."""
    model, targets = loop.fresh, [y for _, y in loop.batches if y is not None]
    if loop.loss is not None and not hasattr(model, "loss"):
        model.loss = detached_copy(loop.loss)
    if loop.optimizer is not None and type(model).configure_optimizer is Module.configure_optimizer:
        _give_optimizer(model, loop)
    data = _joined(loop.batches) if len(targets) == len(loop.batches) else loop.batches[0][0]
    findings = [one for one in [loop.finding()] if one is not None]
    name = next((k for k, v in names.items() if v is loop.module), type(model).__name__)
    return Training(model, data, f"the loop that trains {name}", True, findings)


def _give_optimizer(model, loop):
    """Let a copy of a model be trained by an optimizer like the loop's."""
    names = {id(p): name for name, p in loop.module.named_parameters()}
    kind = type(loop.optimizer)
    groups = [
        (group | {"params": None}, [names.get(id(p)) for p in group["params"]])
        for group in loop.optimizer.param_groups
    ]

    def configure_optimizer(self):
        own = dict(self.named_parameters())
        return kind(
            [g | {"params": [own[n] for n in members if n in own]} for g, members in groups]
        )

    model.configure_optimizer = types.MethodType(configure_optimizer, model)


def _joined(batches):
    """Return ``(x, y)`` of all batches, each sample once."""
    first_x, first_y = batches[0]
    alike = [
        (x, y)
        for x, y in batches
        if x.shape[1:] == first_x.shape[1:]
        and y.shape[1:] == first_y.shape[1:]
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
        plain = [  # classes with a backward that are no modules
            name
            for name, v in names.items()
            if isinstance(v, type) and hasattr(v, "backward") and not issubclass(v, Module)
        ]
        hint = f". {', '.join(plain)}: no firstlight.Module; {NEEDED}" if plain else ""
        raise ValueError(
            f"{path} never calls Trainer.fit, and has {len(models)} models among its names; "
            f"name one: --model {path}:Class{hint}"
        )
    losses = [module for module in tops if module is not models[0]]
    if len(losses) == 1 and not hasattr(models[0], "loss"):
        models[0].loss = losses[0]
    return models[0]
