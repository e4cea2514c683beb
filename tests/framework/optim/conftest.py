"""Every update rule, and a few steps of training, for the tests in this folder."""

import pytest
import update_rules


@pytest.fixture(params=update_rules.RULES.values(), ids=update_rules.RULES)
def make(request):
    """Each update rule in turn: a function from parameters to an optimizer."""
    return request.param


@pytest.fixture
def parameters():
    return update_rules.make_parameters


@pytest.fixture
def train():
    return update_rules.train
