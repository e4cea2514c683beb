import numpy as np


def fit(net, criterion, optimizer, loader, epochs):
    history = []
    net.train()
    for _epoch in range(epochs):
        losses, sizes = [], []
        for batch in loader:
            x, t = batch
            optimizer.zero_grad()
            prediction = net.forward(x)
            losses.append(criterion(prediction, t))
            sizes.append(len(t))
            dy = criterion.backward()
            net.backward(dy)
            optimizer.step()
        history.append(np.average(losses, weights=sizes))
    return history


def accuracy(net, loader):
    mode = net.training
    net.eval()
    hits = np.concatenate([np.argmax(net(x), axis=1) == t for x, t in loader])
    if mode:
        net.train()
    return hits.mean()
