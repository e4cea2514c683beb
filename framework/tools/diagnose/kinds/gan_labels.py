"""Labels with which a generator and its critic do not play against each other."""

import numpy as np

from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.script.events import Backward, Forward
from firstlight.tools.diagnose.probes.script.ledger import TrainingLoop

GAN = """
import numpy as np
import firstlight as fl
from firstlight import nn

fl.seed_everything(0)
rng = np.random.default_rng(0)
generator = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
critic = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))
bce = nn.BCEWithLogitsLoss()
of_generator = fl.optim.Adam(generator.parameters(), lr=1e-3)
of_critic = fl.optim.Adam(critic.parameters(), lr=1e-3)
ones, zeros = np.ones((32, 1), "float32"), np.zeros((32, 1), "float32")
for step in range(30):
    of_critic.zero_grad()
    loss = bce(critic(3 + rng.standard_normal((32, 1)).astype("float32")), ones)
    critic.backward(bce.backward())
    fake = generator(rng.standard_normal((32, 2)).astype("float32"))
    loss = bce(critic(fake), zeros)
    critic.backward(bce.backward())
    of_critic.step()
    of_generator.zero_grad()
    fake = generator(rng.standard_normal((32, 2)).astype("float32"))
    loss = bce(critic(fake), ones)
    generator.backward(critic.backward(bce.backward()))
    of_generator.step()
"""


class GanLabels(Kind):
    """A critic with one label for all samples, or a generator with the label of generated ones."""

    name = "gan-labels"
    about = TrainingLoop
    title = "labels of a GAN", "Labels eines GAN"
    look = (
        "three labels: the critic's for real samples, the critic's for generated ones, and the "
        "generator's, which is that of real samples",
        "drei Labels: das des Kritikers für echte Beispiele, das für erzeugte, und das des "
        "Generators, nämlich das der echten",
    )
    says = {
        "same": (
            "the critic learns the label {fake:g} for real and for generated samples",
            "der Kritiker lernt das Label {fake:g} für echte und für erzeugte Beispiele",
        ),
        "with": (
            "the generator is trained for {own:g}, and the critic learns {real:g} for real samples",
            "der Generator wird auf {own:g} trainiert, der Kritiker lernt {real:g} für echte",
        ),
    }
    causes = frozenset({"overfit"})

    def judge(self, evidence: TrainingLoop) -> Findings:
        """Compare the labels of a critic's outputs for real and generated samples."""
        roles: dict[int, dict[str, list[tuple[float, Forward]]]] = {}
        for loss in evidence.trace.of(Forward):
            if (found := _role(evidence, loss)) is not None:
                critic, role = found
                label = float(loss.inputs[1].flat[0])
                roles.setdefault(critic, {}).setdefault(role, []).append((label, loss))
        for known in roles.values():
            if not {"real", "fake"} <= set(known) or any(len(k) < 2 for k in known.values()):
                continue
            if any(len({label for label, _ in k}) > 1 for k in known.values()):
                continue
            values = {role: pairs[0][0] for role, pairs in known.items()}
            real, fake, own = values["real"], values["fake"], values.get("own")
            if real == fake:
                at = evidence.call_line(known["fake"][0][1])
                yield self.finding(evidence, "same", at=at, fake=fake)
            elif own is not None and abs(own - fake) < abs(own - real):
                at = evidence.call_line(known["own"][0][1])
                yield self.finding(evidence, "with", at=at, own=own, fake=fake, real=real)

    wrong = GAN.replace("ones)\n    generator", "zeros)\n    generator")
    right = GAN


def _role(evidence, loss):
    """Return the critic's id and "real", "fake" or "own", the generator's; None for other losses.

    The loss has to compare the critic's outputs with one label, and its gradient to go back
    unchanged, not reversed.
    """
    if len(loss.inputs) != 2 or loss.module.parameters() or loss.backward is None:
        return None
    z, labels = loss.inputs
    if not (_is_array(z) and _is_array(labels)) or np.ptp(labels) or z.shape != labels.shape:
        return None
    before = [f for f in evidence.trace.of(Forward)[::-1] if f.index < loss.index]
    critic = next((f for f in before if f.module.parameters() and _same(f.output, z)), None)
    if critic is None or critic.backward is None or not critic.inputs:
        return None
    if not _same(critic.backward.dys[0], loss.backward.dx):
        return None
    made = [f for f in before if f.module is not critic.module and f.module.parameters()]
    source = next((f for f in made if _same(f.output, critic.inputs[0])), None)
    if source is None:
        return id(critic.module), "real"
    dx = critic.backward.dx
    passed = any(
        e.module is source.module and any(_same(dy, dx) for dy in e.dys)
        for e in evidence.trace.of(Backward)
    )
    return id(critic.module), "own" if passed else "fake"


def _is_array(value):
    return isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.size > 1


def _same(one, other):
    return _is_array(one) and _is_array(other) and np.array_equal(one, other)
