"""`check`: all checks of a model and its data before a training, in order."""

import copy
import time
import warnings
from typing import Any

import numpy as np

from firstlight.data.splits import DataSplits, as_loader
from firstlight.module import Module
from firstlight.support import rng as randomness
from firstlight.support.batches import describe_batch, placed
from firstlight.support.step_output import StepOutput
from firstlight.tools.diagnose import (
    arrays,
    data_checks,
    evaluation,
    gradient_flow,
    outputs,
    overfit_one_batch,
    target_leakage,
    torch_comparison,
    training_step,
    units,
)
from firstlight.tools.diagnose.backward import check_backward, recorded_call
from firstlight.tools.diagnose.findings import LOOK, Finding, Report
from firstlight.tools.diagnose.loss_view import LossView
from firstlight.tools.diagnose.module_state import float64_copy
from firstlight.tools.diagnose.recorded_calls import Call, all_calls, recorded_step

NEEDED = (
    "derive the class from firstlight.Module, keep what is trained as firstlight.Parameter(array), "
    "read it as p.data, add to p.grad in backward(dy), return dx, and make an object of it"
)
TOKENS, ENOUGH = 2000, 8  # of a batch with more tokens, this many sequences are checked
SAMPLES, SEQUENCES = 5, 3  # for the gradients: few, and not a number that is usual elsewhere


def check(model: Module, data: Any, *, train: bool = True, torch: bool = False) -> Report:
    """Look for mistakes in a model's backward, its loss, its data and its training.

    All checks run on copies; the random streams are set back.

    Parameters
    ----------
    model : Module
        Fresh or trained.
    data : DataSplits, (x, y) tuple, data set, loader, or array
        As for `Trainer.fit`; an array x alone checks backward only.
    train : bool
        Try to overfit a few samples, which shows a wrong learning rate or optimizer.
    torch : bool
        Compare layers with PyTorch's too; see `firstlight.tools.diagnose.torch_comparison`.

    Returns
    -------
    Report
        Prints as a table; ``report.ok`` tells whether nothing was found.

    Raises
    ------
    TypeError
        The model is not a module, or the data is of an unknown kind.
    ImportError
        ``torch`` is asked for, and PyTorch is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.tools.diagnose import check
    >>> from firstlight.testing import TinyNet, tiny_data
    >>> check(TinyNet(), tiny_data()).ok
    True
    """
    from threadpoolctl import threadpool_limits

    if not isinstance(model, Module):
        name = model.__name__ if isinstance(model, type) else type(model).__name__
        raise TypeError(f"check: expected a firstlight.Module object, got {name}; {NEEDED}")
    if torch:
        torch_comparison.check_installed()
    began, streams = time.perf_counter(), randomness.state_dict()
    report = Report(type(model).__name__, data.name if isinstance(data, DataSplits) else "")
    try:
        # A thread of BLAS that spins costs more than these small products take.
        with (
            threadpool_limits(1, user_api="blas"),
            np.errstate(all="ignore"),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            _check(model, data, report, train, torch)
        report.drop_consequences()
    finally:
        randomness.load_state_dict(streams)
        report.seconds = time.perf_counter() - began
    return report


def _check(model, data, report, train, torch):
    """Check the parameters, the data, and then one training step."""
    try:
        parameters = model.parameters()
    except (TypeError, ValueError) as error:  # it would make the later checks fail
        found = Finding("not-registered", "", report.model, str(error), LOOK["not-registered"])
        report.add("model", "all parts registered", [found])
        return
    dtype = parameters[0].dtype if parameters else np.dtype("float32")
    if isinstance(data, np.ndarray):
        inputs = (few(placed(data, "cpu", dtype)),)
        check_backward(model, inputs, report)
        if torch:
            torch_comparison.compare_with_torch(recorded_call(model, inputs), report)
        return
    data_checks.check_samples(data, report)
    batch = placed(next(iter(copy.copy(as_loader(data, "train")))), "cpu", dtype)
    x, _, _ = arrays.batch_parts(batch)
    found = data_checks.input_scale(x)
    report.add("data", "scale of the inputs", [found], describe_batch(batch))
    if are_tokens(x) and x.size > TOKENS:
        batch = arrays.first_samples(batch, ENOUGH)
    if not hasattr(model, "loss") and type(model).training_step is Module.training_step:
        report.skip("step", "training_step", "the model has no loss")
        check_backward(model, (few(arrays.batch_parts(batch)[0]),), report)
        return
    classes = len(data.classes) if isinstance(data, DataSplits) and data.classes else None
    _check_step(model, batch, classes, report, train, torch)


def _check_step(model, batch, classes, report, train, torch):
    """Check a training step: its outputs, all gradients, the health, and a short training."""
    dtype_finding = None
    try:
        _, output, tops = recorded_step(model, batch)
    except Exception as error:
        dtype_finding = gradient_flow.refused_dtype(model, batch)
        if dtype_finding is None:
            found = training_step.exception(model, batch, error)
            report.add("step", "training_step", [found], describe_batch(batch))
            top = recorded_call_or_none(model, few(arrays.batch_parts(batch)[0]))
            if top is not None:
                check_backward(model, top.inputs, report)
            return
        # The other findings show if all is float64.
        model, batch = float64_copy(model), arrays.map_arrays(batch, arrays.as_float64)
        _, output, tops = recorded_step(model, batch)
    if output is None or not np.isfinite(float(output.loss)):
        report.add("step", "loss", [training_step.not_finite(tops)])
        return
    _check_outputs(model, batch, classes, output, tops, report)
    small = few(batch)
    top = own_call(recorded_step(model, small)[2])
    inputs = (arrays.batch_parts(small)[0],) if top is None else top.inputs
    check_backward(model, inputs, report)
    training_step.check_dy(model, small, report)
    wrong = any(c.verdict == "wrong" for c in report.checks if c.group in ("backward", "loss"))
    _check_health(model, batch, tops, report, wrong)
    if dtype_finding is not None:
        report.add("health", "dtypes of training_step", [dtype_finding])
    if torch:
        torch_comparison.compare_with_torch(recorded_call(model, inputs), report)
    if wrong or not train:
        why = "backward is wrong" if wrong else "not requested"
        report.skip("training", overfit_one_batch.SUBJECT, why)
    else:
        _check_training(model, batch, report)


def _check_outputs(model, batch, classes, output: StepOutput, tops, report):
    x, y, _ = arrays.batch_parts(batch)
    if isinstance(batch, tuple) and not training_step.uses_labels(model, batch):
        y = None
    prediction, loss = output.prediction, float(output.loss)
    view, last = LossView(model, few(batch)), last_call(tops)
    found = [
        outputs.labels(prediction, y, classes),
        outputs.last_layer(model, prediction, y, last, view),
    ]
    report.add("step", "outputs and labels", found)
    if target_leakage.predicts_next_token(x, y):
        report.add("step", "target leakage", [target_leakage.find_leakage(model, x, y)])
    if arrays.is_float(y):
        report.add("step", "scale of the targets", [data_checks.target_scale(y, loss)])
    found = outputs.initial_loss(model, batch, loss, None if y is None else prediction)
    report.add("step", "loss at the start", [found], f"{loss:.4g}")


def _check_health(model, batch, tops, report, wrong):
    own = [top for top in tops if top.name == ""]
    units.check_units(all_calls(own), report)
    small = recorded_call_or_none(model, few(own[0].inputs[0])) or own[0] if own else None
    if small is not None:
        evaluation.check_evaluation(small, report)
    units.check_batchnorm(model, len(arrays.batch_parts(batch)[0]), report)
    if not wrong:
        gradient_flow.check_flow(model, batch, report)
        if small is not None:
            gradient_flow.check_through_time(small, report)


def _check_training(model, batch, report):
    try:
        overfit_one_batch.check_overfitting(model, batch, report)
    except NotImplementedError:
        why = "the model has no configure_optimizer"
        report.skip("training", overfit_one_batch.SUBJECT, why)
    except LookupError as error:
        report.skip("training", overfit_one_batch.SUBJECT, str(error))
    except Exception as error:
        found = training_step.exception(model, batch, error)
        report.add("training", overfit_one_batch.SUBJECT, [found])


def recorded_call_or_none(model: Module, x: arrays.Batch) -> Call | None:
    """Return the outermost `Call` of a forward of x, None if that raises."""
    try:
        return recorded_call(model, (x,))
    except Exception:
        return None


def own_call(tops: list[Call]) -> Call | None:
    """Return the first call of the model itself, None without one."""
    return next((call for call in tops if call.name == ""), None)


def last_call(tops: list[Call]) -> Call | None:
    """Return the `Call` of the layer that made the model's output, None without one."""
    whole = own_call(tops)
    leaves = [] if whole is None else [call for call in all_calls([whole]) if not call.parts]
    if not leaves or leaves[-1] is whole or not isinstance(leaves[-1].output, np.ndarray):
        return None
    return leaves[-1] if np.array_equal(leaves[-1].output, whole.output) else None


def are_tokens(x: Any) -> bool:
    """Return whether inputs are sequences of tokens."""
    return x.ndim > 1 and x.dtype.kind in "iu"


def few(batch: arrays.Batch) -> arrays.Batch:
    """Return the first samples of a batch, few enough to run hundreds of times."""
    x, _, _ = arrays.batch_parts(batch)
    return arrays.first_samples(batch, SEQUENCES if are_tokens(x) or x[:1].size > 2000 else SAMPLES)
