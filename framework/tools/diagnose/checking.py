"""`check`: everything that can be said of a model and its data before a training."""

import copy
import time
import warnings

import numpy as np

from firstlight.data.splits import DataSplits, as_loader
from firstlight.module import Module
from firstlight.support import rng as randomness
from firstlight.support.batches import describe_batch, placed
from firstlight.tools.diagnose import (
    flow,
    health,
    last_layer,
    learning,
    next_tokens,
    oracle,
    outputs,
    samples,
    step,
)
from firstlight.tools.diagnose.backward import check_backward, record
from firstlight.tools.diagnose.bench import as_float64, is_float, unburdened
from firstlight.tools.diagnose.evaluating import evaluation
from firstlight.tools.diagnose.findings import LOOK, Finding, Report
from firstlight.tools.diagnose.lossview import LossView
from firstlight.tools.diagnose.parts import mapped, parts_of
from firstlight.tools.diagnose.through_time import through_time

NEEDED = (
    "derive the class from firstlight.Module, keep what is trained as firstlight.Parameter(array), "
    "read it as p.data, add to p.grad in backward(dy), return dx, and make an object of it"
)
TOKENS, ENOUGH = 2000, 8  # of a batch with more tokens so many sequences are looked at
SAMPLES, SEQUENCES = 5, 3  # for the gradients: few, and not a number that much else has


def check(model, data, *, train=True, torch=False):
    """Look for what is wrong with a model's backward, its loss, its data and its training.

    Nothing is changed: all happens on copies, and the random streams are left as they were.

    Parameters
    ----------
    model : Module
        Fresh or trained.
    data : DataSplits, (x, y) tuple, data set, loader, or array
        As for `Trainer.fit`; an array x alone checks backward only.
    train : bool
        Try to learn a few samples by heart, which tells of learning rate and optimizer.
    torch : bool
        Compare layers with their PyTorch twins too; see `firstlight.tools.diagnose.oracle`.

    Returns
    -------
    Report
        Prints as a table; ``report.ok`` tells whether nothing was found.

    Raises
    ------
    TypeError
        The model is not a module, or the data is nothing of the kind.
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
        oracle.check_installed()
    begun, streams = time.perf_counter(), randomness.state_dict()
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
        report.seconds = time.perf_counter() - begun
    return report


def _check(model, data, report, train, torch):
    try:
        model.parameters()
    except (TypeError, ValueError) as error:  # all that follows would be blamed on something else
        kind = "not-registered"
        found = Finding(kind, "", type(model).__name__, str(error), LOOK[kind])
        report.add("model", "all parts registered", [found])
        return
    dtype = next((p.dtype for p in model.parameters()), np.dtype("float32"))
    if isinstance(data, np.ndarray):
        inputs = few(placed(data, "cpu", dtype))
        check_backward(model, (inputs,), report)
        if torch:
            oracle.against_torch(record(model, (inputs,)), report)
        return
    samples.check_samples(data, report)
    batch = placed(next(iter(copy.copy(as_loader(data, "train")))), "cpu", dtype)
    x, y, _ = parts_of(batch)
    report.add("data", "scale of the inputs", [outputs.scale(x)], describe_batch(batch))
    if of_tokens(x) and x.size > TOKENS:
        batch = mapped(batch, lambda array: array[:ENOUGH] if array.ndim else array)
        x, y, _ = parts_of(batch)
    if not hasattr(model, "loss") and type(model).training_step is Module.training_step:
        report.skip("step", "training_step", "the model has no loss")
        check_backward(model, (few(x),), report)
        return
    drift = None
    try:
        _, output, tops = step.recorded_step(model, batch)
    except Exception as error:
        drift = flow.drift(model, batch)
        if drift is None:
            report.add(
                "step", "training_step", [_raised(model, batch, error)], describe_batch(batch)
            )
            top = record_of(model, few(x))
            if top is not None:
                check_backward(model, top.inputs, report)
            return
        # What else there is to find shows where all is float64.
        model, batch = unburdened(model).to(dtype="float64"), mapped(batch, as_float64)
        _, output, tops = step.recorded_step(model, batch)
    if output is None or not np.isfinite(float(output.loss)):
        report.add("step", "loss", [_not_finite(tops, model, output)])
        return
    classes = len(data.classes) if isinstance(data, DataSplits) and data.classes else None
    if isinstance(batch, tuple) and not step.uses_labels(model, batch):
        y = None
    view = LossView(model, few(batch))
    found = [
        outputs.outputs(output.prediction, y, classes),
        last_layer.fits_loss(model, output.prediction, y, last_of(tops), view),
    ]
    report.add("step", "outputs and labels", found)
    if next_tokens.is_task(x, y):
        report.add("step", "targets not in sight", [next_tokens.in_sight(model, x, y)])
    if is_float(y):
        report.add("step", "scale of the targets", [outputs.target_scale(y, output.loss)])
    report.add(
        "step",
        "loss at the start",
        [outputs.initial(model, batch, output.loss, output.prediction if y is not None else None)],
        f"{float(output.loss):.4g}",
    )
    small = few(batch)
    _, _, small_tops = step.recorded_step(model, small)
    top = next((call for call in small_tops if call.name == ""), None)
    inputs = (few(x),) if top is None else top.inputs
    check_backward(model, inputs, report)
    step.loss_gradient(model, small, report)
    broken = not all(
        line.verdict != "wrong" for line in report.checks if line.group in ("backward", "loss")
    )
    _health(model, batch, tops, report, broken)
    if drift is not None:
        report.add("health", "dtypes of training_step", [drift])
    if torch:
        oracle.against_torch(record(model, inputs), report)
    if broken or not train:
        report.skip(
            "training", "one batch by heart", "backward is wrong" if broken else "not asked for"
        )
    else:
        _learn(model, batch, report)


def _health(model, batch, tops, report, broken):
    own = [top for top in tops if top.name == ""]
    health.units(own, report)
    small = record_of(model, few(own[0].inputs[0])) or own[0] if own else None
    if small is not None:
        evaluation(small, report)
    health.small_batch(model, parts_of(batch)[0], report)
    if not broken:
        flow.flow(model, batch, report)
        if small is not None:
            through_time(small, report)


def _learn(model, batch, report):
    try:
        learning.learns(model, batch, report)
    except NotImplementedError:
        report.skip("training", "one batch by heart", "the model has no configure_optimizer")
    except LookupError as error:
        report.skip("training", "one batch by heart", str(error))
    except Exception as error:
        report.add("training", "one batch by heart", [_raised(model, batch, error)])


def record_of(model, x):
    """Return the outermost `Call` of a forward of x, None where that raises."""
    try:
        return record(model, (x,))
    except Exception:
        return None


def last_of(tops):
    """Return the `Call` of the module that made the model's output, None without one."""
    whole = next((call for call in tops if call.name == ""), None)
    calls = [] if whole is None else [call for _, call in whole.walk() if not call.parts]
    last = calls[-1] if calls else None
    if last is None or last is whole or not isinstance(last.output, np.ndarray):
        return None
    return last if np.array_equal(last.output, whole.output) else None


def of_tokens(x):
    """Return whether inputs are sequences of tokens."""
    return x.ndim > 1 and x.dtype.kind in "iu"


def few(batch):
    """Return the first samples of a batch, few enough to run hundreds of times."""
    x, _, _ = parts_of(batch)
    count = SEQUENCES if of_tokens(x) or x[:1].size > 2000 else SAMPLES
    return mapped(batch, lambda array: array[:count] if array.ndim else array)


def _raised(model, batch, error):
    from firstlight.tools.diagnose.shapes import source_line

    line = source_line(error)
    text = f"{type(error).__name__}: {' '.join(str(error).split())}" + (
        f" at `{line}`" if line else ""
    )
    where, kind, last = "training_step", "raises", step.unfinished(model, batch)
    if "label" in text or "target" in text or "index" in text and "bounds" in text:
        kind = "labels"
    elif last is not None and last.name:
        where = last.name
        if "BatchNorm" in last.type and len(parts_of(batch)[0]) <= health.TINY:
            kind = "small-batch"
    return Finding(
        kind,
        where,
        type(model).__name__ if where == "training_step" else last.type,
        text[:300],
        "the message, and the shapes of the batch",
    )


def _not_finite(tops, model, output):
    for top in tops:
        for call in sorted((c for _, c in top.walk()), key=lambda c: bool(c.parts)):
            y = call.output
            if getattr(getattr(y, "dtype", None), "kind", "") == "f" and not np.isfinite(y).all():
                fine = all(not hasattr(x, "dtype") or np.isfinite(x).all() for x in call.inputs)
                if fine:
                    return Finding(
                        "not-finite",
                        call.name,
                        call.type,
                        "its forward is the first whose result has NaN or infinity",
                        "a log or division of 0, an exp of large numbers",
                    )
    return Finding(
        "not-finite",
        "loss",
        "",
        "the loss is NaN or infinite",
        "log(0), and an exp of large numbers: subtract the largest first",
    )
