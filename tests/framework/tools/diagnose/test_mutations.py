"""Mutants of the package's layers: the finding names the line that was changed."""

import random

import numpy as np
import pytest
from layer_table import CASES
from mutations import mutants

from firstlight.tools.diagnose.verdict import Verdict

EACH = 2  # mutants of a layer
SHARE = 0.75  # of the mutants with a wrong gradient, whose line is found
SOME = ("Linear", "Tanh", "RMSNorm", "MSELoss", "FeedForward")


def found_lines(cases, rng):
    """Return for each killed mutant whether the finding names its line."""
    found, seen = [], set()
    for case in cases:
        cls = type(case.make())
        some = [] if cls in seen else list(mutants(cls))
        seen.add(cls)
        for mutant in rng.sample(some, min(EACH, len(some))):
            module = case.make()
            module.__class__ = mutant.cls
            with np.errstate(all="ignore"):
                verdict = Verdict(module, case.inputs(np.random.default_rng(0)))
                if not verdict.ok and not verdict.not_judged:
                    at = verdict.explained().at
                    found.append(at is not None and at.line == mutant.line)
    return found


@pytest.mark.slow
def test_the_lines_of_some_mutants_are_found():
    cases = [case for case in CASES if type(case.make()).__name__ in SOME]
    found = found_lines(cases, random.Random(0))
    assert sum(found) >= SHARE * len(found) > 0, found


@pytest.mark.slow
def test_the_lines_of_mutants_of_all_layers_are_found():
    found = found_lines(CASES, random.Random(7))
    assert sum(found) >= SHARE * len(found) > 0, found
