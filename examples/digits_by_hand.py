"""The same network and the same data without a Trainer: the whole loop by hand."""

import firstlight as fl
from firstlight import nn, optim

digits = fl.datasets.load("digits")
net = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
criterion = nn.CrossEntropyLoss()
optimizer = optim.Adam(net.parameters(), lr=1e-3)
train = digits.loader("train")

for epoch in range(30):
    for x, y in train:
        loss = criterion(net(x), y)  # forward
        net.backward(criterion.backward())  # backward: dL/dy in, gradients into the parameters
        optimizer.step()
        optimizer.zero_grad()
    print(f"epoch {epoch + 1:2d}  loss of the last batch {loss:.4f}")

net.eval()
correct = sum((net(x).argmax(axis=1) == y).sum() for x, y in digits.loader("test"))
print(f"test accuracy {correct / len(digits.test):.4f}")
