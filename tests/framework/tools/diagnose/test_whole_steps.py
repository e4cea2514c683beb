"""Networks of lists and floats: each value is compared with the slope of the loss."""

import pytest

from firstlight.tools.diagnose.kind import ask
from firstlight.tools.diagnose.probes.steps.whole_steps import whole_step

NET = """
import math, random
random.seed(1)


class MLP:
    def __init__(self, n_in, n_hidden):
        self.w1 = [[random.uniform(-1, 1) for _ in range(n_in)] for _ in range(n_hidden)]
        self.w2 = [random.uniform(-1, 1) for _ in range(n_hidden)]
        self.b2 = 0.0

    def forward(self, x):
        self.x = x
        self.h = [math.tanh(sum(w * xi for w, xi in zip(row, x))) for row in self.w1]
        return self.b2 + sum(w * h for w, h in zip(self.w2, self.h))

    def backward(self, d):
        self.dw2, self.db2, self.dw1 = [d * h for h in self.h], d, []
        for w, h in zip(self.w2, self.h):
            dz = d * w * (1 - h * h)
            self.dw1.append([dz * xi for xi in self.x])

    def step(self, lr):
        for i in range(len(self.w1)):
            for j in range(len(self.w1[i])):
                self.w1[i][j] -= lr * self.dw1[i][j]
            self.w2[i] -= lr * self.dw2[i]
        self.b2 -= lr * self.db2


data = [([1.0, 0.5], 1), ([0.2, 1.0], 1), ([1.0, 0.1], 0), ([0.9, 1.0], 0)]
net = MLP(2, 4)
for epoch in range(50):
    loss = 0.0
    for x, y in data:
        error = net.forward(x) - y
        loss += error**2
        net.backward(2 * error)
        net.step(0.1)
"""
STEP = "self.w1[i][j] -= lr * self.dw1[i][j]"


def judged(tmp_path, source):
    script = tmp_path / "train.py"
    script.write_text(source)
    return whole_step(script)


@pytest.mark.parametrize(
    "changed",
    [STEP, "self.w1[i][j] -= lr * (self.dw1[i][j] + 0.01 * self.w1[i][j])"],
    ids=["descent", "weight decay"],
)
def test_right_lists(changed, tmp_path):
    found = judged(tmp_path, NET.replace(STEP, changed))
    assert {one.name for one in found.right} == {"net.w1", "net.w2", "net.b2"}
    assert not ask(found)


@pytest.mark.slow
def test_a_list_with_a_wrong_gradient_is_named_with_its_line(tmp_path):
    found = judged(tmp_path, NET.replace("(1 - h * h)", "(1 - h)"))
    assert [one.name for one in found.wrong] == ["net.w1"]
    (finding,) = ask(found)
    assert finding.at.code == STEP
    assert "net.w1" in finding.message


@pytest.mark.slow
def test_steps_of_another_rule_are_not_judged(tmp_path):
    signs = NET.replace(STEP, "self.w1[i][j] -= lr * math.copysign(1, self.dw1[i][j])")
    signs = signs.replace("lr * self.dw2[i]", "lr * math.copysign(1, self.dw2[i])")
    assert judged(tmp_path, signs) is None
