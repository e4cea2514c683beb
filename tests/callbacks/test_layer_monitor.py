"""LayerMonitor: what it measures, planted illnesses that it must name, and healthy networks."""

import warnings

import nets
import numpy as np
import pytest

import firstlight as fl
from firstlight import nn, optim
from firstlight.callbacks import LayerMonitor
from firstlight.callbacks._shared.layer_watch import MOST, LayerWatch, sample
from firstlight.callbacks.layer_monitor import some_of
from firstlight.runs.history import History
from firstlight.testing import tiny_data, tiny_trainer
from firstlight.tools.figures import layer_courses
from firstlight.tools.language import speaking


def data():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((640, 16)).astype("float32")
    return fl.DataSplits((x, (x[:, 0] > 0).astype("int64")), batch_size=64, name="planted")


def train(net, steps=60, monitor=None, callbacks=(), **settings):
    monitor = monitor or LayerMonitor(every_n_steps=1, show="never")
    settings = {"runs_dir": None, "default_callbacks": False, "max_steps": steps} | settings
    trainer = fl.Trainer(callbacks=[monitor, *callbacks], **settings)
    trainer.fit(net, data())
    return monitor, trainer


def stack(depth, activation, scale=1.0, lr=1e-3, kind=optim.Adam):
    """Layers of 16 units with an activation between, and weights that are scaled."""
    rng = np.random.default_rng(1)
    layers = []
    for _ in range(depth):
        layers += [nn.Linear(16, 16, rng=rng), activation()]
    for layer in layers[::2]:
        layer.weight.data *= scale
    return nets.Net(*layers, nn.Linear(16, 2, rng=rng), optimizer=lambda p: kind(p, lr=lr))


# ----------------------------------------------------------------------------- planted illnesses


def test_a_dying_relu():
    net = stack(2, nn.ReLU)
    net.body[2].bias.data -= 20
    with pytest.warns(UserWarning, match="LayerMonitor: step 18") as said:
        monitor, _ = train(net)
    assert monitor.named == ["dying body.3"]
    assert str(said[0].message) == (
        "LayerMonitor: step 18: body.3 (ReLU) is dying: 16 of 16 units were zero in all of 320 "
        "rows, so they learn no more; lower lr, use nn.LeakyReLU or nn.GELU, or normalise before it"
    )
    assert len(said) == 1  # once, not at each measurement


def test_a_relu_that_a_high_learning_rate_kills():
    rng = np.random.default_rng(0)
    sizes = [(16, 64), (64, 32), (32, 2)]
    first, second, last = (nn.Linear(*size, rng=rng) for size in sizes)
    layers = first, nn.ReLU(), second, nn.ReLU(), last
    with pytest.warns(UserWarning, match=r"body.3 \(ReLU\) is dying: \d\d of 32 units"):
        monitor, _ = train(nets.Net(*layers, optimizer=lambda p: optim.Adam(p, lr=1.0)), steps=100)
    assert monitor.named == ["dying body.3"]


@pytest.mark.parametrize("activation", [nn.Tanh, nn.Sigmoid])
def test_a_saturated_layer(activation):
    net = stack(1, activation, scale=100)
    name = activation.__name__
    with pytest.warns(UserWarning, match=rf"body.1 \({name}\) is saturated: 9\d% of its values"):
        monitor, _ = train(net)
    assert monitor.named == ["saturated body.1"]


@pytest.mark.parametrize(
    ("activation", "depth", "scale"), [(nn.Sigmoid, 9, 1.0), (nn.Tanh, 8, 0.05)]
)
def test_a_gradient_that_vanishes(activation, depth, scale):
    net = stack(depth, activation, scale, lr=1e-3, kind=optim.SGD)
    with pytest.warns(UserWarning, match=r"body.0 \(Linear\) is vanishing: the \w+") as said:
        monitor, _ = train(net, steps=20)
    assert monitor.named == ["vanishing body.0"]
    assert f"times that of body.{2 * depth}; use nn.ReLU" in str(said[0].message)


def test_a_gradient_that_explodes():
    net = stack(9, nn.ReLU, 15, lr=1e-30, kind=optim.SGD)
    with pytest.warns(UserWarning, match=r"body.0 \(Linear\) is exploding: the dy that arrives is"):
        monitor, _ = train(net, steps=20)
    assert monitor.named == ["exploding body.0"]


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore:train_loss:UserWarning")
def test_a_training_that_explodes():
    with pytest.warns(UserWarning, match=r"is exploding: the \w.* is not finite.*gradient_clip"):
        monitor, _ = train(stack(4, nn.ReLU, lr=1e4, kind=optim.SGD), steps=20)
    assert monitor.named == ["exploding body.0"]


def test_an_illness_that_was_named_is_not_named_again_after_a_resume(tmp_path):
    def fit(steps, resume=None):
        monitor = LayerMonitor(every_n_steps=1, show="never")
        net = stack(2, nn.ReLU)
        net.body[2].bias.data -= 20
        callbacks = [monitor, "model_checkpoint"]
        settings = {"default_callbacks": False, "name": "ill", "runs_dir": tmp_path}
        trainer = fl.Trainer(callbacks=callbacks, max_steps=steps, **settings)
        trainer.fit(net, data(), resume=resume)
        return monitor.named

    with pytest.warns(UserWarning, match="is dying"):
        assert fit(40) == ["dying body.3"]
    assert fit(90, resume="last") == ["dying body.3"]  # a warning would be an error


# -------------------------------------------------------------------------------- healthy networks


HEALTHY = {
    "mlp": lambda: fl.models.MLP(64, 10),
    "mlp without normalisation": lambda: fl.models.MLP(64, 10, norm=None, dropout=0.0),
    "tanh": lambda: fl.models.MLP(64, 10, activation="tanh", norm=None),
    "sigmoid": lambda: fl.models.MLP(64, 10, activation="sigmoid", norm=None),
    "cnn": lambda: fl.models.CNN((8, 8, 1), 10, channels=(8, 16)),
    "resnet": lambda: fl.models.ResNet((8, 8, 1), 10),
    "vit": lambda: fl.models.ViT((8, 8, 1), 10),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HEALTHY)
def test_of_healthy_models_nothing_is_said(name):
    fl.seed_everything(0)
    monitor = LayerMonitor(every_n_steps=1, show="never")
    settings = {"runs_dir": None, "default_callbacks": False, "val_every": 10**6}
    trainer = fl.Trainer(callbacks=[monitor], max_steps=60, **settings)
    trainer.fit(HEALTHY[name](), fl.datasets.load("digits"))
    assert monitor.named == []


def test_of_healthy_layers_nothing_is_said():
    relu = stack(2, nn.ReLU)
    relu.body[2].bias.data[:5] -= 20  # some dead units are normal
    assert train(relu)[0].named == []
    assert train(stack(3, nn.Tanh))[0].named == []


def test_a_confident_last_activation_is_healthy():
    class Sure(nets.Net):
        def backward(self, dy):
            return self.body.backward(dy)

    net = Sure(nn.Linear(16, 16), nn.Tanh(), optimizer=lambda p: optim.SGD(p, lr=1e-6))
    net.body[0].weight.data *= 100
    assert train(net)[0].named == []


def test_frozen_layers_and_masked_inputs_are_healthy():
    net = stack(3, nn.ReLU)
    net.body[0].freeze()
    assert train(net)[0].named == []

    class Blind(fl.Module):
        def forward(self, x):
            return x * 0

        def backward(self, dy):
            return dy * 0

    net = nets.Net(Blind(), nn.ReLU(), nn.Linear(16, 2), optimizer=lambda p: optim.SGD(p, lr=0.1))
    assert "dying body.1" not in _quiet_names(net)  # its inputs are zero


def _quiet_names(net):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return train(net)[0].named


# ---------------------------------------------------------------------------------- measurements


def test_what_is_logged_of_outputs_and_gradients():
    expected = {}

    class Looks(fl.Callback):
        role = fl.Role.EDITOR

        def on_before_optimizer_step(self, module):
            self.norm = float(np.sqrt(sum((p.grad**2).sum() for p in module.body[0].parameters())))

        def on_train_batch_end(self, trainer, batch):
            expected[trainer.step] = self.norm

    monitor = LayerMonitor(every_n_steps=2, show="never")
    _, trainer = train(stack(2, nn.ReLU), 20, monitor, [Looks()], log_every_n_steps=2)
    history = trainer.history
    assert history.steps("grad_norm") == list(range(2, 22, 2))
    assert history.steps("output_mean/body.0") == [2, 10, 20]
    assert history.steps("output_mean/body.1") == [2, 12]
    assert history["grad_norm/body.0"] == pytest.approx(
        [expected[s] for s in (2, 10, 20)], rel=1e-5
    )
    assert 0 < history["output_zeros/body.1"][0] < 1
    assert "grad_norm/body.1" not in history  # it has no parameters
    assert "output_mean/loss" not in history
    monitor = LayerMonitor(every_n_steps=2, outputs=False)
    plain = train(stack(2, nn.ReLU), 4, monitor, log_every_n_steps=2)[1].history
    assert [name for name in plain if "body" in name][0].startswith("update_ratio/")
    assert not any(name.startswith("output") for name in plain)


def test_a_record_has_the_latest_values_of_all_layers():
    monitor = LayerMonitor(every_n_steps=2, show="never")
    _, trainer = train(stack(2, nn.ReLU), 30, monitor, log_every_n_steps=10)
    for index in range(5):
        assert trainer.history.steps(f"output_std/body.{index}") == [2, 12, 22]


def test_statistics_of_a_layer_are_those_of_its_outputs():
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
    watch = LayerWatch(net)
    watch.start(["0", "1"])
    x = np.random.default_rng(0).standard_normal((50, 3)).astype("float32")
    y, dy = net(x), np.ones((50, 4), "float32")
    net.backward(dy)
    watch.stop()
    seen = watch.seen["1"]
    assert (seen.mean, seen.std) == pytest.approx((y.mean(), y.std()), rel=1e-4)
    assert seen.zeros == np.mean(y == 0)
    assert watch.seen["0"].dy_norm == pytest.approx(np.sqrt(np.mean((dy * (y > 0)) ** 2)))
    assert not {"forward", "backward"} & {*vars(net[0]), *vars(net[1])}


@pytest.mark.parametrize(
    "shape", [(4, 3), (1000, 700), (64, 26, 26, 32), (2, 300, 300, 3), (1, 10**6), (10**6, 1)]
)
def test_a_sample_has_all_units_and_not_too_many_values(shape):
    y = np.arange(np.prod(shape), dtype="float32").reshape(shape)
    found = sample(y)
    assert found.shape[1] == shape[-1]
    assert found.size <= max(MOST, shape[-1])
    assert found.size >= min(y.size, MOST // 4)
    assert np.isin(found, y).all()


@pytest.mark.parametrize("shape", [(), (0, 3), (7,), (400, 1000), (2, 10**6), (10**6,)])
def test_an_update_is_measured_of_rows_at_even_distances(shape):
    array = np.arange(np.prod(shape), dtype="float32").reshape(shape)
    found = some_of(array)
    assert found.base is array or found is array or found.base is array.base  # no copy
    assert found.shape[1:] == shape[1:]
    assert found.size == array.size or found.size <= 2**14 + found[:1].size


@pytest.mark.forms
def test_parts_of_a_layer_that_a_form_computes_at_once_are_one_layer():
    assert list(LayerWatch(nn.Sequential(nn.FeedForward(8), nn.ReLU())).layers) == ["0", "1"]


def test_the_table(capsys):
    monitor = LayerMonitor(every_n_steps=5)
    assert monitor.table() == ""
    train(stack(2, nn.ReLU), 30, monitor)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [
        "layer",
        "class",
        "mean",
        "std",
        "zeros",
        "dead",
        "grad",
        "norm",
        "update",
        "ratio",
    ]
    assert [line.split()[:2] for line in lines[1:]] == [
        [f"body.{i}", kind] for i, kind in enumerate(["Linear", "ReLU"] * 2 + ["Linear"])
    ]
    assert monitor.table() == "\n".join(lines)
    train(stack(2, nn.ReLU), 20, LayerMonitor(every_n_steps=5, show="epoch"))
    assert capsys.readouterr().out.count("layer ") == 2  # epochs


@pytest.mark.slow
@pytest.mark.curves
def test_the_run_gets_a_picture_and_tensorboard_the_curves(tmp_path):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    settings = {"callbacks": ["tensorboard", "plots"], "log_every_n_steps": 5, "runs_dir": tmp_path}
    _, trainer = train(stack(2, nn.ReLU), 20, **settings)
    content = (trainer.run.path / "plots" / "layers.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    events = reader.EventAccumulator(str(trainer.run.path))
    events.Reload()
    assert {"output_std/body.1", "grad_norm/body.0"} <= set(events.Tags()["scalars"])


def test_the_picture_has_a_panel_for_each_quantity():
    _, trainer = train(stack(2, nn.ReLU), 20, log_every_n_steps=5)
    with speaking("de"):
        figure = layer_courses(trainer.history)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[:3] == [
        "Mittelwert der Ausgaben",
        "Standardabweichung der Ausgaben",
        "Anteil der Nullen in den Ausgaben",
    ]
    assert len(figure.axes[2].get_lines()) == 2  # of the ReLUs: no other layer has zeros
    assert figure.axes[3].get_yscale() == "log"
    labels = [text.get_text() for text in figure.axes[5].get_legend().get_texts()]
    assert labels == [f"body.{index}" for index in range(5)]
    with pytest.raises(ValueError, match=r'callbacks=\["layer_monitor"\]'):
        layer_courses(History([{"step": 1, "epoch": 1, "time": 0.0, "train_loss": 1.0}]))


def test_a_step_that_is_skipped_leaves_nothing_wrapped():
    class Skips(fl.Callback):
        def on_before_optimizer_step(self, trainer):
            trainer.skip_step()
            trainer.stop("done")

    net = stack(1, nn.ReLU)
    train(net, 10, LayerMonitor(every_n_steps=1, show="never"), [Skips()])
    assert not any({"forward", "backward"} & set(vars(part)) for part in net.modules())


def test_a_forward_that_raises_leaves_nothing_wrapped():
    class Fails(nn.ReLU):
        def forward(self, x):
            raise ArithmeticError("on purpose")

    net = nets.Net(nn.Linear(16, 2), Fails(), optimizer=lambda p: optim.SGD(p, lr=0.1))
    with pytest.raises(ArithmeticError, match="on purpose"):
        train(net, 10, LayerMonitor(every_n_steps=1, show="never"))
    assert not any({"forward", "backward"} & set(vars(part)) for part in net.modules())


@pytest.mark.parametrize(("name", "value"), [("every_n_steps", 0), ("show", "always")])
def test_refused_arguments(name, value):
    with pytest.raises(ValueError, match=f"LayerMonitor: {name}"):
        LayerMonitor(**{name: value})


@pytest.mark.gpu
@pytest.mark.forms
def test_on_a_gpu_measured_steps_run_launch_by_launch():
    reasons = []

    class Looks(fl.Callback):
        def on_train_batch_start(self, trainer):
            reasons.append(trainer.loop.step.reason is None)

    monitor = LayerMonitor(every_n_steps=3, show="never")
    settings = {"runs_dir": None, "default_callbacks": False, "device": "cuda"}
    trainer = fl.Trainer(callbacks=[monitor, Looks()], max_steps=6, **settings)
    trainer.fit(nets.Net(nn.Linear(3, 2), optimizer=lambda p: optim.SGD(p)), tiny_data())
    assert trainer.loop.step.reason is None
    assert reasons == [True, True, False] * 2
    assert trainer.history.steps("output_std/body.0") == [3]


def test_a_tiny_training_prints_its_table_once(capsys):
    tiny_trainer([LayerMonitor(every_n_steps=2)])
    assert capsys.readouterr().out.count("body.0 ") == 1
