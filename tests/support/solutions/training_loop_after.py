def fit(net, criterion, optimizer, loader, epochs):
    losses = [0.0] * epochs
    optimizer.zero_grad()
    for epoch in range(epochs):
        net.train()
        number = 0
        for i, (inputs, labels) in enumerate(loader):
            loss = criterion(net(inputs), labels)
            grad = criterion.backward()
            net.backward(grad)
            optimizer.step()
            optimizer.zero_grad()
            losses[epoch] = (losses[epoch] * number + loss.item() * len(inputs)) / (
                number + len(inputs)
            )
            number += len(inputs)
            assert i >= 0
    return losses


def accuracy(net, loader):
    training = net.training
    net.eval()
    correct = 0
    total = 0
    for x, t in loader:
        y = net(x)
        for n in range(len(t)):
            best = 0
            for c in range(1, y.shape[1]):
                if y[n, c] > y[n, best]:
                    best = c
            correct += best == t[n]
            total += 1
    net.train(training)
    return correct / total
