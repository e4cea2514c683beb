"""The trainings of a user's script: it runs, but each training is replaced by a single step."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from firstlight.data.splits import DataSplits
from firstlight.module import Module
from firstlight.tools.diagnose.kind import Evidence
from firstlight.tools.diagnose.probes.flow.sample_flow import SampleFlow, sample_flow
from firstlight.tools.diagnose.probes.model.trainer_hooks import TrainerHooks
from firstlight.tools.diagnose.probes.module_state import detached_copy, give_optimizer
from firstlight.tools.diagnose.probes.optimizers.optimizer_recording import recording_optimizers
from firstlight.tools.diagnose.probes.optimizers.optimizer_runs import OptimizerRun
from firstlight.tools.diagnose.probes.raised import Raised, Unclear, Untrained, one_line
from firstlight.tools.diagnose.probes.recorded_calls import Call
from firstlight.tools.diagnose.probes.script.events import (
    Fit,
    Forward,
    OptimizerStep,
    Trace,
    Update,
)
from firstlight.tools.diagnose.probes.script.hand_written_loops import Loop, LoopRecorder
from firstlight.tools.diagnose.probes.script.ledger import TrainingLoop
from firstlight.tools.diagnose.probes.script.recorder import Recorder
from firstlight.tools.diagnose.probes.script.single_lines import first_nan, without_effect
from firstlight.tools.diagnose.probes.script.trace import trace
from firstlight.tools.diagnose.probes.steps.script_steps import step_evidence
from firstlight.tools.diagnose.probes.steps.whole_steps import whole_step
from firstlight.tools.diagnose.probes.steps.wrong_step import WrongStep


@dataclass
class Training:
    """One training of a script.

    Attributes
    ----------
    model : Module or None
        As it was before; None if the script has no modules.
    data
        As given to fit, or as a hand-written loop used it; None if there is none.
    place : str
        Where it was found.
    looped : bool
        Whether by a hand-written loop.
    evidence : list of Evidence
        About the script's code, to examine beside the model.
    calls : list of Call
        Of the model, by a hand-written loop.
    """

    model: Module | None
    data: Any
    place: str = ""
    looped: bool = False
    evidence: list[Evidence] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)


def trainings(
    path: str | os.PathLike[str], arguments: Sequence[str] = ()
) -> tuple[list[Training], str]:
    """Return ``(trainings, how far the script was followed)``.

    Each `Trainer.fit` makes a single step without callbacks, and the script continues. It ends
    before it writes a file, such as weights that were never trained. A hand-written loop runs
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
        No such file, or a notebook; a script of several models without a training.
    ScriptError
        The script raises before it trains anything.
    """
    path, arguments = Path(path), list(arguments)
    if not path.is_file():
        raise ValueError(f"no script or run {path}")
    if path.suffix == ".ipynb":
        raise ValueError(
            f"expected a script, got the notebook {path}: make one by "
            f"jupyter nbconvert --to script {path}"
        )
    followed, own = None, []
    if "Trainer" in path.read_text(encoding="utf-8", errors="replace"):
        followed = _Followed(path, arguments)
    if followed is None or followed.loops or not followed.script.fits:
        observed = _traced(path, arguments, Recorder(path))
        if any(one.trains for one in observed.of(Update)) or observed.of(OptimizerStep):
            own = _attempted(WrongStep.subject, step_evidence, path, arguments)
            own.append(TrainingLoop(observed))
            own += _attempted(SampleFlow.subject, _flow, path, arguments, observed)
            own += _attempted("numbers of the script", _single_lines, path, arguments, observed)
        without = not observed.fits and not observed.of(Forward)
        if without:
            own = _with_whole_step(path, arguments, own)
        if own and without:
            return [Training(None, None, "the script's own code", True, own)], observed.ended
        if without and observed.error is None and not _outermost(observed.names):
            return [Training(None, None, evidence=[Untrained(observed)])], observed.ended
    else:
        own = _attempted(SampleFlow.subject, _flow, path, arguments, followed.script)
    return _of_modules(followed or _Followed(path, arguments), own)


def _of_modules(followed, own):
    """Return the trainings of modules, and how far the script was followed."""
    script, loops = followed.script, followed.loops
    found = [*map(_of_fit, script.fits), *(_of_loop(loop, script) for loop in loops)]
    if script.error is not None and not found:
        raise ScriptError(script.error) from script.error
    if found:
        found[0].evidence += [OptimizerRun(first) for first in followed.optimizer_steps]
        found[0].evidence += own
        if script.error is not None:
            found[0].evidence.append(Raised(script.error, "script", "its lines", where="script"))
        return found, script.ended
    model = _only_model(script)
    if model is None:
        return [Training(None, None, evidence=[Untrained(script)])], script.ended
    data = next((value for value in script.names.values() if isinstance(value, DataSplits)), None)
    return [Training(model, data)], script.ended


class _Followed:
    """A script that was run as it is: its trace, loops, and first steps of optimizers."""

    def __init__(self, path, arguments):
        recorder = LoopRecorder(path)
        with recording_optimizers(path.parent) as self.optimizer_steps:
            self.script = _traced(path, arguments, recorder)
        fitted = [id(fit.original) for fit in self.script.fits]
        self.loops = [loop for loop in recorder.trained if id(loop.module) not in fitted]


class ScriptError(Exception):
    """A script raised before it trained anything.

    Attributes
    ----------
    error : Exception
        What it raised.
    """

    def __init__(self, error: BaseException):
        super().__init__(one_line(error))
        self.error: BaseException = error


def _traced(path, arguments, recorder):
    try:
        return trace(path, arguments, recorder)
    except Exception as error:  # no Python
        raise ScriptError(error) from error


def _attempted(subject, collect, *arguments):
    """Return evidence; if it cannot be collected, such as of a script that never repeats, why."""
    try:
        return list(collect(*arguments))
    except Exception as error:
        return [Unclear(subject, one_line(error))]


def _with_whole_step(path, arguments, own):
    """Return evidence with that of a whole iteration where no array's gradient was judged."""
    steps = [one for one in own if one.subject == WrongStep.subject]
    if any(one.verdict is None and not getattr(one, "of_numbers", False) for one in steps):
        return own
    if found := _attempted(WrongStep.subject, _whole_step, path, arguments):
        return [*found, *(one for one in own if one not in steps)]
    if steps or not own:
        return own
    return [Unclear(WrongStep.subject, "no step of it could be repeated"), *own]


def _whole_step(path, arguments):
    """Yield the evidence of a whole iteration."""
    if (found := whole_step(path, arguments)) is not None:
        yield found


def _flow(path, arguments, reference):
    """Yield the evidence of where a script's samples go."""
    found = sample_flow(path, arguments, reference)
    if found.steps:
        yield found
    elif found.trace.ended:  # it does not run with traced arrays, or for too long
        yield Unclear(SampleFlow.subject, found.trace.ended)


def _single_lines(path, arguments, observed):
    """Yield the evidence of lines that make NaN, or that change arrays in vain."""
    if (found := first_nan(path, arguments, observed)) is not None:
        yield found
    yield from without_effect(path, arguments, observed)


def _of_fit(fit: Fit) -> Training:
    """Return the training of a ``Trainer.fit``."""
    training = Training(fit.module, fit.data, f"Trainer.fit in line {fit.at.line}")
    if isinstance(fit.module, Module):
        if "configure_optimizer" in vars(fit.original):  # a function that closes over the module
            give_optimizer(fit.module, fit.original.configure_optimizer, fit.original)
        training.evidence.append(TrainerHooks(fit.module, fit.at))
    return training


def _of_loop(loop: Loop, script: Trace) -> Training:
    """Return the training of a hand-written loop."""
    model, targets = loop.fresh, [y for _, y in loop.batches if y is not None]
    if loop.loss is not None and not hasattr(model, "loss"):
        model.loss = detached_copy(loop.loss)
    own = type(model).configure_optimizer is not Module.configure_optimizer
    if len(loop.optimizers) == 1 and not own:
        give_optimizer(model, lambda: loop.optimizer, loop.module, loop.rates)
    data = _joined(loop.batches) if len(targets) == len(loop.batches) else loop.batches[0][0]
    place = f"the loop that trains {script.name_of(loop.module)}"
    return Training(model, data, place, True, calls=loop.calls)


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


def _outermost(names):
    """Return the modules among names that are no part of others."""
    found = {id(v): v for v in names.values() if isinstance(v, Module)}
    inside = {id(part) for model in found.values() for part in model.modules() if part is not model}
    return [model for key, model in found.items() if key not in inside]


def _only_model(script):
    """Return the model of a script that trains nothing, with its loss; None without one."""
    outermost = _outermost(script.names)
    models = [module for module in outermost if module.parameters()]
    if len(models) > 1:
        raise ValueError(
            f"{script.path} never calls Trainer.fit, and has {len(models)} models among its "
            f"names; name one: --model {script.path}:Class"
        )
    losses = [module for module in outermost if module not in models]
    if len(losses) == len(models) == 1 and not hasattr(models[0], "loss"):
        models[0].loss = losses[0]
    return models[0] if models else None
