import firstlight as fl
from firstlight.callbacks import LRMonitor, LRSchedule
from firstlight.testing import TinyNet, check_callback, tiny_data


class TwoGroups(TinyNet):
    def configure_optimizer(self):
        first, *others = self.parameters()
        groups = [{"params": [first]}, {"params": others, "lr": 0.4, "weight_decay": 0.0}]
        return fl.optim.AdamW(groups, lr=0.2, weight_decay=0.5, betas=(0.7, 0.9))


def records(module, *callbacks):
    trainer = fl.Trainer(
        max_epochs=2,
        log_every_n_steps=2,
        callbacks=list(callbacks),
        default_callbacks=False,
        runs_dir=None,
    )
    return trainer.fit(module, tiny_data()).records


def test_it_keeps_the_laws():
    check_callback(lambda: LRMonitor(log_momentum=True, log_weight_decay=True))


def test_each_group_at_each_log_step_and_epoch():
    schedule = LRSchedule("step", step_size=3, gamma=0.5)
    found = [r for r in records(TwoGroups(), schedule, LRMonitor(True, True)) if "lr.0" in r]
    assert [r["step"] for r in found] == [2, 3, 4, 6, 6]
    assert [(r["lr.0"], r["lr.1"]) for r in found] == [(0.2, 0.4)] * 2 + [(0.1, 0.2)] * 3
    assert {(r["momentum.0"], r["momentum.1"]) for r in found} == {(0.7, 0.7)}
    assert {(r["weight_decay.0"], r["weight_decay.1"]) for r in found} == {(0.5, 0.0)}


def test_one_group_has_its_learning_rate_in_every_record_already():
    assert records(TinyNet(), LRMonitor())[0].keys() == records(TinyNet())[0].keys()
