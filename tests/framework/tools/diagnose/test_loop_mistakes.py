"""Mistakes of loops with several epochs, optimizers or networks, and healthy loops beside them."""

import pytest

from firstlight.tools.diagnose.examples import LOOP
from firstlight.tools.diagnose.kind import ask
from firstlight.tools.diagnose.kinds.gan_labels import GAN
from firstlight.tools.diagnose.probes.script.ledger import TrainingLoop
from firstlight.tools.diagnose.probes.script.trace import trace

MADE = "optimizer = fl.optim.Adam(net.parameters(), lr=0.02)"
EPOCHS = (
    LOOP
    + """
for epoch in range(6):
    # before an epoch
    for part in np.split(rng.permutation(64), 4):
        optimizer.zero_grad()
        loss = mse(net(x[part]), y[part])
        net.backward(mse.backward())
        optimizer.step()
"""
)
HEALTHY = {
    "epochs": EPOCHS,
    "a plain optimizer each epoch": EPOCHS.replace(
        "# before an epoch", "optimizer = fl.optim.SGD(net.parameters(), lr=0.02)"
    ),
    "a smaller rate each epoch": EPOCHS.replace(
        "# before an epoch", MADE.replace("lr=0.02", "lr=0.02 / (epoch + 1)")
    ),
    "smoothed labels": GAN.replace("np.ones((32, 1)", "np.full((32, 1), 0.9"),
    "labels the other way round": GAN.replace("ones, zeros =", "zeros, ones ="),
    "a reversed gradient": GAN.replace(
        "critic(fake), ones)\n    generator.backward(critic.backward(bce.backward()))",
        "critic(fake), zeros)\n    generator.backward(critic.backward(-bce.backward()))",
    ),
}
MISTAKES = {
    "an optimizer each epoch": (EPOCHS, "# before an epoch", MADE, "remade-optimizer"),
    "an optimizer each step": (EPOCHS, "optimizer.zero_grad()", f"{MADE}\n        net.zero_grad()")
    + ("remade-optimizer",),
    "zero_grad each epoch": (
        EPOCHS.replace("        optimizer.zero_grad()\n", ""),
        "# before an epoch",
        "optimizer.zero_grad()",
        "zero-grad",
    ),
    "two steps": (EPOCHS, "optimizer.step()", "optimizer.step()\n        optimizer.step()")
    + ("zero-grad",),
    "the other's step": (GAN, "of_generator.step()", "of_critic.step()", "not-in-optimizer"),
    "one label": (GAN, "critic(fake), zeros", "critic(fake), ones", "gan-labels"),
}


def kinds(path, text):
    """Return the kinds of mistakes in the loop of a script."""
    path.write_text(text)
    return {one.kind for one in ask(TrainingLoop(trace(path))) if not one.note}


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_loops(name, tmp_path):
    assert kinds(tmp_path / "train.py", HEALTHY[name]) == set()


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named(name, tmp_path):
    script, right, wrong, kind = MISTAKES[name]
    assert right in script
    assert kinds(tmp_path / "train.py", script.replace(right, wrong, 1)) == {kind}
