"""reduction="none": each loss by itself; and losses of one number."""

import numpy as np
import pytest

import firstlight as fl
from firstlight import nn


def test_what_comes_back_for_each_loss_has_their_shape():
    loss = nn.MSELoss(reduction="none")
    assert loss(np.ones((3, 2)), np.zeros((3, 2))).tolist() == [[1, 1]] * 3
    message = r"MSELoss.backward: expected dloss as one number or .* \(3, 2\), got shape \(3,\)"
    with pytest.raises(ValueError, match=message):
        loss.backward(np.ones(3))
    loss = nn.MSELoss()
    loss(np.ones((3, 2)), np.zeros((3, 2)))
    with pytest.raises(ValueError, match="as one number, got shape .3,.; .*reduction='mean'"):
        loss.backward(np.ones(3))


def test_a_training_needs_one_loss(line, line_data, quiet):
    model = line()
    model.loss = nn.MSELoss(reduction="none")
    with pytest.raises(ValueError, match='Line: expected a loss of one number, .*reduction="mean"'):
        fl.Trainer(max_epochs=1, **quiet).fit(model, line_data)


@pytest.mark.parametrize("make", [nn.MSELoss, nn.L1Loss, nn.HuberLoss, nn.BCEWithLogitsLoss])
def test_one_number_alone_is_an_array_too(make):
    loss = make()
    assert np.ndim(loss(np.array(0.75), np.array(0.25))) == 0
    assert loss.backward().shape == ()


def test_classes_need_an_axis():
    with pytest.raises(ValueError, match=r"CrossEntropyLoss: expected .* shape \(..., C"):
        nn.CrossEntropyLoss()(np.array(1.0), np.array(0))
