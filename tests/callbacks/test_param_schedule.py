"""LRSchedule on other hyper-parameters than the learning rate."""

import pytest

from firstlight import Callback, Module, Trainer, nn, optim
from firstlight.callbacks import LRSchedule
from firstlight.optim import schedules


class Net(Module):
    def __init__(self):
        self.body = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.4), nn.Linear(4, 1), nn.Dropout(0))
        self.body.layers[3].p = 0.2
        self.loss = nn.MSELoss()
        self.dropouts = []

    def forward(self, x):
        if self.training:
            self.dropouts.append([self.body.layers[1].p, self.body.layers[3].p])
        return self.body(x)

    def backward(self, dy):
        return self.body.backward(dy)

    def configure_optimizer(self):
        groups = [
            {"params": [self.body.layers[0].weight, self.body.layers[2].weight]},
            {"params": [self.body.layers[0].bias, self.body.layers[2].bias], "weight_decay": 0.0},
        ]
        return optim.SGD(groups, lr=0.01, momentum=0.9, weight_decay=0.1)


class Groups(Callback):
    def __init__(self, name):
        self.name, self.found = name, []

    def on_before_optimizer_step(self, optimizer):
        self.found.append([group[self.name] for group in optimizer.param_groups])


def fit(schedule, line_data, quiet, *callbacks, **settings):
    module = Net()
    trainer = Trainer(callbacks=[schedule, *callbacks], **{"max_epochs": 4, **settings}, **quiet)
    trainer.fit(module, line_data)
    return module


@pytest.mark.parametrize(
    ("name", "starts"), [("weight_decay", [0.1, 0.0]), ("momentum", [0.9, 0.9])]
)
def test_a_number_of_the_optimizer_moves_before_each_step(name, starts, line_data, quiet):
    seen = Groups(name)
    fit(LRSchedule("cosine", param=name), line_data, quiet, seen)
    wanted = [[schedules.cosine(s, v, total_steps=12) for v in starts] for s in range(12)]
    assert seen.found == [pytest.approx(values) for values in wanted]


def test_dropout_moves_before_each_forward_and_is_put_back(line_data, quiet):
    module = fit(LRSchedule("linear", param="dropout"), line_data, quiet)
    wanted = [[v - v * step / 12 for v in (0.4, 0.2)] for step in range(12)]
    assert module.dropouts == [pytest.approx(values) for values in wanted]
    assert [module.body.layers[1].p, module.body.layers[3].p] == [0.4, 0.2]


def test_batches_of_one_window_have_one_dropout(line_data, quiet):
    module = fit(LRSchedule("linear", param="dropout"), line_data, quiet, accumulate_grad_batches=2)
    first = [dropouts[0] for dropouts in module.dropouts]
    steps = [0, 0, 1, 2, 2, 3, 4, 4, 5, 6, 6, 7]  # windows of 2 and 1 batches an epoch
    assert first == pytest.approx([0.4 - 0.4 * step / 8 for step in steps])


def test_by_epoch(line_data, quiet):
    module = fit(
        LRSchedule("step", param="dropout", interval="epoch", step_size=2, gamma=0.5),
        line_data,
        quiet,
    )
    assert [dropouts[0] for dropouts in module.dropouts] == [0.4] * 6 + [0.2] * 6


def test_one_attribute_by_its_path(line_data, quiet):
    module = fit(LRSchedule("linear", param="body.1.p"), line_data, quiet)
    assert module.dropouts[-1] == pytest.approx([0.4 / 12, 0.2])


def test_the_model_is_put_back_after_an_error_too(line_data, quiet):
    class Fails(Callback):
        def on_train_batch_end(self, trainer):
            if trainer.step == 3:
                raise RuntimeError("enough")

    module = Net()
    trainer = Trainer(callbacks=[LRSchedule("linear", param="dropout"), Fails()], **quiet)
    with pytest.raises(RuntimeError, match="enough"):
        trainer.fit(module, line_data)
    assert module.body.layers[1].p == 0.4


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("weight_decy", "found no number called 'weight_decy'; did you mean 'weight_decay'?"),
        ("nesterov", "there are lr, momentum, .*weight_decay of SGD"),
        ("body.0.p", "and a module's attributes such as"),
    ],
)
def test_no_such_number(name, message, line_data, quiet):
    with pytest.raises(ValueError, match=message):
        fit(LRSchedule("linear", param=name), line_data, quiet)


def test_a_model_without_dropout(line, line_data, quiet):
    trainer = Trainer(callbacks=[LRSchedule("linear", param="dropout")], **quiet)
    with pytest.raises(ValueError, match="dropout of a model that has some"):
        trainer.fit(line(), line_data)


def test_two_schedules_of_one_number_of_the_model(line_data, quiet):
    with pytest.raises(ValueError, match="another schedule, of dropout, changes body.1.p"):
        fit(
            LRSchedule("linear", param="dropout"),
            line_data,
            quiet,
            LRSchedule("linear", param="body.1.p"),
        )


def test_a_state_of_another_number_is_refused():
    state = LRSchedule("linear", param="lr").state_dict()
    with pytest.raises(ValueError, match="has a schedule of lr in this place, here it is one of m"):
        LRSchedule("linear", param="momentum").load_state_dict(state)
