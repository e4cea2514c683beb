"""What modules log themselves in a step, and the trainer that they see there."""

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest
from nets import Net

import firstlight as fl
from firstlight import Trainer, callbacks, nn, optim

COUNT = 22


class Meter(fl.Module):
    """Pass x on, and log the mean of x in forward and of dy in backward."""

    def forward(self, x):
        self.log("level", x.mean())
        return x

    def backward(self, dy):
        self.log("slope", dy.mean())
        return dy


class Logging(Net):
    """A layer and both steps log; the same layer runs twice."""

    def __init__(self):
        meter = Meter()
        super().__init__(nn.Linear(5, 7), meter, nn.GELU(), meter, nn.Linear(7, 3))

    def training_step(self, batch):
        self.log("first", batch[0][0, 0])
        return super().training_step(batch)

    def validation_step(self, batch):
        self.log("count", len(batch[0]))
        return super().validation_step(batch)


class Silent(Net):
    """The same network without logging."""

    def __init__(self):
        super().__init__(nn.Linear(5, 7), nn.Identity(), nn.GELU(), nn.Identity(), nn.Linear(7, 3))


def data(dtype="float32"):
    rng = np.random.default_rng(0)
    return rng.normal(size=(COUNT, 5)).astype(dtype), rng.integers(0, 3, COUNT)


def trainer(*attached, **settings):
    settings = {"max_epochs": 2, "runs_dir": None, "log_every_n_steps": 2} | settings
    return Trainer(callbacks=list(attached), default_callbacks=False, **settings)


def fit(module, *attached, val=True, **settings):
    fl.seed_everything(3)
    training = trainer(*attached, **settings)
    loader = fl.DataLoader(data(), 4, shuffle=True)
    training.fit(module, loader, fl.DataLoader(data(), 5) if val else None)
    return training


def made(kind):
    fl.seed_everything(1)
    return kind()


class Watch(fl.Callback):
    """Keep each batch's output and inputs."""

    def __init__(self):
        self.seen = []

    def on_train_batch_end(self, output, batch):
        self.seen.append((dict(output.metrics), batch[0].copy()))


def test_values_are_means_over_batches_with_the_split_before_their_names():
    watch = Watch()
    history = fit(made(Logging), watch, max_epochs=1).history
    sizes = [len(x) for _, x in watch.seen]
    assert sizes == [4, 4, 4, 4, 4, 2]
    for name in ("level", "slope", "first", "count"):
        values = [float(metrics[name]) for metrics, _ in watch.seen]
        assert history[f"train_{name}"] == pytest.approx([np.average(values, weights=sizes)])
        windows = [np.average(values[i : i + 2], weights=sizes[i : i + 2]) for i in (0, 2, 4)]
        assert history[f"train_{name}_step"] == pytest.approx(windows)
    assert history["val_count"] == pytest.approx([(4 * 5 * 5 + 2 * 2) / 22])
    assert history["train_first"] == pytest.approx(
        [np.average([x[0, 0] for _, x in watch.seen], weights=sizes)]
    )
    assert "val_level" in history.last()
    assert "val_slope" not in history.last()  # no backward there


def test_what_a_layer_logs_twice_in_a_step_is_averaged():
    module = made(Logging)
    level = trainer().validate(module, fl.DataLoader(data(), COUNT))["val_level"]
    x = module.body.layers[0].eval()(data()[0])
    assert level == pytest.approx((x.mean() + nn.GELU().eval()(x).mean()) / 2, rel=1e-5)


@pytest.mark.parametrize("value", [np.True_, np.uint8(200), np.float16(40000), np.int8(-100), 3])
def test_values_of_small_types_are_averaged_without_overflow(value):
    class Twice(Net):
        def validation_step(self, batch):
            self.log("size", value)
            self.log("size", value)
            return super().validation_step(batch)

    assert trainer().validate(Twice(nn.Linear(5, 3)), data())["val_size"] == float(value)


def test_validate_and_test_return_logged_values():
    module = made(Logging)
    assert trainer().validate(module, data())["val_count"] == COUNT
    assert trainer().test(module, data())["test_count"] == COUNT


def test_a_logged_value_can_be_monitored():
    class Rising(Net):
        def validation_step(self, batch):
            self.log("badness", self.trainer.epoch)
            return super().validation_step(batch)

    module = Rising(nn.Linear(5, 3))
    stopper = callbacks.EarlyStopping("val_badness", mode="min", patience=2)
    assert fit(module, stopper, max_epochs=9).epoch == 3


@pytest.mark.parametrize("settings", [{}, {"accumulate_grad_batches": 3}])
def test_logging_changes_no_bit_of_a_training(settings):
    logging, silent = made(Logging), made(Silent)
    with_logs, without = fit(logging, **settings), fit(silent, **settings)
    assert with_logs.optimizer.flat.data.tobytes() == without.optimizer.flat.data.tobytes()
    assert with_logs.history["train_loss"] == without.history["train_loss"]
    assert with_logs.history["val_loss"] == without.history["val_loss"]


def test_outside_of_a_step_nothing_is_logged():
    module = made(Logging)
    module(data()[0])
    module.training_step(data())
    trainer().predict(module, data()[0])

    def by_hand(module):
        module.log("lost", 1.0)

    everywhere = callbacks.LambdaCallback(
        on_fit_start=by_hand, on_train_batch_end=by_hand, on_validation_end=by_hand
    )
    assert not any("lost" in record for record in fit(made(Silent), everywhere).history.records)


def test_a_resumed_training_logs_the_same(tmp_path):
    class Save(fl.Callback):
        def on_train_batch_end(self, trainer):
            if trainer.step == 5:  # between two records, within an epoch
                trainer.request_checkpoint(tmp_path / "five.safetensors")

    def run(*attached, resume=None, seed=1):
        fl.seed_everything(seed)
        module, training = Logging(), trainer(*attached)
        training.fit(module, fl.DataLoader(data(), 4, shuffle=True), data(), resume=resume)
        records = [
            {n: v for n, v in r.items() if "second" not in n and n != "time"}
            for r in training.history.records
        ]
        return training.optimizer.flat.data.tobytes(), records

    whole = run(Save())
    assert run(resume=tmp_path / "five.safetensors", seed=2) == whole
    assert "train_level" in whole[1][-1]


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("loss", 1.0, ValueError, r"Wrong.log: 'loss' is the step's loss, which is recorded"),
        ("train_size", 1.0, ValueError, r"write self.log\('size', ...\)"),
        ("val_size", 1.0, ValueError, r"write self.log\('size', ...\)"),
        ("size", np.ones(3), ValueError, r"single number for 'size', got an array of shape \(3,\)"),
        ("size", "big", TypeError, r"Wrong.log: expected a number for 'size', got 'big'"),
        ("size", 1j, TypeError, r"Wrong.log: expected a number for 'size', got 1j"),
        ("size", None, TypeError, r"Wrong.log: expected a number for 'size', got None"),
        (1.0, "size", TypeError, r"expected a name and a value, got 1.0 as the name"),
        ("acc", 1.0, ValueError, r"Wrong: 'acc' is a metric of the step already"),
    ],
)
def test_wrong_values_and_names_are_errors(name, value, error, message):
    class Wrong(Net):
        def forward(self, x):
            self.log(name, value)
            return super().forward(x)

    with pytest.raises(error, match=message):
        fit(Wrong(nn.Linear(5, 3)))


def test_an_error_in_a_step_ends_the_logging_of_it():
    class Failing(Net):
        def training_step(self, batch):
            raise ArithmeticError

    with pytest.raises(ArithmeticError):
        fit(Failing(nn.Linear(5, 3)))
    made(Logging).log("loss", "no number")  # does nothing


# --- on a GPU ----------------------------------------------------------------------------------


class OnDevice(Net):
    def __init__(self):
        super().__init__(nn.Linear(5, 7), Meter(), nn.GELU(), nn.Linear(7, 3))


@pytest.mark.gpu
@pytest.mark.forms
@pytest.mark.parametrize("accumulate", [1, 2])
def test_captured_steps_log_without_waiting_for_the_device(accumulate, counts):
    def run(capture):
        waits = []
        see = callbacks.LambdaCallback(on_train_batch_end=lambda: waits.append(counts["waits"]))
        settings = {"device": "cuda", "capture": capture, "accumulate_grad_batches": accumulate}
        settings |= {"max_epochs": 3, "log_every_n_steps": 50}
        training = fit(made(OnDevice), see, val=False, **settings)
        assert bool(training.loop.step.graphs) == capture
        steps = len(waits) // 3
        assert [len(set(waits[i * steps : (i + 1) * steps])) for i in range(3)] == [1, 1, 1]
        return [training.history[f"train_{name}"] for name in ("loss", "level", "slope")]

    captured, eager = run(True), run(False)
    assert captured == eager
    on_host = fit(made(OnDevice), val=False, max_epochs=3, accumulate_grad_batches=accumulate)
    for name, values in zip(("loss", "level", "slope"), captured, strict=True):
        assert on_host.history[f"train_{name}"] == pytest.approx(values, rel=1e-4, abs=1e-6)


@pytest.mark.gpu
@pytest.mark.forms
@pytest.mark.parametrize("reads", ["number", "trainer"])
def test_numbers_of_the_host_are_not_frozen_in_a_graph(reads, caplog):
    class Host(fl.Module):
        def forward(self, x):
            calls.append(1)
            if reads == "number":
                self.log("calls", float(len(calls)))
            elif self.trainer.step > 2:
                late.append(1)
            return x

        def backward(self, dy):
            return dy

    calls, late = [], []
    fit(Net(nn.Linear(5, 3), Host()), val=False, device="cuda")
    assert len(calls) in (12, 13)  # one more for the attempt to capture
    assert bool(late) == (reads == "trainer")
    expected = "Host.log('calls', ...) has a number" if reads == "number" else "reads self.trainer"
    assert expected in caplog.text


# --- the running trainer ---------------------------------------------------------------------


class Seeing(Net):
    """Keep which trainer each place sees."""

    def __init__(self):
        super().__init__(nn.Linear(5, 3))
        seen.clear()

    def forward(self, x):
        seen.append(("forward", self.trainer, self.body.layers[0].trainer))
        return super().forward(x)

    def configure_optimizer(self):
        seen.append(("optimizer", self.trainer, self.trainer.total_steps))
        return super().configure_optimizer()


seen = []


def test_modules_see_the_trainer_while_it_runs():
    module = Seeing()
    training = fit(module)
    assert seen[0] == ("optimizer", training, 12)
    assert len(seen) == 1 + 2 + 2 * (6 + 5)  # optimizer, sanity pass, epochs
    assert {id(found) for _, found, _ in seen} == {id(training)}
    for run in (training.validate, training.test, training.predict):
        seen.clear()
        run(module, data())
        assert seen == [("forward", training, training)]


def test_outside_there_is_no_trainer():
    module = Seeing()
    message = r"Seeing.trainer: no Trainer is running; it is available inside of fit, validate"
    assert not hasattr(module, "trainer")
    with pytest.raises(AttributeError, match=message):
        module(data()[0])
    fit(module)
    assert not hasattr(module, "trainer")

    def fail():
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        fit(module, callbacks.LambdaCallback(on_fit_start=fail))
    assert not hasattr(module, "trainer")


def test_a_trainer_inside_another_comes_first():
    inner, found = trainer(max_epochs=1), []

    def train_another(module):
        found.append(module.trainer)
        inner.fit(Seeing(), data())
        found.append(module.trainer)

    outer = fit(Net(nn.Linear(5, 3)), callbacks.LambdaCallback(on_fit_end=train_another))
    assert found == [outer, outer]
    assert {id(one) for _, one, _ in seen} == {id(inner)}


def test_a_copy_made_in_a_training_has_no_trainer():
    copies = []

    def copy_it(module):
        copies.append(copy.deepcopy(module.body))
        copies.append(pickle.loads(pickle.dumps(module.body)))

    module = Logging()
    names = set(module.state_dict())
    fit(module, callbacks.LambdaCallback(on_train_epoch_end=copy_it), max_epochs=1)
    assert set(module.state_dict()) == names
    assert not any(hasattr(one, "trainer") for one in (module, *copies))
    assert not any(isinstance(v, Trainer) for part in module.modules() for v in vars(part).values())


@pytest.mark.slow
def test_a_trainer_is_freed_after_its_run():
    training = fit(made(Logging))
    gone = weakref.ref(training)
    del training
    gc.collect()
    assert gone() is None


def test_configure_optimizer_can_plan_with_the_trainer():
    class Planned(Net):
        def configure_optimizer(self):
            return optim.SGD(self.parameters(), lr=1 / self.trainer.total_steps)

    assert fit(Planned(nn.Linear(5, 3))).optimizer.lr == 1 / 12
