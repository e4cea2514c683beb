import numpy as np


def input_gradient(module, x, y):
    mode = module.training
    needs = {id(part): part.needs_dx for part in module.modules()}
    grads = [p.grad.copy() for p in module.parameters()]
    module.eval(keep_backward=True)
    for part in module.modules():
        part.needs_dx = True
    scores = module(x)
    dy = np.zeros_like(scores)
    for n in range(len(x)):
        dy[n, y[n]] = 1
    dx = module.backward(dy)
    for part in module.modules():
        part.needs_dx = needs[id(part)]
    for p, g in zip(module.parameters(), grads, strict=True):
        p.grad[...] = g
    module.train(mode)
    return dx
