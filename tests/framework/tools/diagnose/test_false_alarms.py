"""Healthy networks and data that look like mistakes: nothing may be found."""

import nets
import numpy as np
import pytest

import firstlight as fl
from firstlight import nn, optim
from firstlight.tools.diagnose import check
from firstlight.tools.diagnose.kinds.label_noise import LabelNoise
from firstlight.tools.diagnose.kinds.softmax import activation
from firstlight.tools.diagnose.probes.samples import Samples, first_samples_of


class Net(nets.Net):
    """Layers as they are, on digits."""

    def __init__(self, *layers):
        super().__init__(nn.Flatten(), *layers)


class Student(Net):
    """A network that learns from the scores of a teacher, which a function holds."""

    def __init__(self, teacher):
        super().__init__(nn.Linear(64, 10))
        self.teacher = lambda: teacher

    def training_step(self, batch):
        x, y = batch
        z, target = self(x), self.teacher()(x)
        loss = self.loss(z, y) + ((z - target) ** 2).mean()
        return fl.StepOutput(loss, self.loss.backward() + 2 * (z - target) / z.size)


class Keeping(Net):
    """An optimizer from the start."""

    def __init__(self, *layers):
        super().__init__(*layers)
        self.optimizer = optim.Adam(self.parameters(), lr=1e-3)

    def configure_optimizer(self):
        return self.optimizer


def zeroed(layer):
    layer.weight.data[...] = 0
    layer.bias.data[...] = 0
    return layer


def kinds(report):
    return [one.kind for one in report.findings]


def label_noise(x, y):
    return list(LabelNoise().judge(Samples(x, y)))


TEACHER = Net(nn.Linear(64, 10)).eval()  # a global, of which no copy is made
NORMAL = np.random.default_rng(1).standard_normal((2000, 60)).astype("float32")
CODES = np.random.default_rng(2).integers(0, 200, 1500)  # of which some have few samples
LABELS = {
    "codes": (np.eye(200, dtype="float32")[CODES], CODES % 7),
    "rare": (NORMAL[:, :10], NORMAL[:, 0] > 2),
    "a product among noise": (NORMAL, NORMAL[:, 0] * NORMAL[:, 1] > 0),
    "one feature, small, beside a large one": (
        NORMAL[:, :8] * np.float32([1e-3, 1, 1, 1, 1, 1, 1, 30]),
        NORMAL[:, 0] > 0,
    ),
    "a plane in twenty dimensions": (NORMAL[:, :20], NORMAL[:, :20].sum(axis=1) > 0),
}


@pytest.mark.parametrize("name", LABELS)
def test_labels_that_neighbours_cannot_tell_are_no_noise(name):
    x, y = LABELS[name]
    assert label_noise(x, y.astype("int64")) == []


@pytest.mark.parametrize("classes", [2, 10])
def test_shuffled_labels_of_images_are_noise(classes):
    x, y = first_samples_of(fl.datasets.load("digits").train)
    assert label_noise(x, y % classes) == []
    (found,) = label_noise(x, np.random.default_rng(0).permutation(y % classes))
    assert "belong to other samples" in found.message


def test_weights_that_start_at_zero_are_no_dead_units():
    digits = fl.datasets.load("digits")
    head = Net(nn.Linear(64, 32), nn.SiLU(), zeroed(nn.Linear(32, 10)))
    branch = nn.Residual(nn.Sequential(nn.Linear(64, 32), nn.GELU(), zeroed(nn.Linear(32, 64))))
    for net in (head, Net(branch, nn.Linear(64, 10))):
        report = check(net, digits)
        assert report.ok, str(report)


def test_unequal_classes_that_the_initial_values_know_are_a_note():
    rng = np.random.default_rng(0)
    y = rng.choice(3, 600, p=[0.85, 0.1, 0.05])
    x = (rng.normal(size=(600, 8)) + 3 * np.eye(8)[y]).astype("float32")
    net = Net(nn.Linear(8, 16), nn.ReLU(), zeroed(nn.Linear(16, 3)))
    assert "imbalance" in kinds(check(net, (x, y)))
    net.body[-1].bias.data[...] = np.log(np.bincount(y) / len(y))
    report = check(net, (x, y))
    assert report.ok, str(report)
    assert [one.kind for one in report.notes] == ["imbalance"]


def test_an_optimizer_made_with_the_model_is_left_alone():
    report = check(Keeping(nn.Linear(64, 10)), fl.datasets.load("digits"))
    assert report.ok, str(report)
    (line,) = [line for line in report.checks if line.group == "training"]
    assert line.verdict == "skipped"


def test_a_teacher_in_a_function_is_judged_in_float64():
    teacher = Net(nn.Linear(64, 10)).eval()
    report = check(Student(teacher), fl.datasets.load("digits"))
    assert report.ok, str(report)
    assert [line.verdict for line in report.checks if line.group == "loss"] == ["ok"]
    assert teacher.body[-1].weight.data.dtype == "float32"


def test_a_step_that_refuses_float64_is_no_overflow():
    student = Student(None)
    student.teacher = lambda: TEACHER
    assert "overflow" not in kinds(check(student, fl.datasets.load("digits")))


def test_an_activation_before_the_loss_needs_evidence():
    rng = np.random.default_rng(0)
    assert activation(np.tile(rng.random((4, 2)), (10, 1)), "Linear") is None
    assert activation(rng.random((100, 1)), "Linear") is None
    assert activation(rng.random((100, 1)), "Sigmoid") == "sigmoid"
    assert activation(rng.random((32, 10)), "") == "sigmoid"
    assert activation(np.maximum(rng.standard_normal((32, 10)), 0), "") == "ReLU"
