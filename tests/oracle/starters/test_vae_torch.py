"""The VAE against its PyTorch twin: same weights, digits, noise and loss."""

import pytest
from starter_scripts import starter, tensors, train_both

torch = pytest.importorskip("torch")
nn = torch.nn


class Twin(nn.Module):
    def __init__(self, latent, hidden):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(64, hidden), nn.ReLU(), nn.Linear(hidden, 2 * latent)
        )
        self.decoder = nn.Sequential(nn.Linear(latent, hidden), nn.ReLU(), nn.Linear(hidden, 64))

    def forward(self, x, noise):
        mean, log_var = self.encoder(x.flatten(1)).chunk(2, dim=1)
        return self.decoder(mean + noise * (log_var / 2).exp()), mean, log_var


def loss(twin, batch):
    x, noise = batch
    logits, mean, log_var = twin(x, noise)
    entropy = nn.functional.binary_cross_entropy_with_logits(logits, x.flatten(1), reduction="sum")
    posterior = torch.distributions.Normal(mean, (log_var / 2).exp())
    prior = torch.distributions.Normal(torch.zeros_like(mean), torch.ones_like(mean))
    return (entropy + torch.distributions.kl_divergence(posterior, prior).sum()) / len(x)


def figures(epochs=5, hidden=64):
    script = starter("vae")
    data, net, twin = script.load(2), script.VAE(2, hidden), Twin(2, hidden)
    adam = torch.optim.Adam(twin.parameters(), lr=2e-3)
    trainer = train_both(net, data, epochs, twin, adam, loss, ["lr_schedule"])
    with torch.no_grad():
        theirs = loss(twin, tensors(data.test[:])).item()
    return trainer.test(net, data)["test_loss"], theirs


@pytest.mark.slow
def test_the_twin_reaches_the_same_test_loss():
    ours, theirs = figures()
    assert ours == pytest.approx(theirs, rel=0.01)
