"""MLP: the label_smoothing argument."""

import pytest

from firstlight.models import MLP


def test_label_smoothing_reaches_the_loss():
    assert MLP(4, 3, label_smoothing=0.1).loss.label_smoothing == 0.1
    assert MLP(4, 3).loss.label_smoothing == 0


def test_a_regression_has_no_labels_to_smooth():
    with pytest.raises(ValueError, match="label_smoothing: expected 0 for task 'regression', got"):
        MLP(4, 1, task="regression", label_smoothing=0.1)
