# ruff: noqa: F821
import math


def step(step, lr, *, step_size, gamma=0.1):
    return lr if step < step_size else gamma * step_again(step - step_size, lr, step_size, gamma)


def step_again(s, lr, step_size, gamma):
    return step(s, lr, step_size=step_size, gamma=gamma)


def warmup(step, lr, *, warmup_steps):
    rates = [lr * (s + 1) / (warmup_steps + 1) for s in range(warmup_steps)] + [lr]
    return rates[min(step, warmup_steps)]


def _cosine_between(start, end, share):
    middle, height = (start + end) / 2, (start - end) / 2
    return middle + height * math.cos(math.pi * share)


def cosine(step, lr, *, total_steps, eta_min=0.0):
    return _cosine_between(lr, eta_min, step / total_steps)


def warmup_cosine(step, lr, *, total_steps, warmup_steps=0, eta_min=0.0):
    if step < warmup_steps:
        return warmup(step, lr, warmup_steps=warmup_steps)
    if step >= total_steps:
        return eta_min
    rest = total_steps - warmup_steps
    return cosine(step - warmup_steps, lr, total_steps=rest, eta_min=eta_min)
