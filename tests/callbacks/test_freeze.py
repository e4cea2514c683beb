"""Freeze: what stays, until when, and what its errors say."""

import pytest

import firstlight as fl
from firstlight.callbacks.freeze import Freeze
from firstlight.testing import TinyNet, check_callback, check_resume, tiny_data, tiny_trainer


class Watch(fl.Callback):
    def __init__(self):
        self.epochs = []

    def on_fit_start(self, module):
        self.epochs.append(module.state_dict())

    def on_train_epoch_end(self, module):
        self.epochs.append(module.state_dict())

    def moved(self, name):
        pairs = zip(self.epochs, self.epochs[1:], strict=False)
        return [before[name].tobytes() != after[name].tobytes() for before, after in pairs]


@pytest.mark.parametrize("until", [None, 1, 2])
def test_it_keeps_the_laws(until):
    check_callback(lambda: Freeze("body.0", until))


@pytest.mark.parametrize("until", [None, 2, 3])
@pytest.mark.parametrize("steps", [1, 3])
def test_resumes_exactly(until, steps):
    check_resume(
        TinyNet, tiny_data(), make_callbacks=lambda: [Freeze("body.0", until)], steps=steps
    )


@pytest.mark.parametrize(
    ("until", "expected"),
    [
        (None, [False, False, False, False]),
        (3, [False, False, True, True]),
        (1, [True, True, True, True]),
        (9, [False, False, False, False]),
    ],
)
def test_frozen_until_an_epoch(until, expected):
    watch = Watch()
    trainer = tiny_trainer([Freeze("body.0", until), watch], max_epochs=4)
    assert watch.moved("body.0.weight") == watch.moved("body.0.bias") == expected
    assert watch.moved("body.3.weight") == [True] * 4
    assert all(p.requires_grad for p in trainer.module.parameters())  # as it came


def test_what_was_frozen_before_stays_so():
    module, watch = TinyNet(), Watch()
    module.body[0].weight.requires_grad = False
    freeze = Freeze(["body.0", "body.3"], until_epoch=2)
    trainer = fl.Trainer(
        max_epochs=2, callbacks=[freeze, watch], default_callbacks=False, runs_dir=None
    )
    for _ in range(2):  # a second training freezes anew
        watch.epochs = []
        trainer.fit(module, tiny_data())
        assert watch.moved("body.0.weight") == [False, False]
        assert watch.moved("body.0.bias") == watch.moved("body.3.bias") == [False, True]
    assert not module.body[0].weight.requires_grad


def test_names():
    assert Freeze(" body.0 ,body.3,").modules == ["body.0", "body.3"]
    watch = Watch()
    tiny_trainer([Freeze("body.0, body.3"), watch], max_epochs=1)
    assert not any(watch.moved(name)[0] for name in watch.epochs[0])
    watch = Watch()
    tiny_trainer([Freeze("body", until_epoch=2), Freeze("body.0"), watch])
    assert watch.moved("body.3.weight") == [False, True]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("bodi.0", "modules: expected .*, got 'bodi.0'; did you mean 'body.0'"),
        (["body.0", "xyz"], "modules: expected .body., .body.0., .*, got 'xyz'"),
        ("body.0.weight", "got 'body.0.weight'; did you mean 'body.0'"),
        ("body.1", r"body.1 \(ReLU\) has no parameters to freeze; leave it out"),
    ],
)
def test_names_that_are_none(names, message):
    with pytest.raises(ValueError, match=message):
        tiny_trainer([Freeze(names)])


def test_bad_settings():
    with pytest.raises(ValueError, match="name the sub-modules to freeze"):
        Freeze(" , ")
    with pytest.raises(ValueError, match="until_epoch: expected 1 or more, got 0"):
        Freeze("body", until_epoch=0)
