"""Pruning and int8 against a PyTorch twin: same weights and batches, pruned at the same epochs."""

import pytest
from starter_scripts import starter, tensors, train_both

import firstlight as fl

torch = pytest.importorskip("torch")
nn = torch.nn


class Masked(nn.Linear):
    def __init__(self, in_features, out_features):
        super().__init__(in_features, out_features)
        self.register_buffer("mask", torch.ones(out_features, in_features))

    def forward(self, x):
        return nn.functional.linear(x, self.weight * self.mask, self.bias)


class Twin(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        layers = [Masked(64, hidden), nn.ReLU(), Masked(hidden, hidden), nn.ReLU()]
        self.layers = nn.ModuleList([*layers, Masked(hidden, 10)])

    def forward(self, x):
        x = x.flatten(1)
        for layer in self.layers:
            x = layer(x)
        return x

    def prune(self, share):
        sizes = [(one.weight * one.mask).abs() for one in self.layers[::2]]
        limit = torch.quantile(torch.cat([size.ravel() for size in sizes]), 1 - share)
        for layer, size in zip(self.layers[::2], sizes, strict=True):
            layer.mask.copy_(size >= limit)

    def in_int8(self, x, examples):
        x, examples = x.flatten(1), examples.flatten(1)
        for layer in self.layers:
            if isinstance(layer, Masked):
                weight = layer.weight * layer.mask
                scales = (weight.abs().amax(dim=1) / 127).clamp(min=1e-12)
                settings = torch.zeros(len(weight), dtype=torch.int32), 0, -127, 127
                weight = torch.fake_quantize_per_channel_affine(weight, scales, *settings)
                scale = examples.abs().max().item() / 127
                x = torch.fake_quantize_per_tensor_affine(x, scale, 0, -127, 127)
                x = nn.functional.linear(x, weight, layer.bias)
            else:
                x = layer(x)
            examples = layer(examples)
        return x


class PruneTwin(fl.Callback):
    """Prune a twin when the starter's callback prunes the model."""

    def __init__(self, twin, prune):
        self.twin, self.prune = twin, prune

    def on_train_epoch_start(self, trainer):
        if 3 * trainer.epoch > self.prune.epochs:
            with torch.no_grad():
                self.twin.prune(self.prune.share_at(trainer.epoch))


def loss(twin, batch):
    return nn.functional.cross_entropy(twin(batch[0]), batch[1])


def figures(epochs=12, hidden=64, share=0.1):
    script = starter("compression")
    data = fl.datasets.load("digits", normalize=False, batch_size=64)
    net, twin, prune = script.Net(hidden), Twin(hidden), script.Prune(share, epochs)
    adam = torch.optim.Adam(twin.parameters(), lr=2e-3)
    train_both(net, data, epochs, twin, adam, loss, [prune, PruneTwin(twin, prune)])
    (x, y), examples = data.test[:], data.train[:][0]
    ours = script.int8_forward(net.eval(), x, examples)
    with torch.no_grad():
        theirs = twin.in_int8(*tensors((x, examples))).numpy()
    return tuple((scores.argmax(axis=1) == y).mean() for scores in (ours, theirs))


@pytest.mark.slow
def test_the_twin_is_as_accurate():
    ours, theirs = figures()
    assert ours == pytest.approx(theirs, rel=0.01)
