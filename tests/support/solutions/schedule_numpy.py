# ruff: noqa: F821
import numpy as np


def step(step, lr, *, step_size, gamma=0.1):
    return lr * np.power(gamma, np.floor(step / step_size))


def warmup(step, lr, *, warmup_steps):
    return np.interp(step, [-1, warmup_steps], [0, lr])


def _cosine_between(start, end, share):
    return end + (start - end) * np.cos(np.pi * share / 2) ** 2


def cosine(step, lr, *, total_steps, eta_min=0.0):
    return _cosine_between(lr, eta_min, step / total_steps)


def warmup_cosine(step, lr, *, total_steps, warmup_steps=0, eta_min=0.0):
    if step < warmup_steps:
        return warmup(step, lr, warmup_steps=warmup_steps)
    after, length = step - warmup_steps, total_steps - warmup_steps
    share = np.clip(after / length, 0, 1) if length > 0 else 1.0
    return _cosine_between(lr, eta_min, share)
