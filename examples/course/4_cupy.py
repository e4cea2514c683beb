"""Step 4: one loop for NumPy and CuPy, the time of its step, and the Trainer's device."""

# %%
import time
from pathlib import Path

import images
import numpy as np

import firstlight as fl
from firstlight import figures
from firstlight.support.backend import load_cupy, resolve_device

# %% [markdown]
# ## One step, for arrays of both kinds
#
# NumPy's functions hand arrays of CuPy to CuPy, so that no line names the device.


# %%
def step(x, t, W1, b1, W2, b2, lr):
    """Make one step of gradient descent in place and return the loss, still on the device."""
    a = x @ W1.T + b1  # (N, H)
    h = np.maximum(a, 0)  # (N, H)
    z = h @ W2.T + b2  # (N, C)
    z = z - z.max(axis=1, keepdims=True)  # (N, C)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))  # (N, C)
    dz = (np.exp(log_p) - t) / len(x)  # (N, C)
    da = (dz @ W2) * (a > 0)  # (N, H)
    W2 -= lr * (dz.T @ h)
    b2 -= lr * dz.sum(axis=0)
    W1 -= lr * (da.T @ x)
    b1 -= lr * da.sum(axis=0)
    return -(t * log_p).sum() / len(x)


def seconds_of_a_step(xp, wait, images, labels, batch_size, hidden=128):
    """Return the seconds of a step, in the fastest of 20 epochs; ``xp`` is numpy or cupy."""
    rng = np.random.default_rng(0)  # on the host, so that CPU and GPU begin with the same weights
    x = xp.asarray(images.reshape(len(images), -1))  # copied once, before the loop
    t = xp.asarray(np.eye(10, dtype="float32")[labels])
    W1 = xp.asarray(rng.normal(0, 0.1, (hidden, x.shape[1])), dtype="float32")
    W2 = xp.asarray(rng.normal(0, 0.1, (10, hidden)), dtype="float32")
    b1, b2 = xp.zeros(hidden, dtype="float32"), xp.zeros(10, dtype="float32")
    steps, seconds = len(x) // batch_size, []
    for _ in range(20):
        order = xp.asarray(rng.permutation(len(x)))
        wait()
        start = time.perf_counter()
        for rows in order[: steps * batch_size].reshape(steps, batch_size):
            step(x[rows], t[rows], W1, b1, W2, b2, lr=0.2)
        wait()  # launches return before their work is done
        seconds.append((time.perf_counter() - start) / steps)
    return min(seconds)


# %% [markdown]
# ## The time of a step, by batch size
#
# A step costs a fixed time for its launches, and a time for each sample.

# %%
sizes, curves = [32, 64, 128, 256, 512], {}
x, y = fl.datasets.load("digits").train[:]
for device in dict.fromkeys(("cpu", resolve_device("auto"))):  # one of them, or both
    xp = np if device == "cpu" else load_cupy()
    wait = (lambda: None) if device == "cpu" else xp.cuda.get_current_stream().synchronize
    curves[device] = [seconds_of_a_step(xp, wait, x, y, size) * 1e6 / size for size in sizes]
    for size, micros in zip(sizes, curves[device], strict=True):
        print(f"{device}: batch {size:>3}  {micros * size:4.0f} µs a step  {micros:.2f} a sample")
Path("course").mkdir(exist_ok=True)
figure = figures.error_curves(sizes, curves, xlabel="batch size", ylabel="µs a sample")
figures.save(figure, "course/batch_sizes.png")

# %% [markdown]
# ## The same with the Trainer
#
# Without a usable GPU, both lines are of the CPU.

# %%
data = images.load(batch_size=256)
for device in ("cpu", "auto"):
    fl.seed_everything(0)
    net = fl.models.MLP(int(np.prod(data.input_shape)), 10, hidden=(1024, 1024))
    trainer = fl.Trainer(max_epochs=3, device=device, default_callbacks=False, runs_dir=None)
    start = time.perf_counter()
    trainer.fit(net, data)
    seconds = time.perf_counter() - start
    print(f"{trainer.device}: {trainer.step} steps in {seconds:.2f} s", trainer.test(net, data))
