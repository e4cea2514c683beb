"""Step 2: a multi-layer perceptron of lists and floats learns handwritten digits."""

# %%
import time

import firstlight as fl
from firstlight.models.plain_python import PlainMLP

digits = fl.datasets.load("digits")

# %% [markdown]
# ## Train
#
# Every product and every sum is a line of Python in `models/plain_python.py`; so it is slow.

# %%
net = PlainMLP([64, 32, 10])

for epoch in range(5):
    start, losses = time.perf_counter(), []
    for x, y in digits.loader("train"):
        losses.append(net.step(x.reshape(-1, 64).tolist(), y.tolist(), lr=0.5))
    mean, seconds = sum(losses) / len(losses), time.perf_counter() - start
    print(f"epoch {epoch + 1}  mean loss {mean:.4f}  {seconds:.1f} s")

# %% [markdown]
# ## Test
#
# The test data played no part in the training.

# %%
right = 0
for x, y in digits.loader("test"):
    guesses = net.predict(x.reshape(-1, 64).tolist())
    right += sum(guess == label for guess, label in zip(guesses, y.tolist(), strict=True))
print(f"test accuracy {right / len(digits.test):.4f}")
