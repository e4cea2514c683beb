"""Train a network of one's own on handwritten digits: subclass Module, hand it to a Trainer."""

import firstlight as fl
from firstlight import nn, optim


class Net(fl.Module):
    def __init__(self, hidden=128):
        self.body = nn.Sequential(nn.Linear(64, hidden), nn.ReLU(), nn.Linear(hidden, 10))
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x):  # x (N, 8, 8, 1) -> (N, 10)
        return self.body(x.reshape(-1, 64))

    def backward(self, dy):  # dy = dL/dy -> dL/dx
        return self.body.backward(dy)

    def configure_optimizer(self):
        return optim.Adam(self.parameters(), lr=1e-3)


digits = fl.datasets.load("digits")
trainer = fl.Trainer(max_epochs=30, name="digits-module")
trainer.fit(Net(), digits)
print(trainer.test(trainer.module, digits, checkpoint="best"))
