"""Step 4: the same script on a graphics card, where there is one: only ``device`` changes."""

# %%
import time

import images

import firstlight as fl

data = images.load(batch_size=256)
height, width, channels = data.input_shape

# %% [markdown]
# ## The CPU, and the graphics card
#
# Without a graphics card, both lines are of the CPU.

# %%
for device in ("cpu", "auto"):  # "cuda" would insist on a graphics card, "auto" takes one if it can
    fl.seed_everything(0)
    net = fl.models.MLP(height * width * channels, 10, hidden=(1024, 1024))
    trainer = fl.Trainer(max_epochs=3, device=device, default_callbacks=False, runs_dir=None)
    start = time.perf_counter()
    trainer.fit(net, data)
    seconds = time.perf_counter() - start
    accuracy = trainer.test(net, data)["test_acc"]
    print(
        f"{trainer.device}: {trainer.step} steps in {seconds:.2f} s, test accuracy {accuracy:.4f}"
    )
