"""check_resume: passes what resumes exactly, names what does not."""

import numpy as np
import pytest

import firstlight as fl
from firstlight import callbacks
from firstlight.testing import TinyNet, check_resume, tiny_data


class Noise(fl.Callback):
    """Adds noise to the gradient, from a generator of its own."""

    role = fl.Role.EDITOR

    def __init__(self):
        self.rng = np.random.default_rng(3)

    def on_before_optimizer_step(self, module):
        for parameter in module.parameters():
            parameter.grad += self.rng.normal(size=parameter.shape).astype(parameter.dtype)


class SavedNoise(Noise):
    def state_dict(self):
        return {"rng": self.rng.bit_generator.state}

    def load_state_dict(self, state):
        self.rng.bit_generator.state = state["rng"]


def used():
    return [callbacks.LRSchedule("cosine", total_steps=20), callbacks.GradientClip(1.0)]


@pytest.mark.parametrize("steps", [1, 3, 4])
def test_what_resumes_exactly(steps):
    check_resume(TinyNet, tiny_data(), make_callbacks=used, steps=steps)
    check_resume(TinyNet, tiny_data(), make_callbacks=lambda: [SavedNoise()], steps=steps)


def test_a_forgotten_generator_is_found():
    with pytest.raises(AssertionError, match=r"after step 4, .* first at step 5, in body.0.weight"):
        check_resume(TinyNet, tiny_data(), make_callbacks=lambda: [Noise()])
