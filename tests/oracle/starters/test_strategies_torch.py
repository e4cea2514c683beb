"""All strategies but dropout against PyTorch twins: same weights and batches."""

import numpy as np
import pytest
from starter_scripts import starter, tensors

import firstlight as fl

torch = pytest.importorskip("torch")
nn = torch.nn
cross_entropy = nn.functional.cross_entropy


class Twins(fl.Callback):
    """A network in PyTorch beside each of ours, with an optimizer for each strategy."""

    def __init__(self, script, width):
        self.nets = {
            name: [
                nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))
                for _ in range(script.SEEDS)
            ]
            for name in script.STRATEGIES
        }

    def on_fit_start(self, trainer, module):
        self.adams = {}
        for name, nets in self.nets.items():
            for twin, net in zip(nets, module.nets[name], strict=True):
                arrays = [torch.from_numpy(p.data.copy()) for p in net.parameters()]
                for parameter, array in zip(twin.parameters(), arrays, strict=True):
                    parameter.data = array
            decay = trainer.optimizer[name].param_groups[0]["weight_decay"]
            parameters = [p for twin in nets for p in twin.parameters()]
            self.adams[name] = torch.optim.AdamW(parameters, weight_decay=decay)

    def on_train_batch_end(self, trainer, batch):
        x, y, warped = tensors(batch)
        for name, nets in self.nets.items():
            inputs = warped if name == "augmentation" else x
            smoothing = 0.1 if name == "smoothing" else 0.0
            self.adams[name].zero_grad()
            self.adams[name].param_groups[0]["lr"] = trainer.optimizer[name].lr
            sum(cross_entropy(net(inputs), y, label_smoothing=smoothing) for net in nets).backward()
            self.adams[name].step()

    def losses(self, x, y):
        """Return the mean loss and accuracy over the seeds by strategy."""
        found = {}
        for name, nets in self.nets.items():
            logits = [net(x) for net in nets]
            loss = np.mean([cross_entropy(z, y).item() for z in logits])
            found[name] = loss, np.mean([(z.argmax(1) == y).float().mean().item() for z in logits])
        return found


def figures(epochs=3, width=16):
    script = starter("strategies")
    fl.seed_everything(0)
    data, net = script.load(), script.Contest(width)
    for one in net.nets["dropout"]:  # masks are random: here this strategy is a plain one
        one.body.layers[3].p = 0.0
    twins = Twins(script, width)
    cosine = fl.callbacks.LRSchedule("cosine", optimizer="schedule")
    settings = {"default_callbacks": False, "runs_dir": None}
    trainer = fl.Trainer(max_epochs=epochs, callbacks=[cosine, twins], **settings)
    trainer.fit(net, data)
    results = trainer.test(net, data)
    ours = {
        name: (results[f"test_loss_{name}"], results[f"test_acc_{name}"])
        for name in script.STRATEGIES
    }
    with torch.no_grad():
        return ours, twins.losses(*tensors(data.test[:]))


@pytest.mark.slow
def test_the_twins_reach_the_same_losses_and_accuracies():
    ours, theirs = figures()
    for name in ours:
        assert ours[name] == pytest.approx(theirs[name], rel=0.01), name
