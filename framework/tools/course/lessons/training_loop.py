"""A training loop without a Trainer, and the accuracy of a network."""

from typing import Any

from firstlight.module import Module


def fit(net: Module, criterion: Module, optimizer: Any, loader: Any, epochs: int) -> list[float]:
    """Train a network, and return the mean training loss of each epoch.

    An epoch is one iteration over the loader. For each of its batches (x, t)::

        y = net(x)                      forward pass, in training mode
        L = criterion(y, t)             mean loss of the batch
        dy = criterion.backward()       dL/dy
        net.backward(dy)                adds dL/dw to the gradients of the parameters
        optimizer.step()                w ← w - lr dL/dw

    Gradients add up, so each backward pass needs gradients of zero: ``optimizer.zero_grad()``.

    The mean loss of an epoch is that of its samples, each with the weights of its own step. A batch
    of n samples therefore counts n times; the last batch is often smaller than the others.

    Parameters
    ----------
    net, criterion : Module
        Network and loss. The network may be in evaluation mode: ``net.train()`` ends it.
    optimizer : Optimizer
        Of the network's parameters.
    loader : iterable
        Batches of arrays (x, t).
    epochs : int

    Returns
    -------
    list of float
        One loss per epoch.
    """
    net.train()
    history = []
    for _ in range(epochs):
        total, count = 0.0, 0
        for x, t in loader:
            loss = criterion(net(x), t)
            optimizer.zero_grad()
            net.backward(criterion.backward())
            optimizer.step()
            total += float(loss) * len(x)
            count += len(x)
        history.append(total / count)
    return history


def accuracy(net: Module, loader: Any) -> float:
    """Return the share of samples whose largest output is that of their class.

    Formula, for samples n with outputs y_n and labels t_n::

        1/N Σ_n [argmax_c y_nc = t_n]

    The network computes in evaluation mode, ``net.eval()``, e.g. without dropout. Afterwards, it is
    in its previous mode again; ``net.training`` is True in training mode.

    Parameters
    ----------
    net : Module
        Its output has shape (n, C).
    loader : iterable
        Batches of arrays (x, t); the last one is often smaller than the others.

    Returns
    -------
    float
        From 0 to 1.
    """
    was_training = net.training
    net.eval()
    right, count = 0, 0
    for x, t in loader:
        right += int((net(x).argmax(axis=1) == t).sum())
        count += len(t)
    net.train(was_training)
    return right / count
