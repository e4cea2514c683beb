"""NumPy's scalars and 0-d arrays as arguments: what they say is taken, and can be saved."""

import json
import re

import numpy as np
import pytest

import firstlight as fl
from firstlight import callbacks, nn, optim
from firstlight.support.arguments import batch_limit, parse_choice, parse_duration
from firstlight.testing import TinyNet, tiny_data

KINDS = [np.array, lambda value: np.asarray(value, np.float32 if value % 1 else np.int32)[()]]


def trained(optimizer, settings, *listed, batch_size=4):
    net = type("Net", (TinyNet,), {"configure_optimizer": lambda self: optimizer(self)})()
    trainer = fl.Trainer(callbacks=list(listed), default_callbacks=False, **settings)
    data = tiny_data()
    trainer.fit(net, fl.DataLoader(data.train, batch_size=batch_size), data.val)
    assert (trainer.run.checkpoints / "last.safetensors").is_file()
    return trainer


@pytest.mark.parametrize("number", [*KINDS, lambda value: value])
def test_every_setting_may_be_one(number):
    settings = {
        "max_epochs": number(3),
        "max_steps": number(8),
        "max_time": number(600.5),
        "min_epochs": number(1),
        "min_steps": number(1),
        "seed": number(1),
        "accumulate_grad_batches": number(2),
        "limit_train_batches": number(1.0),
        "limit_val_batches": number(1),
        "val_every": number(1),
        "log_every_n_steps": number(1),
    }
    listed = [
        callbacks.EMA(number(0.5), start_step=number(1)),
        callbacks.EarlyStopping(
            patience=number(2), min_delta=number(0.5), start_from_epoch=number(1)
        ),
        callbacks.GradientClip(number(0.5)),
        callbacks.LRSchedule("exponential", gamma=number(0.5)),
        callbacks.ModelCheckpoint(top_k=number(2), every_n_steps=number(1)),
    ]

    def optimizer(net):
        group = {"params": net.parameters(), "lr": number(0.5)}
        betas = number(0.5), number(0.25)
        return optim.AdamW([group], lr=number(0.25), betas=betas, weight_decay=number(0.5))

    trainer = trained(optimizer, settings, *listed, batch_size=number(4))
    checkpoint = fl.Checkpoint.load(trainer.run.checkpoints / "last.safetensors")
    told = json.dumps(
        [{n: v for n, v in checkpoint.optimizer.items() if n != "arrays"}, checkpoint.callbacks]
    )
    assert '"lr": 0.' in told
    assert '"betas": [0.5, 0.25]' in told
    config = json.loads((trainer.run.path / "config.json").read_text())
    assert config["trainer"]["limit_val_batches"] == 1


@pytest.mark.parametrize("number", KINDS)
def test_layers_take_them(number):
    x = np.ones((2, 6, 6, 3), "float32")
    for make in (
        lambda n: nn.Conv2d(n(3), n(4), n(3), padding=n(1), stride=n(2)),
        lambda n: nn.MaxPool2d(n(2)),
        lambda n: nn.Upsample(scale_factor=n(2)),
        lambda n: nn.ZeroPad2d(n(1)),
        lambda n: nn.LayerNorm(n(3)),
        lambda n: nn.Linear(n(3), n(2)),
        lambda n: nn.Dropout(n(0.5)),
    ):
        assert make(number)(x).shape == make(lambda value: value)(x).shape


def test_a_rate_for_each_parameter_is_named():
    with pytest.raises(TypeError, match=r"SGD: expected lr as a number.*array of shape \(2,\)"):
        optim.SGD(TinyNet().parameters(), lr=np.array([0.1, 0.2]))


def test_what_no_checkpoint_can_hold_is_named_at_once():
    class Odd(optim.SGD):
        def state_dict(self):
            return super().state_dict() | {"odd": {1, 2}}

    with pytest.raises(TypeError, match="Odd.state_dict cannot be saved in a checkpoint: .* set"):
        trained(lambda net: Odd(net.parameters(), lr=0.1), {}, callbacks.ModelCheckpoint())


@pytest.mark.parametrize(
    ("limit", "used"), [(None, 10), (3, 3), (30, 10), (0.25, 2), (1.0, 10), (0, 0), (0.01, 1)]
)
def test_batch_limit(limit, used):
    assert batch_limit("limit", limit, 10) == used


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *[(90, 90), ("01:30", 90), ("1:00:00", 3600), ("1:00:00:00", 86400)],
        *[("90 s", 90), ("1.5min", 90), ("10 minutes", 600), ("2 h", 7200), (" 1 day ", 86400)],
        *[("30 sec", 30), ("1 second", 1), ("3 hours", 10800), ("2d", 172800)],
    ],
)
def test_durations(text, seconds):
    assert parse_duration("max_time", text) == seconds


@pytest.mark.parametrize(
    ("value", "choices", "message"),
    [
        ("c", ["a", "b"], 'who: expected "a" or "b", got \'c\''),
        ("c", ["a"], "who: expected \"a\", got 'c'"),
        ("fast", ["first", "last"], "got 'fast'; did you mean 'last'?"),
        ("n1", [f"n{i}x" for i in range(12)], "who: there is no 'n1'; did you mean 'n1x'?"),
    ],
)
def test_choices(value, choices, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_choice("who", value, choices)
    assert parse_choice("who", choices[0], choices) == choices[0]
