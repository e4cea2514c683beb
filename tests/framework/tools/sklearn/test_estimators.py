"""Estimators: what they learn, keep and refuse."""

import os
import pickle
import random
import signal
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import firstlight as fl
from firstlight import nn, optim
from firstlight.sklearn import Classifier, Regressor
from firstlight.support import rng

PLAIN = {"norm": None, "dropout": 0.0}


def clouds(count=120, seed=0):
    """Return points around the corners of a triangle, and the corners' names."""
    random = np.random.default_rng(seed)
    labels = random.integers(3, size=count)
    corners = np.array([[0.0, 4], [4, 0], [-4, -4]])
    return corners[labels] + random.normal(size=(count, 2)), np.array(["c", "a", "b"])[labels]


def small(**more):
    return Classifier(**{"hidden": (8,), "max_epochs": 5, "lr": 0.02, "random_state": 0} | more)


class Net(fl.Module):
    """A network of images, with arguments that the data determine and one that they do not."""

    def __init__(self, input_shape, num_classes, width=4):
        self.width = width
        pixels = int(np.prod(input_shape))
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(pixels, width), nn.ReLU())
        self.head = nn.Linear(width, num_classes)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x):
        return self.head(self.body(x))

    def backward(self, dy):
        return self.body.backward(self.head.backward(dy))

    def configure_optimizer(self):
        return optim.Adam(self.parameters(), lr=0.01)


def weights(estimator):
    return {name: array.tobytes() for name, array in estimator.module_.state_dict().items()}


def test_labels_are_those_of_y_and_probabilities_are_in_the_order_of_classes():
    x, y = clouds()
    net = small().fit(x, y)
    assert net.classes_.tolist() == ["a", "b", "c"]
    assert net.score(*clouds(seed=1)) > 0.95
    probabilities = net.predict_proba(x)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (net.classes_[probabilities.argmax(axis=1)] == net.predict(x)).all()


def test_the_network_gets_the_arguments_that_are_given_and_those_of_the_data():
    x, y = clouds()
    net = small(hidden=(5, 4), weight_decay=0.1, model_args=PLAIN, max_epochs=1).fit(x, y)
    shapes = [p.data.shape for p in net.module_.parameters()]
    assert shapes == [(5, 2), (5,), (4, 5), (4,), (3, 4), (3,)]
    assert (net.module_.lr, net.module_.weight_decay) == (0.02, 0.1)


def test_a_network_of_images():
    x = np.zeros((40, 4, 4, 1))
    y = np.arange(40) % 2
    x[y == 1, :2] = 1
    net = Classifier(Net, model_args={"width": 6}, max_epochs=20, random_state=0).fit(x, y)
    assert net.module_.width == 6
    assert net.score(x, y) == 1


def test_a_function_makes_the_network():
    x, y = clouds()
    net = Classifier(lambda input_shape: Net(input_shape, 3), max_epochs=30, random_state=0)
    assert net.fit(x, y).score(x, y) > 0.9


def test_a_regressor_returns_the_shape_of_y():
    x = np.linspace(-1, 1, 200)[:, None]
    y = np.stack([np.sin(3 * x[:, 0]), x[:, 0] ** 2], axis=1)
    net = Regressor(model_args=PLAIN, lr=0.01, max_epochs=30, random_state=0).fit(x, y)
    assert net.predict(x).shape == (200, 2)
    assert net.score(x, y) > 0.95
    assert net.fit(x, y[:, 0]).predict(x).shape == (200,)
    assert net.fit(x, y[:, :1]).predict(x).shape == (200, 1)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_sample_weights(early_stopping):
    x, y = clouds()
    wrong = np.arange(len(x)) % 3 > 0  # most labels of each cloud
    y[wrong] = [{"a": "b", "b": "c", "c": "a"}[label] for label in y[wrong]]
    more = {"max_epochs": 30, "early_stopping": early_stopping}
    right = clouds(seed=1)
    weighted = small(**more).fit(x, y, sample_weight=np.where(wrong, 0, 3))
    assert weighted.score(*right) > 0.95
    assert small(**more).fit(x, y).score(*right) < 0.5
    regressor = Regressor(hidden=(4,), lr=0.01, model_args=PLAIN, max_epochs=60, random_state=0)
    values = np.where(wrong, 5.0, 1.0)
    found = regressor.fit(x, values, np.where(wrong, 0, 1)).predict(x)
    np.testing.assert_allclose(found, 1, atol=0.3)


def test_a_random_state_gives_the_same_bytes():
    x, y = clouds()
    first, again = small().fit(x, y), small().fit(x, y)
    assert weights(first) == weights(again) == weights(first.fit(x, y))
    assert weights(first) != weights(small(random_state=1).fit(x, y))
    state = np.random.RandomState(3)  # a second fit goes on from the state of the first
    both = [weights(small(random_state=state).fit(x, y)) for _ in range(2)]
    assert both[0] != both[1]
    assert both[0] == weights(small(random_state=np.random.RandomState(3)).fit(x, y))


def test_other_random_numbers_of_the_process_stay_as_they_were():
    before = rng.state_dict()
    x, y = clouds()
    net = small().fit(x, y)
    pickle.loads(pickle.dumps(net)).predict(x)
    assert rng.state_dict() == before
    assert before["python"] == [random.getstate()[0], list(random.getstate()[1]), None]


def test_without_a_random_state_each_fit_differs():
    x, y = clouds()
    net = small(random_state=None)
    assert weights(net.fit(x, y)) != weights(net.fit(x, y))


class Remembering(fl.Callback):
    validated = []  # of the class, as an estimator trains with a copy of the callback

    def on_validation_start(self, trainer, module):
        self.validated.append(module.state_dict())


def test_early_stopping_keeps_the_weights_of_the_lowest_validation_loss():
    x, y = clouds()
    net = small(early_stopping=True, max_epochs=200, patience=2, validation_fraction=0.25)
    Remembering.validated.clear()
    net.set_params(callbacks=[Remembering()]).fit(x, y)
    losses = net.history_["val_loss"]
    best = Remembering.validated[losses.index(min(losses))]
    assert weights(net) == {name: array.tobytes() for name, array in best.items()}
    assert len(losses) < 200
    assert losses.index(min(losses)) == len(losses) - 3
    assert len(small().fit(x, y).history_["train_loss"]) == 5


def test_parameters_are_not_changed_by_a_fit():
    x, y = clouds()
    stopping = fl.callbacks.EarlyStopping("train_loss", patience=1)
    net = small(callbacks=[stopping, "lr_monitor"], model_args=dict(PLAIN)).fit(x, y)
    assert net.callbacks[0] is stopping
    assert stopping.monitor.best is None
    assert len(net.callbacks) == 2
    assert net.model_args == PLAIN
    copied = clone(net)
    assert not hasattr(copied, "module_")
    assert copied.get_params()["hidden"] == (8,)


@pytest.mark.gpu
def test_on_a_gpu_the_estimator_keeps_numpy_arrays():
    x, y = clouds()
    plain = {"dropout": 0.0, "norm": None}  # Adam follows rounding where a norm cancels a bias
    expected = small(model_args=plain).fit(x, y)
    net = small(model_args=plain, device="cuda").fit(x, y)
    for _ in range(2):
        found = net.predict_proba(x)
        assert all(type(p.data) is np.ndarray for p in net.module_.parameters())
    pickle.loads(pickle.dumps(net)).set_params(device="cpu").predict(x)
    assert type(found) is np.ndarray
    np.testing.assert_allclose(found, expected.predict_proba(x), atol=1e-4)


def test_pipelines_cross_validation_and_grid_searches():
    x, y = clouds()
    net = make_pipeline(StandardScaler(), small())
    assert cross_val_score(net, x * 1000, y, cv=3).min() > 0.9
    grid = {"classifier__hidden": [(1,), (8,)], "classifier__lr": [1e-6, 0.02]}
    search = GridSearchCV(net, grid, cv=2).fit(x, y)
    assert search.best_params_ == {"classifier__hidden": (8,), "classifier__lr": 0.02}


@pytest.mark.parametrize("dtype", ["U", "object", "int64", "bool"])
def test_a_pickle_and_a_file_predict_the_same_bytes(dtype, tmp_path):
    x, y = clouds()
    y = y.astype(dtype) if dtype in ("U", "object") else (y == "a").astype(dtype)
    net = small().fit(x, y)
    net.save(tmp_path / "net.safetensors")
    for other in (pickle.loads(pickle.dumps(net)), Classifier.load(tmp_path / "net.safetensors")):
        assert weights(other) == weights(net)
        assert (other.predict_proba(x) == net.predict_proba(x)).all()
        assert other.classes_.dtype == net.classes_.dtype
        assert other.predict(x).tolist() == net.predict(x).tolist()
        assert other.history_.records == net.history_.records
        assert weights(other.fit(x, y)) == weights(net)  # it can be trained as well


def test_a_pickle_holds_the_network_as_bytes_of_safetensors():
    from safetensors.numpy import load

    net = small().fit(*clouds())
    state = net.__getstate__()
    assert load(state["module_"]).keys() == net.module_.state_dict().keys()
    assert b"Linear" not in pickle.dumps(net)
    assert net.set_params(hidden=(3,)).hidden == (3,)
    kept = pickle.loads(pickle.dumps(net))  # parameters of the next fit, weights of the last
    assert weights(kept) == weights(net)


def test_files_of_a_class_and_of_a_regressor(tmp_path):
    pandas = pytest.importorskip("pandas")
    x, y = clouds()
    frame = pandas.DataFrame(x, columns=["left", "right"])
    path = tmp_path / "net.safetensors"
    Classifier(Net, max_epochs=1).fit(frame, y).save(path)
    no_code = r"no code of its network; .* Classifier.load\(path, model=Net\)"
    with pytest.raises(ValueError, match=no_code):
        Classifier.load(path)
    assert Classifier.load(path, model=Net).feature_names_in_.tolist() == ["left", "right"]
    with pytest.raises(ValueError, match="expected a file of Regressor.save, got one of Classif"):
        Regressor.load(path)
    net = Regressor(max_epochs=1).fit(x, x[:, 0])
    net.save(path)
    assert (Regressor.load(path).predict(x) == net.predict(x)).all()
    fl.Checkpoint({}).save(path)
    with pytest.raises(ValueError, match="got one of a training"):
        Regressor.load(path)


def test_a_file_imports_no_code(tmp_path):
    path = tmp_path / "net.safetensors"
    small(max_epochs=1, callbacks=["lr_monitor"]).fit(*clouds()).save(path)
    changed = fl.Checkpoint.load(path)
    changed.config["parameters"]["callbacks"] = ["os:system"]
    changed.save(path)
    assert Classifier.load(path).callbacks is None
    changed.config["parameters"]["model"] = "os:system"
    changed.save(path)
    with pytest.raises(ValueError, match="no code of its network"):
        Classifier.load(path)


def test_a_run_is_written_on_request_only(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    x, y = clouds()
    small(max_epochs=1).fit(x, y)
    assert list(tmp_path.iterdir()) == []
    small(max_epochs=1, runs_dir="runs").fit(x, y)
    assert capsys.readouterr().out == ""
    run = fl.runs.find_run("mlp")
    assert run.status == "finished"
    assert (run.path / "checkpoints" / "last.safetensors").is_file()
    small(max_epochs=1, verbose=True).fit(x, y)
    assert "epoch 1/1" in capsys.readouterr().out


class Interrupting(fl.Callback):
    def on_train_epoch_end(self, trainer):
        if trainer.epoch == 2:
            os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupted_training_warns_and_keeps_its_network():
    x, y = clouds()
    net = small(callbacks=[Interrupting()], max_epochs=50)
    with pytest.warns(UserWarning, match="Classifier: the training was interrupted"):
        net.fit(x, y)
    assert len(net.history_["train_loss"]) < 5
    assert net.score(x, y) > 0.5


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"model": "mpl"}, "did you mean 'mlp'"),
        ({"model": 3}, "model: expected a name such as 'mlp'"),
        ({"model": nn.Linear(2, 3)}, r"each fit creates a new .*; write model=Linear, model_args"),
        ({"model": Net, "hidden": (8,)}, "Net takes no argument hidden, lr; it takes input_shape"),
        ({"model_args": [1]}, "model_args: expected a dict, got"),
        ({"max_epochs": 0}, "Classifier: max_epochs: expected 1 or more, got 0"),
        ({"batch_size": 1.5}, "Classifier: batch_size: expected a whole number, got 1.5"),
        ({"early_stopping": True, "validation_fraction": 1.0}, "between 0 and 1, got 1.0"),
        ({"model_args": {"out_features": 2}}, "2"),
        ({"model": lambda input_shape: Net(input_shape, 4)}, r"shape \(N, 3\).*got \(120, 4\)"),
    ],
)
def test_bad_parameters(parameters, message):
    x, y = clouds()
    if callable(parameters.get("model")) and "hidden" not in parameters:
        parameters = {"hidden": None, "lr": None} | parameters
    with pytest.raises((TypeError, ValueError, KeyError), match=message):
        small(**parameters).fit(x, y).predict(x)


def test_negative_sample_weights_are_refused():
    x, y = clouds()
    with pytest.raises(ValueError, match="Negative values in data passed to `sample_weight`"):
        small().fit(x, y, -np.ones(len(x)))


def test_an_error_of_the_network_names_its_arguments():
    with pytest.raises(TypeError) as caught:
        small(hidden=8).fit(*clouds())
    assert caught.value.__notes__ == [
        "raised by MLP(in_features=2, task='classification', out_features=3, hidden=8, lr=0.02)"
    ]


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore:train_loss is:UserWarning")
def test_a_training_that_diverges_is_an_error():
    x = np.linspace(1, 2, 64)[:, None] * 1e30
    net = Regressor(hidden=(4,), model_args=PLAIN, lr=1e30, max_epochs=3, random_state=0)
    with pytest.raises(ValueError, match="Regressor: the training diverged: .* scale X"):
        net.fit(x, x[:, 0])


WITHOUT = """
import sys
import firstlight
assert "sklearn" not in sys.modules
sys.modules["sklearn"] = None
try:
    import firstlight.sklearn
except ImportError as error:
    print(error)
"""


def test_scikit_learn_is_an_extra():
    words = [sys.executable, "-c", WITHOUT]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    message = "firstlight.sklearn needs the package sklearn; install it with: pip install"
    assert done.stdout.strip() == f"{message} 'firstlight[sklearn]'"
