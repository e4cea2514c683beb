import math


def step(step, lr, *, step_size, gamma=0.1):
    for s in range(1, step + 1):
        if s % step_size == 0:
            lr = lr * gamma
    return lr


def warmup(step, lr, *, warmup_steps):
    if step >= warmup_steps:
        return lr
    return lr * (step + 1) / (warmup_steps + 1)


def _cosine_between(start, end, share):
    half = (math.cos(share * math.pi) + 1) / 2
    return start * half + end * (1 - half)


def cosine(step, lr, *, total_steps, eta_min=0.0):
    return eta_min + (lr - eta_min) * (1 + math.cos(math.pi * step / total_steps)) / 2


def warmup_cosine(step, lr, *, total_steps, warmup_steps=0, eta_min=0.0):
    if step < warmup_steps:
        return lr * (step + 1) / (warmup_steps + 1)
    if step < total_steps:
        angle = math.pi * (step - warmup_steps) / (total_steps - warmup_steps)
        return eta_min + (lr - eta_min) * 0.5 * (1 + math.cos(angle))
    return eta_min
