"""Checks of evaluation: repeatable, independent of the batch, and on average like training."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.tools.diagnose.arrays import as_float64, is_float, leaves
from firstlight.tools.diagnose.findings import Finding, Report
from firstlight.tools.diagnose.module_state import ModuleState, float64_copy
from firstlight.tools.diagnose.recorded_calls import Call, all_calls

DRAWS = 200  # of random masks, for their mean
AWAY = 0.08  # of the mean, from which on evaluation is another function than training


def check_evaluation(top: Call, report: Report) -> None:
    """Add a line about modules whose evaluation depends on chance or on the rest of the batch."""
    findings, seen = [], set()
    for call in all_calls([top]):
        if call.name in seen or (call.parts and call is not top):
            continue
        seen.add(call.name)
        try:
            problem = evaluation_problem(call.module, call.inputs)
            if problem is None and not call.parts:
                problem = other_mean(call.module, call.inputs)
        except Exception:  # a part that does not run alone, or returns no array
            continue
        if problem:
            look = "that forward looks at self.training, which eval() sets to False"
            findings.append(Finding.of_call(call, "eval", f"{call.label}: {problem}", look))
    findings.sort(key=lambda one: not one.where)
    report.add("health", "evaluation", findings[:1])


def evaluation_problem(module: Module, inputs: Sequence[Any]) -> str | None:
    """Say what a module's evaluation wrongly depends on; None if it is right."""
    twin = float64_copy(module).eval()
    inputs = [as_float64(x) for x in inputs]

    def run():
        return leaves(twin(*[copy.copy(x) for x in inputs]))[0]

    def same(one, other):
        return np.allclose(one, other, rtol=1e-9, atol=1e-12, equal_nan=True)

    first = run()
    state = ModuleState(twin, attributes=True)
    second = run()
    if not isinstance(first, np.ndarray) or not first.ndim:
        return None
    if buffers := state.changed_buffers():
        return (
            f"each evaluation changes {', '.join(buffers)}; running statistics are those of the "
            "training data, and must not change"
        )
    if not same(first, second):
        if state.changed_attributes():
            state.restore()
            if same(second, run()):
                return (
                    "two evaluations give different results: what it keeps in "
                    f"{', '.join(state.changed_attributes())} enters the next forward"
                )
        return "two evaluations give different results; something random stays active after eval()"
    untracked = any(getattr(part, "running_mean", 0) is None for part in module.modules())
    single = len(inputs) == 1 and inputs[0].ndim > 1 and len(inputs[0]) == len(first) > 1
    if single and not untracked:
        one = leaves(twin(inputs[0][:1].copy()))[0]
        if not np.allclose(one, first[:1], rtol=1e-6, atol=1e-9, equal_nan=True):
            return "in evaluation, a sample's result depends on the others in the batch"
    return None


def other_mean(module: Module, inputs: Sequence[Any]) -> str | None:
    """Say how far random training, averaged over many masks, is from evaluation; None if close."""
    x = inputs[0] if len(inputs) == 1 else None
    if not is_float(x) or x.ndim < 2:
        return None
    twin = float64_copy(module)
    ones = np.ones((min(len(x), 8), *x.shape[1:]))
    expected = float(leaves(twin.eval()(ones.copy()))[0].mean())
    draws = []
    for _ in range(DRAWS):
        draws.append(leaves(twin.train()(ones.copy()))[0].mean())
        if len(draws) == 2 and draws[0] == draws[1]:
            return None  # nothing random about it
    mean, error = float(np.mean(draws)), float(np.std(draws) / DRAWS**0.5)
    if abs(mean - expected) <= max(AWAY * abs(expected), 6 * error):
        return None
    return (
        f"for inputs of 1 its mean is {mean:.2f} in training, over many masks, and {expected:.2f} "
        "in evaluation: later layers see another scale; divide by 1 - p in training"
    )
