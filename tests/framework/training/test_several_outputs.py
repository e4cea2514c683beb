"""Inputs, targets, outputs and their gradients as dicts and tuples, all the way."""

import numpy as np
import pytest
from two_optimizers import GAN, ActorCritic, HandActorCritic, episodes, points
from two_outputs import OneOutput, TwoOutputs, WeightedLoss, batches

import firstlight as fl
from firstlight.distributed.sharding import Shard, cut
from firstlight.testing import check_gradients
from firstlight.tools.diagnose import check


def joined(batches):
    """Return one batch of all samples."""
    first = batches[0]
    if isinstance(first, tuple):
        return tuple(joined([batch[i] for batch in batches]) for i in range(len(first)))
    if isinstance(first, dict):
        return {name: joined([batch[name] for batch in batches]) for name in first}
    return np.concatenate(batches)


def fit(model, data, *, seed=0, val_data=None, **settings):
    settings = {"max_epochs": 2, "runs_dir": None, "default_callbacks": False} | settings
    trainer = fl.Trainer(**settings)
    fl.seed_everything(seed)
    trainer.fit(model(), data, val_data)
    return trainer


@pytest.mark.parametrize(("model", "as_tuples"), [(TwoOutputs, False), (OneOutput, True)])
def test_a_window_of_batches_is_one_batch_of_all_their_samples(model, as_tuples):
    data = batches(as_tuples=as_tuples)
    window = fit(model, data, val_data=data, accumulate_grad_batches=4)
    whole = fit(model, [joined(data)], val_data=data)
    assert window.step == whole.step == 2
    for name, array in window.module.state_dict().items():
        np.testing.assert_allclose(array, whole.module.state_dict()[name], rtol=1e-5, atol=1e-6)
    assert window.metrics["val_acc"] == pytest.approx(whole.metrics["val_acc"])
    tested = window.test(window.module, [joined(data)])
    assert tested["test_loss"] == pytest.approx(window.metrics["val_loss"], rel=1e-5)
    predicted = window.predict(window.module, data)
    shapes = {n: y.shape for n, y in predicted.items()} if not as_tuples else predicted.shape
    assert shapes == ((29, 3) if as_tuples else {"kind": (29, 3), "place": (29, 2)})


def test_sample_weights_beside_a_tuple_of_inputs():
    data = batches(as_tuples=True)
    weighted = [(x, y, np.full(len(y), 3.0)) for x, y in data]
    pair = [fit(OneOutput, each, val_data=each).metrics for each in (data, weighted)]
    for name in ("train_loss", "val_loss", "val_acc"):
        assert pair[0][name] == pytest.approx(pair[1][name], rel=1e-5)


def test_what_default_callbacks_do_with_dicts(tmp_path):
    for model, as_tuples in ((TwoOutputs, False), (OneOutput, True)):
        data = batches(as_tuples=as_tuples)
        trainer = fit(model, data, val_data=data, runs_dir=tmp_path, default_callbacks=True)
        assert trainer.run.summary["status"] == "finished"


def test_the_shard_of_a_rank_has_the_rows_of_every_array():
    x, y = cut(batches(1, 13)[0], Shard(2, 5, 10, None))
    assert {name: len(part) for name, part in (x | y).items()} == dict.fromkeys([*x, *y], 3)


def test_a_summary_tells_the_shapes_by_name():
    text = str(TwoOutputs().summary(batches()[0][0]))
    assert "{'left': (8, 3), 'right': (8, 4)}" in text
    assert "{'kind': (8, 3), 'place': (8, 2)}" in text
    assert "((8, 3), (8, 4))" in str(OneOutput().summary(batches(as_tuples=True)[0][0]))


def test_gradients_of_dicts_and_tuples_are_checked():
    check_gradients(TwoOutputs(), batches()[0][0])
    check_gradients(OneOutput(), batches(as_tuples=True)[0][0])

    class Swapped(TwoOutputs):
        def backward(self, dy):
            dx = super().backward(dy)
            return {"left": 2 * dx["left"], "right": dx["right"]}

    class Lacking(TwoOutputs):
        def backward(self, dy):
            return {"right": super().backward(dy)["right"]}

    with pytest.raises(AssertionError, match=r"Swapped: dx\['left'\] is wrong: along a random"):
        check_gradients(Swapped(), batches()[0][0])
    with pytest.raises(AssertionError, match=r"expected dx\['left'\], as x is built, got dx\['ri"):
        check_gradients(Lacking(), batches()[0][0])


class Separate(ActorCritic):
    """Two losses, neither of which depends on the other's output."""

    weight = 0.5

    def losses(self, batch):
        y, gain = self(batch["state"]), batch["gain"]
        loss = self.policy_loss(y["logits"], batch["action"]).mean()
        loss = loss + 0.5 * self.value_loss(y["value"], gain)
        dy = {"logits": self.policy_loss.backward(np.full(len(gain), 1 / len(gain)))}
        return loss, dy | {"value": self.weight * self.value_loss.backward()}


class WrongWeight(Separate):
    """The gradient has another weight than the loss."""

    weight = 0.75


class Unweighted(WeightedLoss):
    """A gradient without the weight that the loss has."""

    def backward(self):
        return {"kind": self.kind.backward(), "place": self.place.backward()}


class WrongLoss(TwoOutputs):
    """The default step, with that loss."""

    def __init__(self):
        super().__init__()
        self.loss = Unweighted()


@pytest.mark.parametrize(
    ("model", "data", "verdict", "found"),
    [
        (TwoOutputs, batches(), "ok", []),
        (OneOutput, batches(as_tuples=True), "ok", []),
        (Separate, episodes(), "ok", []),
        (WrongWeight, episodes(), "wrong", ["critic.weight, critic.bias is 1.5 times that of"]),
        (ActorCritic, episodes(), "note", []),  # the advantage is meant as a constant
        (WrongLoss, batches(), "wrong", ["a term of the loss is left out"]),
        (HandActorCritic, episodes(), "unjudged", []),
        (GAN, [points()], "unjudged", []),
    ],
)
def test_check_judges_them(model, data, verdict, found):
    fl.seed_everything(0)
    report = check(model(), data, train=model is OneOutput)
    assert not report.unjudged
    assert len(report.findings) == len(found)
    for finding, text in zip(report.findings, found, strict=True):
        assert text in finding.message
    lines = {line.subject: line.verdict for line in report.checks}
    assert lines["gradient of training_step"] == verdict
    if model is GAN:
        assert lines["generator (Sequential)"] == lines["discriminator (Sequential)"] == "ok"
