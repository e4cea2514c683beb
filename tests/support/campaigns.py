"""Long lists of cases, of which some run each time, and the others with the slow tests."""

import pytest


def slow_but(cases, *fast):
    """Return cases as parameters, all but those given marked slow."""
    assert set(fast) <= set(cases), set(fast) - set(cases)
    return [case if case in fast else pytest.param(case, marks=pytest.mark.slow) for case in cases]
