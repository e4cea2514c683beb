def fit(net, criterion, optimizer, loader, epochs):
    def one_epoch():
        net.train()
        total = samples = 0
        for x, t in loader:
            net.zero_grad()
            y = net(x)
            loss = criterion(y, t)
            net.backward(criterion.backward(1.0))
            optimizer.step()
            n = x.shape[0]
            total, samples = total + n * loss, samples + n
        return total / samples

    return [one_epoch() for _ in range(epochs)]


def accuracy(net, loader):
    before = net.training
    try:
        net.train(False)
        found = [(net(x).argmax(-1), t) for x, t in loader]
        results = [bool(a == b) for ys, ts in found for a, b in zip(ys, ts, strict=True)]
    finally:
        net.train(before)
    return sum(results) / len(results)
