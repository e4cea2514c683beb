"""`check`: all checks of a model and its data before a training, in order."""

import contextlib
import copy
import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from firstlight.data.splits import DataSplits, as_loader
from firstlight.module import Module
from firstlight.optim.optimizers import Optimizers
from firstlight.support import rng as randomness
from firstlight.support.batches import describe_batch, placed
from firstlight.support.running_trainer import making_optimizers
from firstlight.tools.diagnose.backward import check_backward
from firstlight.tools.diagnose.kind import Finding, ask
from firstlight.tools.diagnose.probes import arrays
from firstlight.tools.diagnose.probes.model.evaluation import Evaluation, RunningStatistics
from firstlight.tools.diagnose.probes.model.first_step import FirstStep
from firstlight.tools.diagnose.probes.model.gradient_flow import Dtypes, GradientFlow, refused_dtype
from firstlight.tools.diagnose.probes.model.input_scale import InputScale
from firstlight.tools.diagnose.probes.model.loss_gradient import LossGradient
from firstlight.tools.diagnose.probes.model.short_training import ShortTraining
from firstlight.tools.diagnose.probes.model.units import UnitActivity
from firstlight.tools.diagnose.probes.module.rerun_calls import (
    recorded_call_or_none,
    small_call,
    small_step,
    takes_one_array,
)
from firstlight.tools.diagnose.probes.module.user_source import UserFunction
from firstlight.tools.diagnose.probes.module_state import (
    configured_optimizer,
    detached_copy,
    float64_copy,
)
from firstlight.tools.diagnose.probes.optimizers import optimizer_recording
from firstlight.tools.diagnose.probes.optimizers.optimizer_runs import OptimizerRun
from firstlight.tools.diagnose.probes.places import in_the_check
from firstlight.tools.diagnose.probes.raised import Failure, Raised
from firstlight.tools.diagnose.probes.recorded_calls import Call, all_calls, recorded_step
from firstlight.tools.diagnose.probes.samples import Samples
from firstlight.tools.diagnose.probes.script.sandbox import small_arrays
from firstlight.tools.diagnose.probes.steps.fused import FusedStep
from firstlight.tools.diagnose.report import LOOK, Report

NEEDED = (
    "derive the class from firstlight.Module, keep what is trained as firstlight.Parameter(array), "
    "read it as p.data, add to p.grad in backward(dy), return dx, and make an object of it"
)
TOKENS, ENOUGH = 2000, 8  # if a batch has more tokens, check only this many sequences


def check(model: Module, data: Any, *, train: bool = True, calls: Sequence[Call] = ()) -> Report:
    """Look for mistakes in a model's backward, its loss, its data and its training.

    All checks run on copies; the random streams are restored.

    Parameters
    ----------
    model : Module
        Fresh or trained.
    data : DataSplits, (x, y) tuple, data set, loader, or array
        As for `Trainer.fit`; an array x alone checks backward only.
    train : bool
        Try to overfit a few samples, which shows a wrong learning rate or optimizer.
    calls : list of Call
        Calls of the model that a hand-written loop made, with their arguments and those of
        backward; a model with several inputs is judged by these.

    Returns
    -------
    Report
        Prints as a table; ``report.ok`` is True if nothing was found.

    Raises
    ------
    TypeError
        The model is not a module, or the data is of an unknown kind.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.tools.diagnose import check
    >>> from firstlight.testing import TinyNet, tiny_data
    >>> check(TinyNet(), tiny_data()).ok
    True
    """
    if not isinstance(model, Module):
        name = model.__name__ if isinstance(model, type) else type(model).__name__
        raise TypeError(f"check: expected a firstlight.Module object, got {name}; {NEEDED}")
    began, streams = time.perf_counter(), randomness.state_dict()
    report = Report(type(model).__name__, data.name if isinstance(data, DataSplits) else "")
    try:
        with small_arrays(), warnings.catch_warnings(), making_optimizers(configured_optimizer):
            warnings.simplefilter("ignore")
            with report.judging("the training step", "step"):
                _check(model, data, report, train, calls)
        report.drop_consequences()
    finally:
        randomness.load_state_dict(streams)
        report.seconds = time.perf_counter() - began
    return report


def _check(model, data, report, train, calls):
    """Check the parameters, the data, and then one training step."""
    try:
        parameters = model.parameters()
    except (TypeError, ValueError) as error:  # it would make the later checks fail
        found = Finding("not-registered", "", report.model, str(error), LOOK["not-registered"])
        report.add("model", "all parts registered", [found])
        return
    dtype = parameters[0].dtype if parameters else np.dtype("float32")
    if calls and not takes_one_array(calls[0]):
        check_backward([small_call(call) for call in calls[:1]], report)
        report.skip("step", "training_step", "the model has several inputs")
        return
    if isinstance(data, np.ndarray):
        given = calls[0] if calls else Call("", model, (placed(data, "cpu", dtype),))
        check_backward([small_call(given)], report)
        return
    samples = None
    with report.judging("samples", "data"):
        samples = Samples.of(data)
        if samples is not None:
            report.examine(samples)
    batch = placed(next(iter(copy.copy(as_loader(data, "train")))), "cpu", dtype)
    x, _, _ = arrays.batch_parts(batch)
    if arrays.are_tokens(x) and x.size > TOKENS:
        batch = arrays.first_samples(batch, ENOUGH)
    if not hasattr(model, "loss") and type(model).training_step is Module.training_step:
        report.skip("step", "training_step", "the model has no loss")
        check_backward([small_call(Call("", model, (arrays.batch_parts(batch)[0],)))], report)
        return
    classes = len(data.classes) if isinstance(data, DataSplits) and data.classes else None
    _check_step(FirstStep(model, batch, classes, samples), report, train)


def _check_step(step, report, train):
    """Check a training step: its outputs, all gradients, the health, and a short training."""
    refused, batch = [], step.batch
    try:
        step.tops  # noqa: B018, runs the step
    except Exception as error:
        refused = refused_dtype(step.model, batch)
        if not refused:
            _report_exception(step, error, report)
            return
        # The other findings show if all is float64.
        batch = arrays.map_arrays(batch, arrays.as_float64)
        step = FirstStep(float64_copy(step.model), batch, step.classes, step.samples)
    report.examine(step)
    if not np.isfinite(step.loss):
        return
    model = step.model
    small, tops = small_step(model, batch)
    check_backward([call for call in tops if call.name != "loss"], report)  # judged with the dy
    right = not any(line.verdict == "wrong" for line in report.checks if line.group == "backward")
    if model.steps_by_hand:
        why = "training_step runs backward by hand"
        report.add("step", LossGradient.subject, detail=why, verdict="unjudged")
        return
    gradient = LossGradient(step, small, right)
    if not right and gradient.is_right_as_a_whole:
        report.examine(FusedStep())
        return
    right = not report.examine(gradient) and right and not step.broadcasts
    with report.judging("health"):
        _check_health(step, right, refused, report)
    training, why = ShortTraining(model, batch), _why_no_training(model, right, train)
    if not why:
        _check_update_rule(model, report)
    why = why or _run(training, report)
    if report.examine(InputScale(step, not why)) and not why:
        why = "scale the inputs first"
    if why:
        report.skip(training.group, training.subject, why)
    else:
        report.examine(training)


def _report_exception(step, error, report):
    """Report a training step that raises: labels that do not fit, or the line; and backward."""
    tops = recorded_step(step.model, step.batch, may_fail=True)[2]
    calls, place = all_calls(tops), {"type": report.model}
    if calls and calls[-1].output is None and calls[-1].name:  # the innermost unfinished forward
        place = {"where": calls[-1].name, "type": calls[-1].type}
    samples, detail = len(step.x), describe_batch(step.batch)
    raised = Raised(error, detail=detail, samples=samples, **place)
    failed = FirstStep(step.model, step.batch, step.classes, may_fail=True)
    labels = [one for one in ask(failed) if one.kind == "labels" and not one.note]
    if labels:
        labels = [replace(one, at=raised.at, where="training_step") for one in labels]
        report.add("step", step.subject, labels)
    else:
        report.examine(raised)
    top = recorded_call_or_none(step.model, arrays.small_batch(step.x))
    if top is not None:
        check_backward([top], report)


def _check_health(step, right, refused, report):
    """Check units, evaluation, and the gradients of a step whose backward is right."""
    if step.own is not None:
        report.examine(UnitActivity(all_calls([top for top in step.tops if top.name == ""])))
        inputs = arrays.small_batch(step.own.inputs[0])
        top = recorded_call_or_none(step.model, inputs) or step.own
        report.examine(Evaluation(top))
        for part in all_calls(step.tops):
            with contextlib.suppress(Exception):  # a part that does not run alone
                if (statistics := RunningStatistics.of(part)) is not None:
                    report.examine(statistics)
        flow = GradientFlow(step.model, step.batch, top)
        if right:
            report.examine(flow)
        if right or refused:
            report.examine(Dtypes(flow, refused))


def _why_no_training(model, right, train):
    """Return why no short training is made, "" if it is."""
    if not right:
        return "backward is wrong"
    if not train:
        return "not requested"
    if type(model).configure_optimizer is Module.configure_optimizer and (
        "configure_optimizer" not in vars(model)
    ):
        return "the model has no configure_optimizer"
    return ""


def _check_update_rule(model, report):
    """Run a copy of the optimizer on known gradients, if its class is the user's."""
    try:
        found = configured_optimizer(detached_copy(model))
    except Exception:  # the short training reports it
        return
    for optimizer in found.values() if isinstance(found, Optimizers) else [found]:
        if UserFunction.of(getattr(type(optimizer), "update", None)) is not None:
            report.examine(OptimizerRun(optimizer_recording.FirstUpdate(optimizer)))


def _run(training, report):
    """Run a short training; return why it cannot be made."""
    try:
        training.trial  # noqa: B018
    except (LookupError, NotImplementedError) as error:
        return str(error)
    except Exception as error:
        kind = Failure if in_the_check(error) else Raised
        report.examine(kind(error, training.group, training.subject))
        return "it raises an exception"
    return ""
