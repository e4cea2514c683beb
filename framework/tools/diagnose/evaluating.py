"""Evaluation: the same each time, for each sample alone, and on average like training."""

import copy

import numpy as np

from firstlight.tools.diagnose.backward import subject
from firstlight.tools.diagnose.bench import UnsupportedError, as_float64, is_float, unburdened
from firstlight.tools.diagnose.findings import Finding
from firstlight.tools.diagnose.moment import Moment

DRAWS = 200  # of random masks, for their mean
AWAY = 0.08  # of the mean, at which evaluation is another function than training


def evaluation(top, report):
    """Add a line about modules whose evaluation depends on chance or on the rest of the batch."""
    findings, looked = [], set()
    for _, call in top.walk():
        if call.name in looked or (call.parts and call is not top):
            continue
        looked.add(call.name)
        if call.parts and findings:
            continue
        try:
            problem = problem_of(call.module, call.inputs)
            if problem is None and not call.parts:
                problem = another_mean(call.module, call.inputs)
        except (UnsupportedError, ValueError, TypeError, RuntimeError):
            continue
        if problem:
            look = "that forward looks at self.training, which eval() sets to False"
            findings.append(
                Finding("eval", call.name, call.type, f"{subject(call)}: {problem}", look)
            )
    findings.sort(key=lambda f: not f.where)
    report.add("health", "evaluation", findings[:1])


def problem_of(module, inputs):
    """Say what a module's evaluation wrongly depends on, None if all is well."""
    twin = unburdened(module).to(dtype="float64").eval()
    inputs = [as_float64(x) for x in inputs]

    def run():
        return first_array(twin(*[copy.copy(x) for x in inputs]))

    first = run()
    moment = Moment(twin, attributes=True)
    second = run()
    if first is None or not first.ndim:
        return None
    buffers = [name for name in moment.changed() if name in dict(twin.named_buffers())]
    differs = not np.allclose(first, second, rtol=1e-9, atol=1e-12, equal_nan=True)
    if buffers:
        return (
            f"each evaluation changes {', '.join(buffers)}; running statistics are of the training "
            "data, and stay as they are"
        )
    if differs and moment.changed():
        moment.restore()
        if np.allclose(second, run(), rtol=1e-9, atol=1e-12, equal_nan=True):
            return (
                f"evaluated twice it gives two results: what it keeps in "
                f"{', '.join(moment.changed())} enters the next forward"
            )
    if differs:
        return "evaluated twice it gives two results; something random stays on after eval()"
    untracked = any(getattr(part, "running_mean", 0) is None for part in module.modules())
    single = len(inputs) == 1 and inputs[0].ndim > 1 and len(inputs[0]) == len(first) > 1
    if single and not untracked:
        one = first_array(twin(inputs[0][:1].copy()))
        if not np.allclose(one, first[:1], rtol=1e-6, atol=1e-9, equal_nan=True):
            return "evaluated, a sample's result depends on the others in the batch"
    return None


def first_array(y):
    """Return a forward's result, of several the first; None where it is no array."""
    y = y[0] if isinstance(y, (tuple, list)) and y else y
    return y if isinstance(y, np.ndarray) else None


def another_mean(module, inputs):
    """Say how far training is from evaluation where it is random, averaged over many masks."""
    x = inputs[0] if len(inputs) == 1 else None
    if not is_float(x) or x.ndim < 2:
        return None
    twin = unburdened(module).to(dtype="float64")
    ones = np.ones((min(len(x), 8), *x.shape[1:]))
    target = first_array(twin.eval()(ones.copy()))
    twin.train()
    draws = []
    for _ in range(DRAWS):
        draws.append(first_array(twin(ones.copy())).mean())
        twin.train()  # which forgets what was saved
        if len(draws) == 2 and draws[0] == draws[1]:
            return None  # nothing random about it
    mean, error = float(np.mean(draws)), float(np.std(draws) / DRAWS**0.5)
    expected = float(target.mean())
    if abs(mean - expected) <= max(AWAY * abs(expected), 6 * error):
        return None
    return (
        f"for ones it gives {mean:.2f} in training, averaged over its masks, and {expected:.2f} "
        "evaluated: what follows sees another scale; divide by 1 - p in training"
    )
