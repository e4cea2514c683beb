"""Layers with a computed weight against PyTorch in float64, over several steps."""

import numpy as np
import pytest

from firstlight import nn

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated:FutureWarning")

LAYERS = {  # arguments, the shape of x
    "Linear": ((3, 4), (5, 3)),
    "Conv1d": ((2, 3, 3), (2, 6, 2)),
    "Conv2d": ((2, 3, (3, 2), 1, 1), (2, 4, 5, 2)),
}
WRAPPERS = {
    "weight": (nn.WeightNorm, torch.nn.utils.weight_norm),
    "spectral": (nn.SpectralNorm, torch.nn.utils.spectral_norm),
}


def channels(array, first):
    """Move the last axis to the first place after N, or back."""
    return np.moveaxis(array, *((-1, 1) if first else (1, -1)))


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("kind", WRAPPERS)
def test_steps_of_training_and_evaluation(kind, name):
    rng, (arguments, shape) = np.random.default_rng(0), LAYERS[name]
    ours, theirs = WRAPPERS[kind]
    layer = ours(getattr(nn, name)(*arguments)).to(dtype="float64")
    twin = theirs(getattr(torch.nn, name)(*arguments).double())
    layer.from_torch(twin.state_dict())
    for training in (True, True, False):  # u and v move in training only
        x = rng.standard_normal(shape)
        layer.train(training)
        twin.train(training)
        if not training:
            layer.eval(keep_backward=True)
        tx = torch.tensor(channels(x, True), requires_grad=True)
        ty, y = twin(tx), layer(x)
        np.testing.assert_allclose(y, channels(ty.detach().numpy(), False), rtol=1e-10, atol=1e-12)
        dy = rng.standard_normal(y.shape)
        ty.backward(torch.tensor(channels(dy, True)))
        dx = layer.backward(dy)
        np.testing.assert_allclose(dx, channels(tx.grad.numpy(), False), rtol=1e-10, atol=1e-12)
    state = layer.to_torch()
    assert state.keys() == twin.state_dict().keys()
    for key, tensor in twin.state_dict().items():
        torch.testing.assert_close(state[key], tensor, rtol=1e-12, atol=1e-12)
    for parameter in layer.parameters():
        parameter.data[...] = parameter.grad
    state = layer.to_torch()
    for key, parameter in twin.named_parameters():
        torch.testing.assert_close(state[key], parameter.grad, rtol=1e-9, atol=1e-11)
